//! Tells what stands in the way of a demand, GPU by GPU. Pure.

use std::collections::BTreeMap;

use crate::model::ids::GpuIndex;
use crate::model::occupancy::{Claim, Occupancy, Role, Usage};
use crate::model::pool::Pool;
use crate::model::process::Process;
use crate::model::verb::{Blocker, User, Why};

use super::supply::{Ask, Supply};

/// Every GPU that would do for `ask` and cannot be had, with the reason.
pub(in crate::model) fn blockers(
    pool: &Pool,
    judged: &BTreeMap<GpuIndex, Occupancy>,
    supply: &Supply<'_>,
    ask: &Ask<'_>,
) -> Vec<Blocker> {
    let usable = supply.usable(ask);
    judged
        .values()
        .filter(|occupancy| ask.wants(occupancy.gpu) && !usable.contains(&occupancy.gpu))
        .filter_map(|occupancy| {
            let why = why(pool, supply, occupancy)?;
            Some(Blocker { gpu: occupancy.gpu, why })
        })
        .collect()
}

fn why(pool: &Pool, supply: &Supply<'_>, occupancy: &Occupancy) -> Option<Why> {
    let gpu = occupancy.gpu;
    let why = match (&occupancy.claim, &occupancy.usage) {
        (Claim::Damaged { .. }, _) => Why::Damaged,
        (Claim::Reserved { id, .. }, _) => {
            let held = pool.reservations.get(id)?;
            Why::Reserved {
                id: id.clone(),
                by: held.holder.clone(),
                kind: held.kind,
                since: held.started,
                expiry: held.expiry,
            }
        }
        (Claim::Seated(seat), _) => Why::Seat { by: seat.holder() },
        (Claim::Nobody { .. }, Usage::Unknown(unknown)) => Why::Unknown(unknown.clone()),
        (Claim::Nobody { .. }, usage) => {
            if let Some(taker) = supply.taken_by(gpu) {
                let waiter = pool.waiters.iter().find(|waiter| waiter.id == *taker)?;
                return Some(Why::SetAside { for_holder: waiter.holder.clone() });
            }
            match usage {
                Usage::Draining { .. } => Why::Draining,
                _ => Why::Used { by: users(occupancy) },
            }
        }
    };
    Some(why)
}

fn users(occupancy: &Occupancy) -> Vec<User> {
    // As it is shown: what belongs to the system is what uses it where nobody else does.
    let (system, people): (Vec<_>, Vec<_>) =
        occupancy.processes.iter().partition(|judged| judged.role == Role::System);
    let users = if people.is_empty() { system } else { people };
    users.into_iter().map(|judged| user(&judged.process)).collect()
}

fn user(process: &Process) -> User {
    User { name: process.owner(), pid: process.pid, process: process.name.clone() }
}

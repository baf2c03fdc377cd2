//! Records in the store that are damaged, over, the Go program's, or not believed. Pure.

use std::collections::BTreeMap;

use crate::model::gpu_list;
use crate::model::ids::{GpuIndex, GpuUuid, LeaseId};
use crate::model::occupancy::{Claim, Doubt, Occupancy};
use crate::model::pool::{Pool, SlotState};
use crate::model::reservation::{Author, Reservation};
use crate::model::seen::{GpuSeen, Seat};
use crate::output::{self, Area, Finding, Level, Mend};

/// What was found out about the records.
#[derive(Debug)]
pub(super) struct Facts {
    /// As the store has it.
    pub(super) pool: Pool,
    /// As it will be when somebody has cleared away what is over.
    pub(super) swept: Pool,
    pub(super) occupancies: BTreeMap<GpuIndex, Occupancy>,
    /// What the driver reports; empty where it does not answer.
    pub(super) gpus: Vec<GpuSeen>,
}

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found = damaged(&facts.pool);
    found.extend(over(facts));
    found.extend(of_the_go_program(&facts.swept));
    found.extend(facts.occupancies.values().filter_map(|occupancy| not_believed(occupancy, &facts.swept)));
    found.extend(other_gpus(facts));
    let is_well = found.iter().all(|finding| finding.level == Level::Ok);
    if is_well {
        found.insert(0, Finding::ok(Area::Records, sum(&facts.swept)));
    }
    found
}

fn sum(pool: &Pool) -> String {
    let count = |count: usize, what: &str| match count {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    };
    let held = count(pool.reservations.len(), "reservation");
    format!("{held}, {}, nothing stale", count(pool.waiters.len(), "waiter"))
}

fn damaged(pool: &Pool) -> Vec<Finding> {
    let damage = |(gpu, slot): (&GpuIndex, &crate::model::pool::Slot)| match &slot.state {
        SlotState::Damaged { why } => Some(Finding::problem(
            Area::Records,
            format!("the record of GPU {gpu} cannot be read: {why}"),
            Some(
                Mend::run(format!("chg admin --reset gpu:{gpu}"))
                    .and("throws it away; other GPUs keep working"),
            ),
        )),
        SlotState::Free { .. } | SlotState::Held(_) => None,
    };
    let of_pool = pool.damaged.iter().map(|(record, why)| {
        let (message, _) = output::damage(*record, why);
        let mend = Mend::run(format!("chg admin --reset {}", record.key())).and("throws it away");
        Finding::problem(Area::Records, message, Some(mend))
    });
    of_pool.chain(pool.slots.iter().filter_map(damage)).collect()
}

fn over(facts: &Facts) -> Vec<Finding> {
    let is_over = |held: &&Reservation| !facts.swept.reservations.contains_key(&held.id);
    let reservations = facts.pool.reservations.values().filter(is_over).map(|held| {
        let message = format!("{} is over and was not cleared away yet", named(held));
        Finding::warning(Area::Records, message, Mend::run("chg status").and("clears it away"))
    });
    let gone = facts.pool.waiters.len().saturating_sub(facts.swept.waiters.len());
    let waiters = (gone > 0).then(|| {
        let message = format!("{gone} of {} in line are gone", facts.pool.waiters.len());
        Finding::warning(Area::Records, message, Mend::run("chg status").and("takes them out of the line"))
    });
    reservations.chain(waiters).collect()
}

/// `reservation 12ab of alice (GPU 1, 3)`.
fn named(held: &Reservation) -> String {
    let gpus = gpu_list::spaced(&held.gpus);
    format!("reservation {} of {} (GPU {gpus})", held.id, output::holder(&held.holder))
}

fn of_the_go_program(pool: &Pool) -> Vec<Finding> {
    let held = pool.reservations.values().filter(|held| held.author == Author::Go).count();
    let waiting = pool.waiters.iter().filter(|waiter| waiter.author == Author::Go).count();
    let records = (held + waiting > 0).then(|| {
        let message = format!("{held} reserved and {waiting} in line by the Go canhazgpu");
        let mend = "both may serve one machine while people move; then let nobody use the Go program";
        Finding::warning(Area::Records, message, mend)
    });
    let is_unbound = pool.provider.is_some() && pool.slots.values().any(|slot| slot.uuid.is_none());
    let unbound = is_unbound.then(|| {
        let message = "the pool is the Go program's and does not say which GPUs it is made of";
        Finding::warning(Area::Records, message, "the next reservation with this program puts that down")
    });
    records.into_iter().chain(unbound).collect()
}

fn not_believed(occupancy: &Occupancy, pool: &Pool) -> Option<Finding> {
    let gpu = occupancy.gpu;
    let Claim::Reserved { id, doubt: Some(doubt) } = &occupancy.claim else { return None };
    let held = named(pool.reservations.get(id)?);
    let message = match doubt {
        Doubt::SeatOfAnother(seat) => {
            format!("{held} is not believed: {} sits on GPU {gpu}", sitter(seat))
        }
        Doubt::NobodyThere => format!("{held} is not believed: nobody sits on GPU {gpu}"),
    };
    Some(Finding::problem(Area::Records, message, Some(release(id))))
}

fn release(id: &LeaseId) -> Mend {
    Mend::run(format!("chg admin --release {id}")).and("as an admin")
}

/// Who sits on a GPU.
pub(super) fn sitter(seat: &Seat) -> String {
    let who = seat.holder().unwrap_or_else(|| "somebody".to_owned());
    match seat {
        Seat::Taken { pid, .. } if pid.0 > 0 => format!("{who} (PID {pid})"),
        Seat::Taken { .. } | Seat::TakenBySomebody => who,
    }
}

/// GPUs of the pool that the machine has not, and the other way round.
fn other_gpus(facts: &Facts) -> Vec<Finding> {
    if facts.gpus.is_empty() || facts.pool.provider.is_none() {
        return Vec::new();
    }
    let pool = &facts.pool.slots;
    let is_reported = |uuid: &GpuUuid| facts.gpus.iter().any(|gpu| gpu.device.uuid == *uuid);
    let missing: Vec<_> = pool
        .iter()
        .filter(|(_, slot)| slot.uuid.as_ref().is_some_and(|uuid| !is_reported(uuid)))
        .map(|(gpu, _)| *gpu)
        .collect();
    let is_pooled = |gpu: &&GpuSeen| {
        pool.iter().any(|(index, slot)| match &slot.uuid {
            Some(uuid) => *uuid == gpu.device.uuid,
            None => *index == gpu.device.index,
        })
    };
    let outside: Vec<_> =
        facts.gpus.iter().filter(|gpu| !is_pooled(gpu)).map(|gpu| gpu.device.index).collect();
    let all = facts.gpus.len();
    let missing = (!missing.is_empty()).then(|| {
        let message = format!("GPU {} of the pool: not reported by the driver", gpu_list::spaced(&missing));
        let mend = Mend::run(format!("chg admin --gpus {all} --force")).and("if that is to stay so");
        Finding::problem(Area::Records, message, Some(mend))
    });
    let outside = (!outside.is_empty()).then(|| {
        let message = format!("GPU {} of this machine: not in the pool", gpu_list::spaced(&outside));
        Finding {
            mend: Some(Mend::run(format!("chg admin --gpus {all} --force")).and("takes all in")),
            ..Finding::ok(Area::Records, message)
        }
    });
    missing.into_iter().chain(outside).collect()
}

#[cfg(test)]
mod tests;

//! The one place where the plan asks what each GPU is used for. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::ids::{GpuIndex, Timestamp};
use crate::model::occupancy::{Claim, Judged, Occupancy, Role, Usage};
use crate::model::pool::{Pool, Slot, SlotState};
use crate::model::process::Process;
use crate::model::seen::{Context, GpuProcess, GpuSeen, Measured, Reading, Seen, Unknown};

/// How long memory may take to be given back after a release.
const DRAINS: Duration = Duration::from_secs(60);
/// What the driver runs of itself (comm holds 15 characters).
const SYSTEM: [&str; 3] = ["nvidia-persiste", "nv-hostengine", "nvidia-cuda-mps"];

/// The verdict on each GPU of the pool.
pub(crate) fn occupancies(pool: &Pool, seen: &Seen<'_>, now: Timestamp) -> BTreeMap<GpuIndex, Occupancy> {
    pool.slots.iter().map(|(gpu, slot)| (*gpu, occupancy(*gpu, slot, seen, now))).collect()
}

fn occupancy(gpu: GpuIndex, slot: &Slot, seen: &Seen<'_>, now: Timestamp) -> Occupancy {
    let found = match &slot.uuid {
        Some(uuid) => seen.gpu(uuid),
        None => seen.gpus.iter().find(|found| found.device.index == gpu),
    };
    let (usage, processes) = match found.map(|found| &found.reading) {
        None => (Usage::Unknown(Unknown::Missing), Vec::new()),
        Some(Reading::Unknown(why)) => (Usage::Unknown(why.clone()), Vec::new()),
        Some(Reading::Measured(measured)) => {
            let processes = judged(measured, slot, seen);
            (usage(measured, &processes, slot, seen, now), processes)
        }
    };
    Occupancy { gpu, claim: claim(slot, found, seen), usage, processes }
}

fn claim(slot: &Slot, found: Option<&GpuSeen>, seen: &Seen<'_>) -> Claim {
    let seat =
        slot.uuid.as_ref().or(found.map(|found| &found.device.uuid)).and_then(|uuid| seen.seats.get(uuid));
    match (&slot.state, seat) {
        (SlotState::Damaged { why }, _) => Claim::Damaged { why: why.clone() },
        (SlotState::Held(id), _) => Claim::Reserved { id: id.clone(), doubt: None },
        (SlotState::Free { .. }, Some(seat)) => Claim::Seated(*seat),
        (SlotState::Free { last_released, past }, None) => {
            Claim::Nobody { last_released: *last_released, past: past.clone() }
        }
    }
}

fn usage(measured: &Measured, processes: &[Judged], slot: &Slot, seen: &Seen<'_>, now: Timestamp) -> Usage {
    let used = measured.used;
    let released = match &slot.state {
        SlotState::Free { last_released, .. } => *last_released,
        SlotState::Held(_) | SlotState::Damaged { .. } => None,
    };
    if processes.iter().any(|judged| judged.role != Role::System) {
        Usage::InUse { used }
    } else if used <= seen.threshold {
        Usage::Idle { used }
    } else if released.is_some_and(|released| now.since(released) < DRAINS) {
        Usage::Draining { used }
    } else {
        Usage::InUse { used }
    }
}

fn judged(measured: &Measured, slot: &Slot, seen: &Seen<'_>) -> Vec<Judged> {
    let judge = |found: &GpuProcess| {
        let process = seen.owners.get(&found.pid).cloned().unwrap_or_else(|| Process::unknown(found.pid));
        let system =
            found.context == Context::Graphics || SYSTEM.iter().any(|name| process.name.starts_with(name));
        let role = match &slot.state {
            _ if system => Role::System,
            SlotState::Held(_) => Role::Unattributed,
            SlotState::Free { .. } | SlotState::Damaged { .. } => Role::Unreserved,
        };
        Judged { process, memory: found.memory, context: found.context, role }
    };
    measured.processes.iter().map(judge).collect()
}

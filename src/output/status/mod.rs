//! The state of every GPU, ready to be shown: the reservation, the verdict and the measurements joined. Pure; the
//! forms it is shown in are its children.

use std::collections::BTreeMap;

use crate::model::device::Device;
use crate::model::ids::{GpuIndex, GpuUuid, Megabytes, Timestamp};
use crate::model::occupancy::{Claim, Judged, Occupancy, Role, Usage};
use crate::model::pool::{Pool, Slot, SlotState};
use crate::model::reservation::Reservation;
use crate::model::seen::{GpuSeen, Measured, Reading, Slice, Unknown};

mod condition;
mod json;
mod lines;
mod remarks;
mod summary;
mod table;

pub(crate) use json::json;
pub(crate) use lines::lines;
pub(crate) use summary::{conditions, summary, totals};
pub(crate) use table::table;

pub(super) use condition::Condition;
pub(super) use remarks::{dotted, remarks};
pub(super) use table::{gigabytes, held_or_free_for, in_short, status_word, user_of};

/// Every GPU at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatusView {
    pub(crate) now: Timestamp,
    /// By index.
    pub(crate) gpus: Vec<GpuView>,
}

/// One GPU and everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GpuView {
    pub(crate) index: GpuIndex,
    pub(crate) uuid: Option<GpuUuid>,
    /// Absent where the driver does not report it.
    pub(crate) device: Option<Device>,
    pub(crate) measured: Option<Measured>,
    /// Of a GPU in multi-instance mode.
    pub(crate) slices: Vec<Slice>,
    pub(crate) occupancy: Occupancy,
    pub(crate) reservation: Option<Reservation>,
}

impl StatusView {
    /// Joins the parts. A GPU is found among the scanned ones by its UUID, or by its index where the pool does not know
    /// its UUID yet; one without a verdict is shown as not reported.
    pub(crate) fn new(
        pool: &Pool,
        occupancies: &BTreeMap<GpuIndex, Occupancy>,
        seen: &[GpuSeen],
        now: Timestamp,
    ) -> Self {
        let view = |(index, slot): (&GpuIndex, &Slot)| {
            let seen = seen.iter().find(|gpu| match &slot.uuid {
                Some(uuid) => gpu.device.uuid == *uuid,
                None => gpu.device.index == *index,
            });
            let occupancy = occupancies.get(index).cloned().unwrap_or_else(|| unjudged(*index, slot));
            GpuView::new(*index, slot, seen, occupancy, pool)
        };
        Self { now, gpus: pool.slots.iter().map(view).collect() }
    }
}

fn unjudged(gpu: GpuIndex, slot: &Slot) -> Occupancy {
    let claim = match &slot.state {
        SlotState::Free { last_released, past } => {
            Claim::Nobody { last_released: *last_released, past: past.clone() }
        }
        SlotState::Held(id) => Claim::Reserved { id: id.clone(), doubt: None },
        SlotState::Damaged { why } => Claim::Damaged { why: why.clone() },
    };
    Occupancy { gpu, claim, usage: Usage::Unknown(Unknown::Missing), processes: Vec::new() }
}

impl GpuView {
    fn new(index: GpuIndex, slot: &Slot, seen: Option<&GpuSeen>, occupancy: Occupancy, pool: &Pool) -> Self {
        let reservation = match &occupancy.claim {
            Claim::Reserved { id, .. } => pool.reservations.get(id).cloned(),
            _ => None,
        };
        let (measured, slices) = match seen.map(|gpu| &gpu.reading) {
            Some(Reading::Measured(measured)) => (Some(measured.clone()), Vec::new()),
            Some(Reading::Sliced(slices)) => (None, slices.clone()),
            Some(Reading::Unknown(_)) | None => (None, Vec::new()),
        };
        let uuid = slot.uuid.clone().or_else(|| seen.map(|gpu| gpu.device.uuid.clone()));
        let device = seen.map(|gpu| gpu.device.clone());
        Self { index, uuid, device, measured, slices, occupancy, reservation }
    }

    /// Memory in use, where the driver told.
    pub(super) fn used(&self) -> Option<Megabytes> {
        match self.occupancy.usage {
            Usage::Idle { used } | Usage::Draining { used } | Usage::InUse { used } => Some(used),
            Usage::Unknown(_) => None,
        }
    }

    /// The processes that make it used: all but system ones, or these if there are no others.
    pub(super) fn users(&self) -> Vec<&Judged> {
        let people = self.people();
        if people.is_empty() { self.occupancy.processes.iter().collect() } else { people }
    }

    /// All processes but system ones.
    pub(super) fn people(&self) -> Vec<&Judged> {
        self.with_role(|role| *role != Role::System)
    }

    pub(super) fn intruders(&self) -> Vec<&Judged> {
        self.with_role(|role| *role == Role::Intruder)
    }

    pub(super) fn with_role(&self, wanted: impl Fn(&Role) -> bool) -> Vec<&Judged> {
        self.occupancy.processes.iter().filter(|judged| wanted(&judged.role)).collect()
    }

    /// The model that is served or trained on it: the holder's before anybody else's.
    pub(super) fn model(&self) -> Option<&str> {
        let named = |judged: &&Judged| judged.process.model.is_some();
        let processes = || self.occupancy.processes.iter().filter(named);
        let held = processes().find(|judged| judged.role == Role::Holder);
        held.or_else(|| processes().next()).and_then(|judged| judged.process.model.as_deref())
    }

    /// When a GPU that nobody holds was given back, if it ever was.
    pub(super) fn last_released(&self) -> Option<Timestamp> {
        match self.occupancy.claim {
            Claim::Nobody { last_released, .. } => last_released,
            _ => None,
        }
    }

    pub(super) fn note(&self) -> Option<&str> {
        self.reservation
            .as_ref()
            .and_then(|reservation| reservation.note.as_deref())
            .filter(|note| !note.is_empty())
    }
}

#[cfg(test)]
pub(super) mod scene;
#[cfg(test)]
mod tests;

//! Keeps the pool's numbers and the driver's UUIDs together: binds a pool that has none, and follows new numbers.

use std::collections::BTreeMap;

use super::{Pool, Slot, SlotState};
use crate::model::ids::{GpuIndex, GpuUuid};
use crate::model::reservation::{Author, Kind};
use crate::model::seen::Seen;
use crate::model::verb::Refusal;

/// Where a slot of a renumbered pool comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// Its number so far; absent for a GPU that is new in the pool.
    pub(super) old: Option<GpuIndex>,
    pub(super) uuid: Option<GpuUuid>,
}

impl Pool {
    /// Sees to it that there is a pool, and that it is one of this machine's GPUs.
    pub(super) fn make_ready(&mut self, seen: &Seen<'_>) -> Result<(), Refusal> {
        self.is_told()?;
        if self.provider.is_none() && self.slots.is_empty() {
            return self.make_of_all(seen);
        }
        let bound = || self.slots.values().filter_map(|slot| slot.uuid.as_ref());
        if !seen.gpus.is_empty() && bound().count() > 0 && !bound().any(|uuid| seen.gpu(uuid).is_some()) {
            return Err(Refusal::OtherGpus);
        }
        self.bind(seen);
        self.follow(seen);
        Ok(())
    }

    /// Gives the slots of a pool that the Go program made the UUIDs of the GPUs with their numbers.
    fn bind(&mut self, seen: &Seen<'_>) {
        for found in seen.gpus {
            let uuid = &found.device.uuid;
            if self.slots.values().any(|slot| slot.uuid.as_ref() == Some(uuid)) {
                continue;
            }
            if let Some(slot) = self.slots.get_mut(&found.device.index).filter(|slot| slot.uuid.is_none()) {
                slot.uuid = Some(uuid.clone());
            }
        }
    }

    /// Takes over new numbers of the driver's, if every GPU of the pool is seen and no lease depends on the old ones.
    /// (A container may see a part of them, counted anew: what is numbered otherwise is then not grantable there.)
    fn follow(&mut self, seen: &Seen<'_>) {
        let mut plan = BTreeMap::new();
        for (old, slot) in &self.slots {
            let Some(found) = slot.uuid.as_ref().and_then(|uuid| seen.gpu(uuid)) else { return };
            let origin = Origin { old: Some(*old), uuid: slot.uuid.clone() };
            plan.insert(found.device.index, origin);
        }
        let moved = plan.iter().any(|(new, origin)| origin.old != Some(*new));
        if moved && plan.len() == self.slots.len() && self.pinned_elsewhere(&plan).next().is_none() {
            self.renumber(plan);
        }
    }

    /// Held GPUs that `plan` would give another number, though their holder knows them by the old one: a live run has
    /// it in its environment, and the Go program knows no other name.
    pub(super) fn pinned_elsewhere(
        &self,
        plan: &BTreeMap<GpuIndex, Origin>,
    ) -> impl Iterator<Item = GpuIndex> {
        plan.iter().filter_map(|(new, origin)| origin.old.filter(|old| old != new)).filter(|old| {
            self.holding(*old).is_some_and(|held| held.kind == Kind::Run || held.author == Author::Go)
        })
    }

    /// Gives every slot its new number. Reservations go with their GPUs.
    pub(super) fn renumber(&mut self, plan: BTreeMap<GpuIndex, Origin>) {
        let numbers: BTreeMap<_, _> =
            plan.iter().filter_map(|(new, origin)| Some((origin.old?, *new))).collect();
        for held in self.reservations.values_mut() {
            for gpu in &mut held.gpus {
                *gpu = numbers.get(gpu).copied().unwrap_or(*gpu);
            }
            held.gpus.sort_unstable();
        }
        let mut old = std::mem::take(&mut self.slots);
        let mut slot = |origin: Origin| {
            let known = origin.old.and_then(|gpu| old.remove(&gpu)).map(|slot| slot.state);
            let state = known.unwrap_or(SlotState::Free { last_released: None, past: None });
            Slot { uuid: origin.uuid, state }
        };
        self.slots = plan.into_iter().map(|(gpu, origin)| (gpu, slot(origin))).collect();
    }
}

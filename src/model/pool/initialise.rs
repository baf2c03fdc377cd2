//! Makes the pool of the GPUs that are there, and changes its size or provider.

use std::collections::{BTreeMap, BTreeSet};

use super::numbers::Origin;
use super::{Pool, Slot, SlotState};
use crate::model::device::{Device, Provider, fake_devices, store_of_fake};
use crate::model::ids::{GpuIndex, GpuUuid};
use crate::model::request::{Actor, Authority};
use crate::model::seen::Seen;
use crate::model::verb::{Change, Outcome, PoolSize, Refusal};

/// More simulated GPUs than this are a slip of the finger.
const MOST_FAKE: u32 = 1024;

/// The GPUs of a pool that is wanted.
type Wanted = BTreeMap<GpuIndex, GpuUuid>;

impl Pool {
    pub(super) fn initialise(
        &mut self,
        actor: &Actor,
        provider: Provider,
        size: &PoolSize,
        change: Change,
        seen: &Seen<'_>,
    ) -> Outcome {
        // Neither a driver nor a right is needed to find that all is as wished.
        if change == Change::Refuse && self.provider == Some(provider) && self.has_size(size, seen) {
            return Outcome::Done;
        }
        let wanted = self.is_told().and_then(|()| self.wanted(provider, size, seen));
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        match self.provider {
            None => {
                self.make(provider, wanted);
                Outcome::Done
            }
            Some(current) if current == provider && self.is_made_of(&wanted) => Outcome::Done,
            Some(current) if change == Change::Refuse => {
                let gpus = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
                Outcome::Refused(Refusal::PoolExists { provider: current, gpus })
            }
            Some(_) if actor.authority != Authority::Admin => Outcome::Refused(Refusal::NeedsAuthority),
            Some(current) => self.rebuild(current, provider, wanted),
        }
    }

    /// Makes the pool on first use, of all that the driver reports. Simulated GPUs are there only if there was such a pool
    /// before its store lost its data: it comes back under its name, which their UUIDs carry.
    pub(super) fn make_of_all(&mut self, seen: &Seen<'_>) -> Result<(), Refusal> {
        let wanted = self.wanted(Provider::Nvidia, &PoolSize::All, seen)?;
        match wanted.values().find_map(store_of_fake).map(str::to_owned) {
            Some(store_id) => {
                self.store_id = store_id;
                self.make(Provider::Fake, wanted);
            }
            None => self.make(Provider::Nvidia, wanted),
        }
        Ok(())
    }

    fn make(&mut self, provider: Provider, wanted: Wanted) {
        self.provider = Some(provider);
        let slot =
            |uuid| Slot { uuid: Some(uuid), state: SlotState::Free { last_released: None, past: None } };
        self.slots = wanted.into_iter().map(|(gpu, uuid)| (gpu, slot(uuid))).collect();
    }

    fn has_size(&self, size: &PoolSize, seen: &Seen<'_>) -> bool {
        match size {
            PoolSize::All => seen.gpus.is_empty() || seen.gpus.len() == self.slots.len(),
            PoolSize::First(count) => u32::try_from(self.slots.len()).is_ok_and(|gpus| gpus == *count),
            PoolSize::Exactly(ids) => self.slots.keys().eq(ids),
        }
    }

    fn is_made_of(&self, wanted: &Wanted) -> bool {
        let own = self.slots.iter().map(|(gpu, slot)| (gpu, slot.uuid.as_ref()));
        own.eq(wanted.iter().map(|(gpu, uuid)| (gpu, Some(uuid))))
    }

    fn wanted(&self, provider: Provider, size: &PoolSize, seen: &Seen<'_>) -> Result<Wanted, Refusal> {
        let there = match provider {
            Provider::Nvidia => seen.gpus.iter().map(|found| found.device.clone()).collect(),
            Provider::Fake => self.simulated(size, seen),
        };
        let wanted = choose(&there, size)?;
        Ok(wanted.into_iter().map(|device| (device.index, device.uuid.clone())).collect())
    }

    fn simulated(&self, size: &PoolSize, seen: &Seen<'_>) -> Vec<Device> {
        match size {
            // How many are all of what does not exist, only an earlier answer says.
            PoolSize::All if self.provider == Some(Provider::Fake) => {
                seen.gpus.iter().map(|found| found.device.clone()).collect()
            }
            PoolSize::All => Vec::new(),
            PoolSize::First(count) => {
                fake_devices(&self.store_id, (0..(*count).min(MOST_FAKE)).map(GpuIndex))
            }
            PoolSize::Exactly(ids) => fake_devices(&self.store_id, ids.iter().copied()),
        }
    }

    /// Replaces the GPUs. What goes away must not be reserved, and what is reserved must keep what it knows itself by.
    fn rebuild(&mut self, current: Provider, provider: Provider, wanted: Wanted) -> Outcome {
        let origin = |gpu: GpuIndex, uuid: &GpuUuid| {
            let same = self.slots.iter().find(|(_, slot)| slot.uuid.as_ref() == Some(uuid));
            let unbound = || self.slots.get(&gpu).is_some_and(|slot| slot.uuid.is_none());
            let old = same.map(|(old, _)| *old).or_else(|| (current == provider && unbound()).then_some(gpu));
            (gpu, Origin { old, uuid: Some(uuid.clone()) })
        };
        let plan: BTreeMap<_, _> = wanted.iter().map(|(gpu, uuid)| origin(*gpu, uuid)).collect();
        let kept: BTreeSet<_> = plan.values().filter_map(|origin| origin.old).collect();
        let removed = self.slots.keys().copied().filter(|gpu| !kept.contains(gpu));
        let gpus: BTreeSet<_> =
            removed.filter(|gpu| self.is_held(*gpu)).chain(self.pinned_elsewhere(&plan)).collect();
        if !gpus.is_empty() {
            return Outcome::Refused(Refusal::StillReserved { gpus });
        }
        self.renumber(plan);
        self.provider = Some(provider);
        // All that says which they are is written anew.
        self.damaged.retain(|record, _| !record.is_of_the_gpus());
        Outcome::Done
    }

    fn is_held(&self, gpu: GpuIndex) -> bool {
        self.slots.get(&gpu).is_some_and(|slot| matches!(slot.state, SlotState::Held(_)))
    }
}

fn choose<'a>(there: &'a [Device], size: &PoolSize) -> Result<Vec<&'a Device>, Refusal> {
    let reported = u32::try_from(there.len()).unwrap_or(u32::MAX);
    match size {
        PoolSize::All if there.is_empty() => Err(Refusal::NoGpus { reported, requested: None }),
        PoolSize::All => Ok(there.iter().collect()),
        PoolSize::First(count) if *count == 0 || *count > reported => {
            Err(Refusal::NoGpus { reported, requested: Some(*count) })
        }
        PoolSize::First(count) => Ok(there.iter().take(*count as usize).collect()),
        PoolSize::Exactly(ids) => {
            let has = |id: &GpuIndex| there.iter().any(|device| device.index == *id);
            let missing: Vec<_> = ids.iter().copied().filter(|id| !has(id)).collect();
            if ids.is_empty() || !missing.is_empty() {
                let pool = there.iter().map(|device| device.index).collect();
                return Err(Refusal::NotInPool { ids: missing, pool });
            }
            Ok(there.iter().filter(|device| ids.contains(&device.index)).collect())
        }
    }
}

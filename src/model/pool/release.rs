//! Gives reservations back, by id or by selection, and moves the end of manual ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Pool;
use crate::model::ids::{GpuIndex, LeaseId, Timestamp};
use crate::model::request::Actor;
use crate::model::reservation::{Ending, Kind, Reservation};
use crate::model::verb::{LiveRuns, Outcome, Refusal, Selection};

/// Which GPUs of which reservation are meant.
type Chosen = BTreeMap<LeaseId, Vec<GpuIndex>>;

impl Pool {
    pub(super) fn release(&mut self, actor: &Actor, id: &LeaseId, how: &Ending, now: Timestamp) -> Outcome {
        let Some(held) = self.reservations.get(id) else {
            return if self.has_ended(id) {
                Outcome::Done
            } else {
                Outcome::Refused(Refusal::NoSuchLease { id: id.clone() })
            };
        };
        if !actor.may_touch(&held.holder) {
            return Outcome::Refused(not_yours(held));
        }
        let how = if actor.owns(&held.holder) { how.clone() } else { Ending::Revoked { by: actor.uid } };
        Outcome::Changed(self.end(id, now, how).into_iter().collect())
    }

    pub(super) fn give_back(
        &mut self,
        actor: &Actor,
        which: &Selection,
        live_runs: LiveRuns,
        now: Timestamp,
    ) -> Outcome {
        let chosen = match self.choose(actor, which) {
            Ok(chosen) => chosen,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        if let Some((held, gpu)) = self.first_run(&chosen)
            && live_runs == LiveRuns::Spare
        {
            let (id, command) = (held.id.clone(), held.command.clone());
            return Outcome::Refused(Refusal::LiveRun { gpu, id, command });
        }
        let mut over = Vec::new();
        for (id, gpus) in chosen {
            let Some(held) = self.reservations.get(&id) else { continue };
            let how =
                if actor.owns(&held.holder) { Ending::Released } else { Ending::Revoked { by: actor.uid } };
            // A run cannot do with fewer GPUs: it ends whole.
            let id = if held.kind == Kind::Run { id } else { self.split_off(&id, gpus) };
            over.extend(self.end(&id, now, how));
        }
        Outcome::Changed(over)
    }

    pub(super) fn extend(
        &mut self,
        actor: &Actor,
        which: &Selection,
        lasts: Duration,
        now: Timestamp,
    ) -> Outcome {
        let chosen = match self.choose(actor, which) {
            Ok(chosen) => chosen,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        if let Some((_, gpu)) = self.first_run(&chosen) {
            return Outcome::Refused(Refusal::NotManual { gpu });
        }
        let mut changed = Vec::new();
        for (id, gpus) in chosen {
            let id = self.split_off(&id, gpus);
            if let Some(held) = self.reservations.get_mut(&id) {
                held.expiry = Some(now.after(lasts));
                changed.push(held.clone());
            }
        }
        Outcome::Changed(changed)
    }

    fn choose(&self, actor: &Actor, which: &Selection) -> Result<Chosen, Refusal> {
        match which {
            Selection::Mine => Ok(self
                .reservations
                .values()
                .filter(|held| held.kind == Kind::Manual && actor.owns(&held.holder))
                // People who share an account are told apart by their labels.
                .filter(|held| held.holder.label == actor.holder.label)
                .map(|held| (held.id.clone(), held.gpus.clone()))
                .collect()),
            Selection::Gpus(gpus) => self.chosen_by_gpu(actor, gpus),
        }
    }

    fn chosen_by_gpu(&self, actor: &Actor, gpus: &[GpuIndex]) -> Result<Chosen, Refusal> {
        let gpus: BTreeSet<_> = gpus.iter().copied().collect();
        let unknown: Vec<_> = gpus.iter().copied().filter(|gpu| !self.slots.contains_key(gpu)).collect();
        if !unknown.is_empty() {
            return Err(Refusal::NotInPool { ids: unknown, pool: self.slots.keys().copied().collect() });
        }
        let free: Vec<_> = gpus.iter().copied().filter(|gpu| self.holding(*gpu).is_none()).collect();
        if !free.is_empty() {
            return Err(Refusal::NotReserved { gpus: free });
        }
        let mut chosen = Chosen::new();
        for gpu in gpus {
            let Some(held) = self.holding(gpu) else { continue };
            if !actor.may_touch(&held.holder) {
                return Err(Refusal::NotYours { gpu, holder: held.holder.clone() });
            }
            chosen.entry(held.id.clone()).or_default().push(gpu);
        }
        Ok(chosen)
    }

    fn first_run(&self, chosen: &Chosen) -> Option<(&Reservation, GpuIndex)> {
        chosen.iter().find_map(|(id, gpus)| {
            let held = self.reservations.get(id).filter(|held| held.kind == Kind::Run)?;
            Some((held, *gpus.first()?))
        })
    }

    /// Makes a reservation of its own of `gpus`, a part of those of `id`; all of them are `id` itself.
    ///
    /// The new id names the old one and the first GPU of the part, and again where a part of before is called so: its GPU
    /// has another number by now. The end of a part does not make the rest known as ended.
    fn split_off(&mut self, id: &LeaseId, gpus: Vec<GpuIndex>) -> LeaseId {
        let (Some(held), Some(first)) = (self.reservations.get(id), gpus.first()) else {
            return id.clone();
        };
        if held.gpus.iter().all(|gpu| gpus.contains(gpu)) {
            return id.clone();
        }
        let mut part_id = LeaseId(format!("{id}/{first}"));
        while self.reservations.contains_key(&part_id) {
            part_id = LeaseId(format!("{part_id}/{first}"));
        }
        let part = Reservation { id: part_id.clone(), gpus, ..held.clone() };
        if let Some(held) = self.reservations.get_mut(id) {
            held.gpus.retain(|gpu| !part.gpus.contains(gpu));
        }
        self.hold(part);
        part_id
    }
}

fn not_yours(held: &Reservation) -> Refusal {
    let gpu = held.gpus.first().copied().unwrap_or(GpuIndex(0));
    Refusal::NotYours { gpu, holder: held.holder.clone() }
}

//! Keeps a run's reservation alive, and takes it back from a store that has lost it.

use super::{Moment, Pool, SlotState};
use crate::model::ids::{GpuIndex, Timestamp};
use crate::model::request::Actor;
use crate::model::reservation::{Kind, Reservation};
use crate::model::verb::{Outcome, Refusal};

impl Pool {
    pub(super) fn renew(&mut self, actor: &Actor, renewed: &Reservation, moment: Moment<'_>) -> Outcome {
        let recorded = self.reservations.get(&renewed.id);
        if !actor.may_touch(&recorded.unwrap_or(renewed).holder) {
            return Outcome::Refused(Refusal::NeedsAuthority);
        }
        match recorded {
            Some(_) => self.renew_recorded(renewed, moment.now),
            None if self.has_ended(&renewed.id) => self.lost(&renewed.gpus),
            None => self.claim_again(renewed, moment),
        }
    }

    fn renew_recorded(&mut self, renewed: &Reservation, now: Timestamp) -> Outcome {
        let Some(recorded) = self.reservations.get(&renewed.id) else { return Outcome::Done };
        // A part of a run's GPUs is never given back: what is missing was erased by an unlocked write of the Go program.
        let erased: Vec<_> = match recorded.kind {
            Kind::Run => renewed.gpus.iter().copied().filter(|gpu| !recorded.gpus.contains(gpu)).collect(),
            Kind::Manual => Vec::new(),
        };
        if erased.iter().any(|gpu| self.holding(*gpu).is_some()) {
            return self.lost(&erased);
        }
        let mut recorded = recorded.clone();
        recorded.gpus.extend(erased.into_iter().filter(|gpu| self.is_free(*gpu)));
        recorded.gpus.sort_unstable();
        // Earlier than before where the clock was set back: a moment that lies ahead would keep a dead run until it comes.
        recorded.heartbeat = now;
        recorded.launcher = renewed.launcher.clone().or(recorded.launcher);
        recorded.child = renewed.child.clone().or(recorded.child);
        self.hold(recorded);
        Outcome::Done
    }

    /// A store that has never heard of this reservation has lost its data: it gets the reservation back, as it was.
    fn claim_again(&mut self, renewed: &Reservation, moment: Moment<'_>) -> Outcome {
        if renewed.expiry.is_some_and(|expiry| expiry <= moment.now) {
            return self.lost(&renewed.gpus);
        }
        // It may have been ended, where nobody can tell.
        if let Err(refusal) = self.knows_what_ended().and_then(|()| self.make_ready(moment.seen)) {
            return Outcome::Refused(refusal);
        }
        if renewed.gpus.is_empty() || renewed.gpus.iter().any(|gpu| !self.slots.contains_key(gpu)) {
            return self.lost(&renewed.gpus);
        }
        if renewed.gpus.iter().any(|gpu| self.holding(*gpu).is_some()) {
            return self.lost(&renewed.gpus);
        }
        // A damaged record may be this very one: it is kept, and nobody gets the GPU meanwhile.
        if renewed.gpus.iter().all(|gpu| self.is_free(*gpu)) {
            let mut again = renewed.clone();
            again.heartbeat = moment.now;
            again.started = again.started.min(moment.now);
            self.drop_waiters(std::slice::from_ref(&again.id), moment.now);
            self.hold(again.clone());
            return Outcome::Granted(again);
        }
        Outcome::Done
    }

    fn lost(&self, gpus: &[GpuIndex]) -> Outcome {
        let to = gpus.iter().find_map(|gpu| self.holding(*gpu)).map(|held| held.holder.clone());
        Outcome::Lost { to }
    }

    fn is_free(&self, gpu: GpuIndex) -> bool {
        self.slots.get(&gpu).is_some_and(|slot| matches!(slot.state, SlotState::Free { .. }))
    }
}

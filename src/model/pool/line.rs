//! The line itself: its order, who joins and who leaves.

use super::{Moment, Pool};
use crate::model::ids::{LeaseId, Timestamp};
use crate::model::plan::LOOKING;
use crate::model::request::Actor;
use crate::model::reservation::{Author, Ending};
use crate::model::verb::{Outcome, Refusal};
use crate::model::waiter::Waiter;

/// Stores that keep the order as floating-point nanoseconds tell moments apart only beyond a quarter of this.
const APART: i64 = 1_000;

impl Pool {
    /// Where in line a request is or would be, and since when.
    pub(super) fn place_of(
        &self,
        id: &LeaseId,
        enqueued: Option<Timestamp>,
        now: Timestamp,
    ) -> (usize, Timestamp) {
        if let Some(found) = self.waiters.iter().position(|waiter| waiter.id == *id) {
            return (found, self.waiters[found].enqueued);
        }
        match enqueued {
            // It stood in line before, in a store that lost its data; maybe before a clock that was put back since.
            Some(since) => {
                let place = self.waiters.partition_point(|w| (w.enqueued, &w.id) < (since, id));
                (place, since)
            }
            // Nobody comes in front of others because the clock was put back.
            None => {
                let last = self.waiters.last().map(|last| Timestamp(last.enqueued.0.saturating_add(APART)));
                (self.waiters.len(), last.map_or(now, |last| last.max(now)))
            }
        }
    }

    /// Puts a waiter where its time says, or in its own place again.
    pub(super) fn join_line(&mut self, waiter: Waiter) {
        self.waiters.retain(|other| other.id != waiter.id);
        let place = self.waiters.partition_point(|w| (w.enqueued, &w.id) < (waiter.enqueued, &waiter.id));
        self.waiters.insert(place, waiter);
    }

    /// Lets waiters go. Those who come among the first by it have from now on to look of themselves.
    pub(super) fn leave_line(&mut self, gone: impl Fn(&Waiter) -> bool, now: Timestamp) {
        let first: Vec<LeaseId> = self.waiters.iter().take(LOOKING).map(|waiter| waiter.id.clone()).collect();
        self.waiters.retain(|waiter| !gone(waiter));
        for waiter in self.waiters.iter_mut().take(LOOKING) {
            if waiter.author == Author::Ours && !first.contains(&waiter.id) {
                // As it is now, though the clock may have been put back: whom to ring is told by this moment.
                waiter.looked = now;
            }
        }
    }

    /// Takes a request back. If it was granted in the meantime (a commit whose answer was lost), its reservation ends.
    pub(super) fn withdraw(&mut self, actor: &Actor, id: &LeaseId, moment: Moment<'_>) -> Outcome {
        if let Some(held) = self.reservations.get(id) {
            if !actor.owns(&held.holder) {
                return Outcome::Refused(Refusal::NeedsAuthority);
            }
            return Outcome::Changed(self.end(id, moment.now, Ending::Released).into_iter().collect());
        }
        if self.waiters.iter().any(|w| w.id == *id && !actor.may_touch(&w.holder)) {
            return Outcome::Refused(Refusal::NeedsAuthority);
        }
        self.drop_waiters(std::slice::from_ref(id), moment.now);
        Outcome::Done
    }
}

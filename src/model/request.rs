//! What a client asks for. Pure.

use std::num::NonZeroU32;
use std::time::Duration;

use super::identity::Identity;
use super::ids::{GpuIndex, LeaseId, Timestamp, Uid};
use super::reservation::{Holder, Kind, UntilExit};

/// Who acts, and with what right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Actor {
    pub(crate) uid: Uid,
    pub(crate) holder: Holder,
    pub(crate) authority: Authority,
}

/// Whose reservations an actor may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authority {
    /// One's own.
    Own,
    /// Everybody's: root, the store's owner, or one of the configured admins.
    Admin,
}

/// Which GPUs are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Demand {
    Count(NonZeroU32),
    /// Ascending, no duplicates, not empty.
    Exactly(Vec<GpuIndex>),
    /// Every GPU that is free, at least one.
    AllFree,
}

/// What to do when the GPUs are not free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnBusy {
    Refuse,
    /// Wait in line, at most this long from now: clients count it themselves, because a store's clock may be set.
    Queue {
        at_most: Option<Duration>,
    },
}

/// What to do about GPUs in use without reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum InUse {
    #[default]
    Avoid,
    /// `--force`: take those on which nobody but the actor computes, and adopt what runs there.
    Adopt,
}

/// A request for GPUs, whole: enough to wait for it, to grant it, and to claim it again from a store that lost it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) id: LeaseId,
    pub(crate) demand: Demand,
    pub(crate) kind: Kind,
    /// How long a manual reservation lasts from its grant.
    pub(crate) lasts: Option<Duration>,
    pub(crate) note: Option<String>,
    pub(crate) command: Vec<String>,
    /// The process that asks: a run's launcher, or the client that waits for a manual reservation.
    pub(crate) client: Option<Identity>,
    pub(crate) network_namespace: Option<u64>,
    pub(crate) on_busy: OnBusy,
    pub(crate) in_use: InUse,
    pub(crate) until_exit: UntilExit,
    /// How many GPUs its person may hold at once, where the host sets a limit.
    pub(crate) share: Option<NonZeroU32>,
    /// When this client first stood in line: a store that lost its data gives the place back.
    pub(crate) enqueued: Option<Timestamp>,
}

impl Request {
    /// Whether it is to end with the processes that it adopts.
    pub(crate) fn ends_with_its_jobs(&self) -> bool {
        self.until_exit == UntilExit::Yes && self.in_use == InUse::Adopt
    }

    /// Whether its time to wait is over: this was its last look.
    pub(crate) fn has_given_up(&self) -> bool {
        self.on_busy == OnBusy::Queue { at_most: Some(Duration::ZERO) }
    }
}

//! Everything that may be asked of the pool, and everything it may answer, as data. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use super::device::Provider;
use super::ids::{GpuIndex, LeaseId, Timestamp};
use super::record::{PoolRecord, Record};
use super::request::{Demand, InUse, Request};
use super::reservation::{Ending, Holder, Kind, Reservation};
use super::seen::Unknown;
use super::share::Share;
use super::strategy::Strategy;

/// A wish, carried out by [`super::pool::Pool::apply`] whatever the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Take GPUs now if it is this request's turn; otherwise stand, or go on standing, in line if it says so.
    Claim(Request),
    /// Leave the line.
    Withdraw { id: LeaseId },
    /// Say that a run is alive and who its processes are. Carries the whole reservation: a store that has never heard
    /// of the id (its data were lost) takes it back, with its original start.
    Renew(Reservation),
    /// End one reservation by id: the holder's supervisor, or an admin.
    Release { id: LeaseId, how: Ending },
    /// Give back reservations of the actor's.
    GiveBack { which: Selection, live_runs: LiveRuns },
    /// Let manual reservations of the actor's end this long from now.
    Extend { which: Selection, lasts: Duration },
    /// Make the pool, or change its size.
    Initialise { provider: Provider, size: PoolSize, change: Change },
    /// Set how free GPUs are ranked.
    Choose(Strategy),
    /// Throw a damaged record away.
    Reset(Record),
    /// Nothing but to clear away what is over.
    Sweep,
}

impl Verb {
    /// The id whose past the store must look up for [`super::pool::Pool::apply`] to judge this verb.
    pub(crate) fn names(&self) -> Option<&LeaseId> {
        match self {
            Self::Claim(request) => Some(&request.id),
            Self::Renew(reservation) => Some(&reservation.id),
            Self::Release { id, .. } | Self::Withdraw { id } => Some(id),
            _ => None,
        }
    }
}

/// Which of the actor's reservations are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All manual ones under the actor's own label.
    Mine,
    /// Those on these GPUs.
    Gpus(Vec<GpuIndex>),
}

/// Whether `release` may end a live run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LiveRuns {
    Spare,
    /// `--force`.
    End,
}

/// How many GPUs the pool shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PoolSize {
    /// All that the driver reports.
    All,
    /// The first ones.
    First(u32),
    Exactly(Vec<GpuIndex>),
}

/// Whether a pool that is already there may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Refuse,
    /// `--force`.
    Allow,
}

/// The pool's answer.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and soon taken apart")]
pub(crate) enum Outcome {
    Granted(Reservation),
    /// In line.
    Waiting(Standing),
    /// A renewal came too late: this reservation has ended. Who holds its GPUs now, if anybody.
    Lost {
        to: Option<Holder>,
    },
    /// Reservations that this verb ended or changed, as they are now.
    Changed(Vec<Reservation>),
    Refused(Refusal),
    Done,
}

/// A waiter's place and what keeps it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// 1 is the head of the line.
    pub(crate) position: usize,
    /// To be said again with every look ([`Request::enqueued`]), so that a store that lost the waiter keeps its place.
    pub(crate) enqueued: Timestamp,
    pub(crate) give_up: Option<Timestamp>,
    /// GPUs that this request could have now: free, and set aside for nobody earlier in line.
    pub(crate) available: Vec<GpuIndex>,
    pub(crate) blocked_by: Vec<Blocker>,
    /// What its person holds, where that keeps it waiting.
    pub(crate) share: Option<Share>,
    /// The nearest live waiter ahead: worth watching, its death changes this standing.
    pub(crate) behind: Option<LeaseId>,
}

/// A GPU that cannot be had, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocker {
    pub(crate) gpu: GpuIndex,
    pub(crate) why: Why,
}

/// What stands in the way of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    Reserved {
        id: LeaseId,
        by: Holder,
        kind: Kind,
        since: Timestamp,
        expiry: Option<Timestamp>,
    },
    /// In use without reservation.
    Used {
        by: Vec<User>,
    },
    /// Memory is still being given back after a release.
    Draining,
    /// Somebody earlier in line could use it.
    SetAside {
        for_holder: Holder,
    },
    Unknown(Unknown),
    /// A process sits on it that the store knows nothing of.
    Seat {
        /// As shown; absent where nobody knows.
        by: Option<String>,
    },
    /// Its record cannot be read.
    Damaged,
}

/// A user of a GPU without reservation, with one of the processes that show it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct User {
    /// As shown: an account, `uid 23001`, `container 1a2b3c`; absent where nothing is known.
    pub(crate) name: Option<String>,
    pub(crate) pid: super::ids::Pid,
    pub(crate) process: String,
}

/// Why a verb was not carried out. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The GPUs are not free, and the request does not wait.
    Busy {
        demand: Demand,
        /// What was to be done about GPUs in use without reservation.
        in_use: InUse,
        available: Vec<GpuIndex>,
        blocked_by: Vec<Blocker>,
        /// What the person holds, where that stands in the way.
        share: Option<Share>,
    },
    /// The waiter's time was over.
    GaveUp { available: Vec<GpuIndex>, blocked_by: Vec<Blocker>, share: Option<Share> },
    /// More than the pool has.
    TooMany { requested: u32, pool: u32 },
    /// More than one person may hold at once.
    BeyondShare { requested: u32, limit: u32 },
    /// Ids that are not in the pool.
    NotInPool { ids: Vec<GpuIndex>, pool: Vec<GpuIndex> },
    /// A record cannot be read, and what it said cannot be told without it.
    Damaged { record: PoolRecord, why: String },
    /// The driver reports no GPU to make a pool of, or fewer than asked for.
    NoGpus { reported: u32, requested: Option<u32> },
    /// The pool is made of other GPUs than this machine's.
    OtherGpus,
    /// It shall end with the actor's processes on these GPUs, and there are none.
    NothingToAdopt { gpus: Vec<GpuIndex> },
    /// The pool is there already with another size or provider.
    PoolExists { provider: Provider, gpus: u32 },
    /// Live reservations stand in the way of the change.
    StillReserved { gpus: BTreeSet<GpuIndex> },
    /// It belongs to somebody else.
    NotYours { gpu: GpuIndex, holder: Holder },
    /// Nobody has reserved it.
    NotReserved { gpus: Vec<GpuIndex> },
    /// It is a live run; `--force` ends it.
    LiveRun { gpu: GpuIndex, id: LeaseId, command: Vec<String> },
    /// A run has no expiry to extend.
    NotManual { gpu: GpuIndex },
    /// No reservation with this id.
    NoSuchLease { id: LeaseId },
    /// It takes root, the store's owner or a configured admin.
    NeedsAuthority,
    /// The id of the request has ended already; it is never claimed again.
    Ended { id: LeaseId },
}

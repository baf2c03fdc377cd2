//! What each GPU is being used for, and by whom: reservations, scan and owners joined into one verdict per GPU.
//! Pure.

use super::ids::{GpuIndex, LeaseId, Megabytes, Timestamp};
use super::process::Process;
use super::reservation::Past;
use super::seen::{Context, Seat, Unknown};

/// The verdict on one GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Occupancy {
    pub(crate) gpu: GpuIndex,
    pub(crate) claim: Claim,
    pub(crate) usage: Usage,
    /// Every process on it, judged; most memory first.
    pub(crate) processes: Vec<Judged>,
}

/// Who has a right to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    Nobody {
        last_released: Option<Timestamp>,
        past: Option<Past>,
    },
    Reserved {
        id: LeaseId,
        doubt: Option<Doubt>,
    },
    /// Its seat is taken by a process that the store knows nothing of.
    Seated(Seat),
    /// Its record cannot be read.
    Damaged {
        why: String,
    },
}

/// Why a record is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The seat of this run's GPU belongs to another uid.
    SeatOfAnother(Seat),
    /// Nobody sits there, and launcher and command are dead.
    NobodyThere,
}

/// What the driver sees on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Usage {
    /// At or below the threshold, and no compute process but system ones.
    Idle {
        used: Megabytes,
    },
    /// Memory is still being given back after a release, and no process is left.
    Draining {
        used: Megabytes,
    },
    InUse {
        used: Megabytes,
    },
    Unknown(Unknown),
}

/// A process on a GPU and what it is to the reservation there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) process: Process,
    pub(crate) memory: Option<Megabytes>,
    pub(crate) context: Context,
    pub(crate) role: Role,
}

/// What a process is to the reservation of its GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// In the run's tree, or adopted, or of a manual reservation's holder.
    Holder,
    /// The holder's account, but outside the run.
    HolderOutside,
    /// Another person's, on positive evidence.
    Intruder,
    /// Nothing tells whose it is.
    Unattributed,
    /// Display servers, the driver's own daemons: never use by themselves.
    System,
    /// On a GPU that nobody reserved.
    Unreserved,
    /// Left over from a reservation that is over.
    Orphan { of: LeaseId },
}

impl Occupancy {
    /// Whether it may be granted: nobody's, and idle.
    pub(crate) const fn is_available(&self) -> bool {
        matches!((&self.claim, &self.usage), (Claim::Nobody { .. }, Usage::Idle { .. }))
    }
}

//! A reservation and its holder. Pure.

use serde::{Deserialize, Serialize};

use super::identity::Identity;
use super::ids::{GpuIndex, LeaseId, Timestamp, Uid};

/// Who holds or asks. Ownership is the reservation's id and the uid, never a displayed name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Absent where a record of the Go program names an account that this host does not know.
    pub(crate) uid: Option<Uid>,
    /// Account name of the uid; `uid 23001` for one without a name.
    pub(crate) account: String,
    /// The account that logged in, where it is another one (sudo).
    pub(crate) login: Option<String>,
    /// What `--user` said: tells apart people who share an account.
    pub(crate) label: Option<String>,
}

/// How a reservation ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// With its launcher and command.
    Run,
    /// At its expiry.
    Manual,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Manual => "manual",
        }
    }
}

/// Which program wrote a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Author {
    Ours,
    /// The Go canhazgpu: no identity, no seat, one reservation a GPU.
    Go,
}

/// GPUs that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reservation {
    pub(crate) id: LeaseId,
    /// Ascending, never empty.
    pub(crate) gpus: Vec<GpuIndex>,
    pub(crate) holder: Holder,
    pub(crate) kind: Kind,
    pub(crate) author: Author,
    pub(crate) started: Timestamp,
    pub(crate) heartbeat: Timestamp,
    /// When a manual reservation ends.
    pub(crate) expiry: Option<Timestamp>,
    pub(crate) note: Option<String>,
    /// The command of a run, as given.
    pub(crate) command: Vec<String>,
    pub(crate) launcher: Option<Identity>,
    pub(crate) child: Option<Identity>,
    /// The network namespace (inode) in which a run's seats are taken.
    pub(crate) network_namespace: Option<u64>,
    /// Processes adopted by `reserve --force`.
    pub(crate) adopted: Vec<Identity>,
    /// Whether the end of the adopted processes ends the reservation.
    pub(crate) until_exit: UntilExit,
}

/// What the end of the adopted processes means for a manual reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum UntilExit {
    /// Nothing: it lasts to its expiry.
    #[default]
    No,
    /// It ends with the last of them.
    Yes,
}

/// How a reservation came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The command ended; its status as a shell shows it (128 + n for signal n).
    Exited { status: i32 },
    /// Given back by its holder.
    Released,
    /// A manual reservation reached its expiry.
    Expired,
    /// Launcher and command were found dead by whoever looked next.
    SupervisorGone,
    /// The adopted processes ended.
    AdoptedExited,
    /// Somebody with authority took it away.
    Revoked { by: Uid },
}

/// A reservation that is over, as the history keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) reservation: Reservation,
    pub(crate) at: Timestamp,
    pub(crate) how: Ending,
}

/// The last reservation of a free GPU: what affinity ranks by and orphans are told by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Past {
    pub(crate) id: LeaseId,
    pub(crate) holder: Holder,
    pub(crate) started: Timestamp,
    pub(crate) ended: Timestamp,
}

#[cfg(test)]
impl Holder {
    /// Somebody of whom no more is known than the account, for tests to build on.
    pub(crate) fn account(uid: u32, account: &str) -> Self {
        Self { uid: Some(Uid(uid)), account: account.to_owned(), login: None, label: None }
    }
}

#[cfg(test)]
impl Reservation {
    /// A run of which no more is known than it must be, for tests to build on.
    pub(crate) fn bare(id: &str, holder: Holder, gpus: &[u32]) -> Self {
        Self {
            id: LeaseId::from(id),
            gpus: gpus.iter().copied().map(GpuIndex).collect(),
            holder,
            kind: Kind::Run,
            author: Author::Ours,
            started: Timestamp::default(),
            heartbeat: Timestamp::default(),
            expiry: None,
            note: None,
            command: Vec::new(),
            launcher: None,
            child: None,
            network_namespace: None,
            adopted: Vec::new(),
            until_exit: UntilExit::No,
        }
    }
}

//! What is known of a process that uses a GPU. Pure; gathered in attribution.

use super::ids::{Pid, Timestamp, Uid};

/// One process as /proc shows it. What could not be read is `None`, never a guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    pub(crate) uid: Option<Uid>,
    /// The account name of `uid`, where it has one.
    pub(crate) account: Option<String>,
    /// Who logged in, before any su or sudo (loginuid).
    pub(crate) login_uid: Option<Uid>,
    pub(crate) login: Option<String>,
    /// The kernel's name for it (comm), decoded loosely; chosen by the process itself.
    pub(crate) name: String,
    /// Its command line, decoded loosely; chosen by the process itself.
    pub(crate) command: Vec<String>,
    pub(crate) started: Option<Timestamp>,
    /// Start time in clock ticks since boot: with the pid it names the process.
    pub(crate) start: Option<u64>,
    /// Its parent, the parent's parent and so on, nearest first, as far as they can be seen.
    pub(crate) ancestors: Vec<Pid>,
    pub(crate) session: Option<Pid>,
    pub(crate) group: Option<Pid>,
    pub(crate) origin: Origin,
    /// The model it serves or trains, read from command lines.
    pub(crate) model: Option<String>,
}

impl Process {
    /// A process of which nothing but its number is known.
    pub(crate) fn unknown(pid: Pid) -> Self {
        Self {
            pid,
            uid: None,
            account: None,
            login_uid: None,
            login: None,
            name: String::new(),
            command: Vec::new(),
            started: None,
            start: None,
            ancestors: Vec::new(),
            session: None,
            group: None,
            origin: Origin::Unknown,
            model: None,
        }
    }
}

/// Where a process came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nothing told.
    Unknown,
    /// A container; `name` where its engine told, `host_uid` the account it runs for if rootless.
    Container { engine: String, id: String, name: Option<String>, host_uid: Option<Uid> },
    /// A systemd service.
    Service { unit: String },
    /// A login session of a user.
    Session { uid: Uid, id: String },
}

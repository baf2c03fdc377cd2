//! A process as it is known to others: by its number and its start.

use std::fmt;
use std::str::FromStr;

use bench::process::started;

/// Numbers are given away again; with its start a process is known for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proc {
    pub(crate) pid: i32,
    start: u64,
}

impl Proc {
    /// `None` if it is gone or a zombie.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Some(Self { pid, start: started(pid)? })
    }

    pub(crate) fn lives(self) -> bool {
        started(self.pid) == Some(self.start)
    }
}

impl fmt::Display for Proc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.pid, self.start)
    }
}

impl FromStr for Proc {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once(':')
            .and_then(|(pid, start)| Some(Self { pid: pid.parse().ok()?, start: start.parse().ok()? }));
        parts.ok_or_else(|| format!("not a process: {text:?}"))
    }
}

//! Every exit status of the program. Dying of a signal is the caller's to do: this only says of which.

use std::process::ExitCode;

/// The verb failed.
pub(crate) const FAILED: u8 = 1;
/// The command line is wrong, a bad GPU list or duration included.
pub(crate) const USAGE: u8 = 2;
/// EX_TEMPFAIL of sysexits.h: the GPUs were not free in time. `--conflict-exit-code` puts another in its place.
pub(crate) const BUSY: u8 = 75;
/// A run failed on our side, and nothing was run, as env(1), nohup(1) and timeout(1) have it.
pub(crate) const TROUBLE: u8 = 125;
/// The command was found but cannot be executed.
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// The command was not found.
pub(crate) const NOT_FOUND: u8 = 127;
/// A shell shows death by signal n as this plus n.
const SIGNALLED: i32 = 128;

/// How the program ends.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Failed,
    Usage,
    /// The GPUs were not free in time; the status asked for, [`BUSY`] unless told otherwise.
    Busy(u8),
    Trouble,
    NotExecutable,
    NotFound,
    /// By this signal: the command died of it, or we were asked to stop while in line.
    Signal(i32),
}

impl Exit {
    /// The status, where the program ends by exiting; what a shell would show, where it dies of a signal.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => FAILED,
            Self::Usage => USAGE,
            Self::Busy(status) => status,
            Self::Trouble => TROUBLE,
            Self::NotExecutable => NOT_EXECUTABLE,
            Self::NotFound => NOT_FOUND,
            Self::Signal(signal) => u8::try_from(SIGNALLED.saturating_add(signal)).unwrap_or(u8::MAX),
        }
    }

    /// The signal to die of, if that is how it ends.
    pub(crate) const fn signal(self) -> Option<i32> {
        match self {
            Self::Signal(signal) => Some(signal),
            _ => None,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_that_shells_and_scripts_expect() {
        let table = [
            (Exit::Done, 0),
            (Exit::Failed, 1),
            (Exit::Usage, 2),
            (Exit::Busy(BUSY), 75),
            (Exit::Busy(9), 9),
            (Exit::Trouble, 125),
            (Exit::NotExecutable, 126),
            (Exit::NotFound, 127),
            (Exit::Signal(libc::SIGTERM), 143),
            (Exit::Signal(64), 192),
        ];
        for (exit, status) in table {
            assert_eq!(exit.code(), status, "{exit:?}");
            assert_eq!(exit.signal().is_some(), matches!(exit, Exit::Signal(_)), "{exit:?}");
        }
    }
}

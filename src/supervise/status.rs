//! How a run ended, and how to end like it.

use std::process::ExitCode;

use nix::errno::Errno;

use super::Leftover;
use crate::sys::process::die_of_signal;
use crate::sys::signal::{Recipient, Signal, send};
use crate::sys::wait::Status;

/// The end of a run as its caller should see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Exited(i32),
    Killed(Signal),
    TimedOut,
    /// The program was there when it was looked up, but exec refused.
    NotExecutable(Errno),
}

impl Outcome {
    pub(super) fn of(status: Status) -> Self {
        match status {
            Status::Exited(code) => Self::Exited(code),
            Status::Killed(by) => Self::Killed(by),
        }
    }

    /// The status as a shell shows it: 128 + n for signal n.
    pub(crate) const fn shell_status(self) -> i32 {
        match self {
            Self::Exited(code) => code,
            Self::Killed(by) => 128 + by.0,
            Self::TimedOut => 124,
            Self::NotExecutable(Errno::ENOENT) => 127,
            Self::NotExecutable(_) => 126,
        }
    }
}

/// A run that is over: nothing of it is left that the launcher has to care for.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) outcome: Outcome,
    /// Processes that outlived the command and were made to end.
    pub(crate) ended: Vec<Leftover>,
    /// What the keyboard sent to the command's group alone, though bare it would have reached ours.
    pub(super) owed: Option<Signal>,
}

impl Settled {
    /// Ends this process as the command ended; after the release. A normal end is returned for `main` to give back.
    pub(crate) fn exit(self) -> ExitCode {
        if let Some(signal) = self.owed {
            // We have it blocked; the others in our group, a script's shell, get it now.
            let _ = send(Recipient::OwnGroup, signal);
        }
        match self.outcome {
            Outcome::Killed(by) => die_of_signal(by),
            other => ExitCode::from(u8::try_from(other.shell_status()).unwrap_or(1)),
        }
    }
}

//! Signals to a client that waits in line, where no command runs yet that they could be meant for.

use std::os::fd::{AsFd, BorrowedFd};

use crate::error::{Error, While};
use crate::sys::inbox::Inbox;
use crate::sys::inherited;
use crate::sys::process::stop_own_group;
use crate::sys::signal::Signal;

/// The signals of this process, from before the first claim: one that comes between a grant and the fork must not
/// kill a launcher that holds GPUs.
#[derive(Debug)]
pub(crate) struct Signals {
    inbox: Inbox,
}

impl Signals {
    pub(crate) fn open() -> Result<Self, Error> {
        Ok(Self { inbox: Inbox::open().doing("opening a signalfd")? })
    }

    /// As [`Self::read`], for whoever is about to look anyway.
    pub(crate) fn asked_to_stop(&self) -> Option<i32> {
        match self.read() {
            Asked::Stop(signal) => Some(signal),
            Asked::Look | Asked::Nothing => None,
        }
    }

    /// Reads what has come. Ctrl-Z stops us here, and whoever continues us finds us looking again.
    pub(crate) fn read(&self) -> Asked {
        let mut asked = Asked::Nothing;
        while let Some(letter) = self.inbox.next() {
            if inherited::ignored().contains(letter.signal) {
                continue;
            }
            match letter.signal {
                Signal::TSTP => {
                    let _ = stop_own_group(Signal::TSTP);
                    asked = Asked::Look;
                }
                Signal::CONT => asked = Asked::Look,
                signal if is_harmless(signal) => {}
                signal => return Asked::Stop(signal.0),
            }
        }
        asked
    }
}

/// What signals ask of a client in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To end, by this signal.
    Stop(i32),
    /// To look again: there was no way to hear anything meanwhile.
    Look,
    Nothing,
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inbox.as_fd()
    }
}

/// What a process does not die of by default; TTIN and TTOU would stop it, but stay blocked so that the launcher may
/// always write.
fn is_harmless(signal: Signal) -> bool {
    matches!(signal, Signal::CHLD | Signal::URG | Signal::WINCH | Signal::TTIN | Signal::TTOU)
}

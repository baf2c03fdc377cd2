//! The controlling terminal and who is in its foreground. Sets no modes: those belong to the command.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{self, getpgrp};

use crate::model::ids::Pid;

/// A descriptor of our own of the controlling terminal.
#[derive(Debug)]
pub(crate) struct Terminal(OwnedFd);

/// Whose group is in the foreground of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Foreground {
    Ours,
    Other(Pid),
    /// It has hung up, or is nobody's.
    Nobody,
}

impl Terminal {
    /// The controlling terminal, if there is one: through 0-2, else by its name.
    pub(crate) fn controlling() -> Option<Self> {
        let (input, output, error) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let inherited = [input.as_fd(), output.as_fd(), error.as_fd()]
            .into_iter()
            .find(|fd| unistd::tcgetpgrp(fd).is_ok())
            .and_then(|fd| fd.try_clone_to_owned().ok());
        let named = || {
            let options =
                File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open("/dev/tty");
            options.ok().map(OwnedFd::from).filter(|fd| unistd::tcgetpgrp(fd).is_ok())
        };
        inherited.or_else(named).map(Self)
    }

    pub(crate) fn foreground(&self) -> Foreground {
        match unistd::tcgetpgrp(&self.0) {
            Ok(group) if group == getpgrp() => Foreground::Ours,
            Ok(group) if group.as_raw() > 0 => Foreground::Other(Pid(group.as_raw())),
            _ => Foreground::Nobody,
        }
    }

    /// Puts a group in the foreground. Works from the background too while SIGTTOU is blocked.
    pub(crate) fn give(&self, group: Pid) -> Result<(), Errno> {
        unistd::tcsetpgrp(&self.0, unistd::Pid::from_raw(group.0))
    }

    pub(crate) fn take(&self) -> Result<(), Errno> {
        unistd::tcsetpgrp(&self.0, getpgrp())
    }
}

/// Whether standard input is the keyboard of the controlling terminal and standard output does not go to somebody who
/// may want that keyboard too (a pager).
pub(crate) fn is_all_ours() -> bool {
    let (input, output) = (std::io::stdin(), std::io::stdout());
    unistd::tcgetpgrp(&input).is_ok() && !is_pipe(output.as_fd())
}

fn is_pipe(fd: BorrowedFd<'_>) -> bool {
    fstat(fd).is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFIFO)
}

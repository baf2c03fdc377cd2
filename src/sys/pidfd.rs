//! Process descriptors: they name one process for good, whatever becomes of its number, and poll readable when it
//! has ended. Linux 5.3 has them; whoever opens one has an answer for kernels and sandboxes without.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::signal::Signal;
use crate::model::ids::Pid;

/// A process that cannot be mistaken for a later one of the same number. Close-on-exec.
#[derive(Debug)]
pub(crate) struct Pidfd(OwnedFd);

impl Pidfd {
    /// Needs no permission over the process.
    ///
    /// # Errors
    /// ESRCH where no process has the number. A zombie still has it.
    pub(crate) fn open(pid: Pid) -> Result<Self, Errno> {
        // SAFETY: pidfd_open takes two integers and touches no memory of ours.
        let answer = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.0, 0) })?;
        let fd = RawFd::try_from(answer).map_err(|_| Errno::EBADF)?;
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Whether the process, with all of its threads, has ended; a zombie has.
    pub(crate) fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        // With no time to wait, poll fails only for want of memory: then nothing proves an end.
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    pub(crate) fn send(&self, signal: Signal) -> Result<(), Errno> {
        let no_info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: without a siginfo the kernel reads no memory of ours.
        let sent =
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), signal.0, no_info, 0) };
        Errno::result(sent).map(drop)
    }
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Pidfd> for OwnedFd {
    fn from(process: Pidfd) -> Self {
        process.0
    }
}

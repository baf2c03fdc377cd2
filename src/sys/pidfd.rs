//! Process descriptors: they name one process for good, whatever becomes of its number, and poll readable when it
//! has ended.

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::model::ids::Pid;

/// Opens a descriptor (close-on-exec) of the process with this number.
///
/// # Errors
/// ESRCH where no process has the number. A zombie still has it. Needs no permission over the process.
pub(crate) fn open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and touches no memory of ours.
    let answer = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.0, 0) };
    let fd = RawFd::try_from(answer).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether the process has ended; a zombie has.
pub(crate) fn has_ended(process: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    // With no time to wait, poll fails only for want of memory: then nothing proves an end.
    matches!(poll(&mut polled, PollTimeout::ZERO), Ok(ready) if ready > 0)
}

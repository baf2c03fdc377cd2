//! Signals as messages: everything but the processor's faults is blocked and read from one signalfd, so that no handler
//! ever runs.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

use super::signal::{Disposition, Mask, Signal, SignalSet, mask, set_disposition};

/// Where a signal came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A terminal's key or hangup, or a limit.
    Kernel,
    /// kill(2) and its kin; 0 for a sender in a pid namespace outside of ours.
    Process(libc::pid_t),
}

/// One signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) signal: Signal,
    pub(crate) source: Source,
}

/// The open signalfd. Closing it leaves the signals blocked: what arrives later waits.
#[derive(Debug)]
pub(crate) struct Inbox(OwnedFd);

/// What an inbox takes, and therefore what is blocked while one is open.
fn taken() -> SignalSet {
    SignalSet::ALL - SignalSet::FAULTS - SignalSet::LIBRARY
}

impl Inbox {
    /// Blocks and takes everything, what was inherited as ignored too: a blocked signal is queued even if ignored, so
    /// the reader decides what it means (see [`super::inherited::ignored`]). Threads made later inherit the mask.
    ///
    /// SIGCHLD gets its default disposition: while it is ignored the kernel reaps our children unseen.
    pub(crate) fn open() -> Result<Self, Errno> {
        set_disposition(Signal::CHLD, Disposition::Default);
        mask(Mask::Block, taken());
        let set = taken().0;
        // SAFETY: the C library's set is longer than the kernel's, whose 64 bits come first in it; zero is a valid
        // value for the rest. The kernel reads 8 bytes through the raw call.
        let fd = unsafe {
            let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
            libc::syscall(libc::SYS_signalfd4, -1, &raw const set, size_of::<u64>(), flags)
        };
        let fd = Errno::result(fd)?;
        // SAFETY: the call above made this descriptor, and nobody else knows its number.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) }))
    }

    /// The next signal, lowest number first; `None` when there is none now.
    pub(crate) fn next(&self) -> Option<Letter> {
        loop {
            let mut info = std::mem::MaybeUninit::<libc::signalfd_siginfo>::zeroed();
            let size = size_of::<libc::signalfd_siginfo>();
            // SAFETY: `info` is valid for writes of `size` bytes.
            let got = unsafe { libc::read(self.0.as_raw_fd(), info.as_mut_ptr().cast(), size) };
            match Errno::result(got) {
                // SAFETY: the structure is plain integers: zeroed above, and filled by the kernel.
                Ok(_) => return Some(letter(unsafe { info.assume_init_ref() })),
                Err(Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }
}

fn letter(info: &libc::signalfd_siginfo) -> Letter {
    let sent = matches!(info.ssi_code, libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL);
    let source = if sent { Source::Process(info.ssi_pid.cast_signed()) } else { Source::Kernel };
    Letter { signal: Signal(info.ssi_signo.cast_signed()), source }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

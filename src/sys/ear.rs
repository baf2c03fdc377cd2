//! A process in the command's group that hears what the keyboard sends there. The launcher's own group is in the
//! background then, and bare the command would have shared it with the script, the make or the pipe around.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;

use super::signal::{Recipient, Signal, send};
use super::wait;
use crate::model::ids::Pid;

/// How long an ear may take to end, in milliseconds. It does nothing else.
const PATIENCE: u16 = 1000;
/// Sent by the launcher: that is all. Above INT and QUIT in number, so that those are read first.
const ENOUGH: libc::c_int = libc::SIGUSR1;

/// An ear that listens. It ends with its launcher.
#[derive(Debug)]
pub(crate) struct Ear {
    pid: Pid,
    /// A byte for each key: the signal's number. End of file when the ear has ended. Never blocks.
    heard: OwnedFd,
}

impl Ear {
    /// Puts an ear into this group. The caller has blocked every signal, and may have more than one thread.
    pub(crate) fn in_group(group: Pid) -> io::Result<Self> {
        let (heard, tell) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        // SAFETY: getpid has no preconditions.
        let launcher = unsafe { libc::getpid() };
        // SAFETY: `listen` is async-signal-safe, as its comment argues.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            // SAFETY: this is the child.
            0 => unsafe { listen(launcher, group.0, tell.as_raw_fd()) },
            pid => {
                // In the child too: it is there when either goes on.
                // SAFETY: setpgid has no preconditions.
                unsafe { libc::setpgid(pid, group.0) };
                Ok(Self { pid: Pid(pid), heard })
            }
        }
    }

    pub(crate) const fn pid(&self) -> Pid {
        self.pid
    }

    /// What the keyboard has sent since the last call; `None` when the ear has ended.
    pub(crate) fn heard(&self) -> Option<Vec<Signal>> {
        let mut bytes = [0; 64];
        match nix::unistd::read(&self.heard, &mut bytes) {
            Ok(0) => None,
            Ok(count) => Some(bytes[..count].iter().map(|byte| Signal(libc::c_int::from(*byte))).collect()),
            Err(_) => Some(Vec::new()),
        }
    }

    /// Ends it; what it had heard by now, and had not told.
    pub(crate) fn dismiss(self) -> Vec<Signal> {
        let _ = send(Recipient::Process(self.pid.0), Signal(ENOUGH));
        // It may have been stopped with its group.
        let _ = send(Recipient::Process(self.pid.0), Signal::CONT);
        let mut all = Vec::new();
        while poll(&mut [PollFd::new(self.heard.as_fd(), PollFlags::POLLIN)], PollTimeout::from(PATIENCE))
            .is_ok_and(|ready| ready > 0)
            && let Some(heard) = self.heard()
        {
            all.extend(heard);
        }
        let _ = send(Recipient::Process(self.pid.0), Signal::KILL);
        wait::reap_blocking(self.pid);
        all
    }
}

impl AsFd for Ear {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.heard.as_fd()
    }
}

/// The child: tells of INT and QUIT that come from the kernel, which is the keyboard.
///
/// # Safety
/// To be called right after fork, with every signal blocked. Async-signal-safe: it makes system calls on numbers and on
/// its own stack; it neither allocates nor locks nor can it panic.
unsafe fn listen(launcher: libc::pid_t, group: libc::pid_t, tell: libc::c_int) -> ! {
    // SAFETY: system calls with numbers and with pointers to live locals.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::getppid() != launcher {
            libc::_exit(0);
        }
        libc::setpgid(0, group);
        // For who wonders in ps what it is.
        libc::prctl(libc::PR_SET_NAME, c"chg (keyboard)".as_ptr());
        // Somebody's pipe, lock or seat must not live on with it.
        close_between(0, tell - 1);
        close_between(tell + 1, libc::c_int::MAX);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in [libc::SIGINT, libc::SIGQUIT, ENOUGH] {
            libc::sigaddset(&raw mut set, signal);
        }
        loop {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let signal = libc::sigwaitinfo(&raw const set, &raw mut info);
            if signal == ENOUGH && info.si_pid() == launcher {
                libc::_exit(0);
            }
            if signal > 0 && signal != ENOUGH && info.si_code == libc::SI_KERNEL {
                let [byte, ..] = signal.to_le_bytes();
                libc::write(tell, (&raw const byte).cast(), 1);
            }
        }
    }
}

/// Closes every descriptor from `first` to `last`, the lowest thousands where the kernel (before 5.9) cannot close a
/// range.
///
/// # Safety
/// Nobody uses one of them again. Async-signal-safe.
unsafe fn close_between(first: libc::c_int, last: libc::c_int) {
    // SAFETY: close and close_range take numbers.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, last, 0) != 0 {
            for fd in first..=last.min(8191) {
                libc::close(fd);
            }
        }
    }
}

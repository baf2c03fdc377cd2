//! Forks an auxiliary child of the launcher: a process that works for us behind one socket and shares nothing else
//! of ours, so that it may hang without holding somebody's pipe, lock or terminal.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use crate::model::ids::Pid;

/// What a helper ends with when its body panicked (EX_SOFTWARE).
const BROKEN: libc::c_int = 70;

/// Forks and runs `body` in the child with its end of a stream socket; gives the parent the child's number and the
/// other end. Call it while the process has one thread only: the child goes on allocating.
///
/// In the child 0–2 are /dev/null and every other descriptor is closed, no signal is blocked or handled, a SIGKILL arrives when
/// the parent dies, and it is alone in its process group, so that the keyboard speaks to the launcher only. What `body`
/// returns is its exit status, unless it ends itself with [`leave`]; the parent's stack is never unwound in the child.
///
/// The parent reads the end of a helper as the end of the socket. Whoever supervises a command afterwards reaps it:
/// a later wait for it may answer ECHILD.
pub(crate) fn fork_helper(body: impl FnOnce(OwnedFd) -> i32) -> io::Result<(Pid, OwnedFd)> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)?;
    // SAFETY: getpid has no preconditions.
    let parent = unsafe { libc::getpid() };
    // SAFETY: the caller has one thread, so the child's copy of the heap and of every lock is consistent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let _never_unwind = LeaveOnUnwind;
            if !detach(parent, theirs.as_raw_fd()) {
                leave(BROKEN);
            }
            leave(body(theirs))
        }
        pid => Ok((Pid(pid), ours)),
    }
}

/// Ends a helper at once: no destructor and no exit handler runs, which belong to the parent.
pub(crate) fn leave(status: libc::c_int) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(status) }
}

/// A panic in the child must not unwind into frames that are the parent's.
struct LeaveOnUnwind;

impl Drop for LeaveOnUnwind {
    fn drop(&mut self) {
        leave(BROKEN);
    }
}

/// Cuts the child loose from everything but `socket`. False if the parent is gone already or /dev/null is missing.
fn detach(parent: libc::pid_t, socket: RawFd) -> bool {
    // SAFETY: plain system calls on numbers; the descriptors closed here have no owner that will run again, because
    // the child leaves by `_exit` only, and `socket` and 0-2 are spared.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::getppid() != parent {
            return false;
        }
        libc::setpgid(0, 0);
        forget_pending();
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        if null < 0 {
            return false;
        }
        for standard in 0..=2 {
            libc::dup2(null, standard);
        }
    }
    close_all_but(socket)
}

/// Drops the signals that have reached the child and are blocked: they were for the launcher's group, in the moment
/// before the child left it. A Ctrl-Z would else stop the child alone, and the launcher wait for it in vain.
fn forget_pending() {
    // SAFETY: the set lives as long as it is used. No handler is installed: to ignore a signal drops what is pending of
    // it (signal(7)), and what was ignored stays so.
    unsafe {
        let mut pending: libc::sigset_t = std::mem::zeroed();
        libc::sigpending(&raw mut pending);
        for number in
            (1..=libc::SIGRTMAX()).filter(|number| libc::sigismember(&raw const pending, *number) == 1)
        {
            if libc::signal(number, libc::SIG_IGN) != libc::SIG_IGN {
                libc::signal(number, libc::SIG_DFL);
            }
        }
    }
}

fn close_all_but(socket: RawFd) -> bool {
    let Ok(kept) = libc::c_uint::try_from(socket) else { return false };
    close_range(3, kept - 1) && close_range(kept + 1, libc::c_uint::MAX)
}

/// close_range(2), and one by one where the kernel (before 5.9) or a seccomp filter does not know it.
fn close_range(first: libc::c_uint, last: libc::c_uint) -> bool {
    if first > last {
        return true;
    }
    // SAFETY: as in `detach`: nobody uses the descriptors in this range again.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
        return true;
    }
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return false };
    let open: Vec<libc::c_uint> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in open.into_iter().filter(|number| (first..=last).contains(number)) {
        // SAFETY: as above.
        unsafe { libc::close(number.cast_signed()) };
    }
    true
}

#[cfg(test)]
mod tests;

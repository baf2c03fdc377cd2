//! For tests of code that wants to be the only thread of its process: signal masks, terminals.

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Runs `body` in a forked child, which then leaves with its result; calls `told` with the child's number at first and
/// with every change of its state, until it has ended.
///
/// Only for a process whose other threads hold no lock: a test run by itself, where libtest's main thread waits.
pub(crate) fn alone(body: impl FnOnce() -> i32, mut told: impl FnMut(Pid, Option<WaitStatus>)) {
    // SAFETY: no other thread holds a lock at this moment, by the condition above, so the child may allocate.
    let pid = match unsafe { libc::fork() } {
        0 => {
            let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(101);
            // SAFETY: _exit has no preconditions; the frames below belong to the parent and are not unwound.
            unsafe { libc::_exit(status) }
        }
        pid => Pid::from_raw(pid),
    };
    assert!(pid.as_raw() > 0, "fork failed");
    told(pid, None);
    loop {
        let flags = WaitPidFlag::WUNTRACED | WaitPidFlag::WCONTINUED;
        let status = waitpid(pid, Some(flags)).unwrap();
        told(pid, Some(status));
        if matches!(status, WaitStatus::Exited(..) | WaitStatus::Signaled(..)) {
            return;
        }
    }
}

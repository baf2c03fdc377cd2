//! What became of children. Through waitid of the C library: nix loses the status of a child that a real-time signal
//! killed.

use super::signal::Signal;
use crate::model::ids::Pid;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Exited(i32),
    Killed(Signal),
}

/// Which children are meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which {
    Any,
    One(Pid),
}

/// A child that has ended, left as a zombie: its number, and its group's, stay its own until [`reap`].
pub(crate) fn ended(which: Which) -> Option<(Pid, Status)> {
    wait(which, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)
}

/// Takes a child that has ended out of the process table. `None` if it has not, or is not ours.
pub(crate) fn reap(child: Pid) -> Option<Status> {
    wait(Which::One(child), libc::WEXITED | libc::WNOHANG).map(|(_, status)| status)
}

/// Waits until a child has ended and reaps it.
pub(crate) fn reap_blocking(child: Pid) -> Option<Status> {
    wait(Which::One(child), libc::WEXITED).map(|(_, status)| status)
}

/// The signal that stopped the child, once per stop and only while it lasts.
pub(crate) fn stopped(child: Pid) -> Option<Signal> {
    let (_, status) = wait(Which::One(child), libc::WSTOPPED | libc::WNOHANG)?;
    match status {
        Status::Killed(by) => Some(by),
        Status::Exited(_) => None,
    }
}

/// `Killed` also stands for stopped: whoever asks for stops gets nothing else.
fn wait(which: Which, options: libc::c_int) -> Option<(Pid, Status)> {
    let (kind, id) = match which {
        Which::Any => (libc::P_ALL, 0),
        Which::One(pid) => (libc::P_PID, libc::id_t::try_from(pid.0).ok()?),
    };
    loop {
        let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: `info` is valid for writes of a siginfo_t.
        let answer = unsafe { libc::waitid(kind, id, info.as_mut_ptr(), options | libc::__WALL) };
        if answer != 0 {
            if nix::errno::Errno::last() == nix::errno::Errno::EINTR {
                continue;
            }
            return None;
        }
        // SAFETY: zeroed above and filled by waitid, whose answers carry these two fields.
        let (pid, code, value) = unsafe {
            let info = info.assume_init_ref();
            (info.si_pid(), info.si_code, info.si_status())
        };
        let status =
            if code == libc::CLD_EXITED { Status::Exited(value) } else { Status::Killed(Signal(value)) };
        return (pid != 0).then_some((Pid(pid), status));
    }
}

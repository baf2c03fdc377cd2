//! This process towards the kernel: adopting orphans, being stopped, dying of a signal.

use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};

use super::signal::{
    Disposition, Mask, Recipient, Signal, SignalSet, disposition, mask, pending, send, set_disposition,
};
use crate::model::ids::Pid;

pub(crate) fn own_pid() -> Pid {
    Pid(nix::unistd::getpid().as_raw())
}

pub(crate) fn own_session() -> Pid {
    // Asking about oneself cannot fail.
    Pid(nix::unistd::getsid(None).map_or(0, nix::unistd::Pid::as_raw))
}

/// Whether our process group bears our number, as one does that a shell with job control made for us.
pub(crate) fn leads_own_group() -> bool {
    nix::unistd::getpgrp() == nix::unistd::getpid()
}

/// The group of a process, a zombie's too.
pub(crate) fn group_of(pid: Pid) -> Option<Pid> {
    nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(pid.0))).ok().map(|group| Pid(group.as_raw()))
}

/// Whether nobody is in a process group; a zombie counts as somebody.
pub(crate) fn is_empty(group: Pid) -> bool {
    nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group.0), None) == Err(Errno::ESRCH)
}

/// Whether a process is stopped, by a signal or a tracer; `false` where that cannot be seen.
pub(crate) fn is_stopped(pid: Pid) -> bool {
    matches!(state(pid), Some(b'T' | b't'))
}

/// Whether a process is on a processor, or waits for one; `false` where that cannot be seen.
pub(crate) fn is_running(pid: Pid) -> bool {
    state(pid) == Some(b'R')
}

/// The letter of /proc/PID/stat.
fn state(pid: Pid) -> Option<u8> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything, brackets too.
    let name_ends = stat.iter().rposition(|&byte| byte == b')')?;
    stat.get(name_ends + 2).copied()
}

/// From now on orphans below us become our children instead of init's.
pub(crate) fn adopt_orphans() -> Result<(), Errno> {
    nix::sys::prctl::set_child_subreaper(true)
}

/// What became of a wish to be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// We were stopped, and continued since; the SIGCONT waits in the inbox.
    Over,
    /// The kernel threw the signal away: nobody could continue a group whose parents are outside of its session.
    Discarded,
}

/// Stops our whole process group as `by`, a signal that stops by default, does. Returns when somebody continued us.
///
/// SIGSTOP is never thrown away: the caller sees to it that somebody can continue us.
pub(crate) fn stop_own_group(by: Signal) -> Stop {
    if by == Signal::STOP {
        // Nothing to block and nothing to put back: it takes effect before the call returns.
        let _ = send(Recipient::OwnGroup, by);
        return Stop::Over;
    }
    let before = disposition(by);
    set_disposition(by, Disposition::Default);
    // Generating a stop signal discards a pending SIGCONT, so one that is pending below came after it.
    let _ = send(Recipient::OwnGroup, by);
    take_effect(by);
    if before == Disposition::Ignore {
        set_disposition(by, before);
    }
    if pending().contains(Signal::CONT) { Stop::Over } else { Stop::Discarded }
}

/// Stops ourselves as `by` has stopped the others of our group, unless they have been continued, or `is_over` tells so.
/// Returns when somebody continued us.
pub(crate) fn stop_like_the_others(by: Signal, is_over: impl FnOnce() -> bool) {
    if pending().contains(Signal::CONT) {
        return;
    }
    let before = disposition(by);
    set_disposition(by, Disposition::Default);
    // Blocked: who continues us from here on takes it away again.
    let _ = send(Recipient::Process(own_pid().0), by);
    if is_over() {
        set_disposition(by, Disposition::Ignore);
        set_disposition(by, before);
        return;
    }
    take_effect(by);
    if before == Disposition::Ignore {
        set_disposition(by, before);
    }
}

/// Lets a blocked signal act if it is pending.
fn take_effect(signal: Signal) {
    let only = SignalSet::EMPTY.with(signal);
    mask(Mask::Unblock, only);
    mask(Mask::Block, only);
}

/// Ends this process as the signal ends one by default, so that our parent sees what it would have seen of the
/// command. Without a core dump: the command made its own. Where the signal cannot end us (process 1 of a pid
/// namespace), exits with 128 + n.
pub(crate) fn die_of_signal(signal: Signal) -> ! {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    // A dump into a pipe does not ask for that limit.
    let _ = nix::sys::prctl::set_dumpable(false);
    set_disposition(signal, Disposition::Default);
    // Before the signal is there: afterwards it must be the next thing that happens.
    let _ = send(Recipient::Process(own_pid().0), signal);
    mask(Mask::Unblock, SignalSet::EMPTY.with(signal));
    std::process::exit(128 + signal.0)
}

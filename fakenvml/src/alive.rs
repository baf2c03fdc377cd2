//! Whether a process lives, and since when. A pidfd has the last word: it tells the end of all threads, a zombie's
//! included, whose memory on the GPU is given back by then. What was found once is kept open, to be quick.

use std::collections::HashMap;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::{LazyLock, Mutex, PoisonError};

static KNOWN: LazyLock<Mutex<HashMap<(i32, u64), OwnedFd>>> = LazyLock::new(Mutex::default);

/// Start time of a live process, in clock ticks since boot.
pub(crate) fn start_of(pid: i32) -> Option<u64> {
    let process = open(pid)?;
    let start = start_in(&fs::read(format!("/proc/{pid}/stat")).ok()?)?;
    (!has_ended(&process)).then_some(start)
}

/// Whether `pid` is still the process that started at `start`.
pub(crate) fn is_same(pid: i32, start: u64) -> bool {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(process) = known.get(&(pid, start)) {
        let lives = !has_ended(process);
        if !lives {
            known.remove(&(pid, start));
        }
        return lives;
    }
    let Some(process) = open(pid) else { return false };
    // Opened before it is read, so that what is read is of the process that is kept. Under hidepid another user's
    // cannot be read at all: then its number must do.
    let is_another = fs::read(format!("/proc/{pid}/stat")).is_ok_and(|stat| start_in(&stat) != Some(start));
    let lives = !is_another && !has_ended(&process);
    if lives {
        known.insert((pid, start), process);
    }
    lives
}

fn open(pid: i32) -> Option<OwnedFd> {
    // SAFETY: pidfd_open takes two numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    // SAFETY: if it is a descriptor, it is new and nobody else's.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn has_ended(process: &OwnedFd) -> bool {
    let mut poll = libc::pollfd { fd: process.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, as is said.
    unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
}

/// The name in stat is in parentheses and may hold any of them itself: count from the last one.
fn start_in(stat: &[u8]) -> Option<u64> {
    let after = stat.iter().rposition(|&byte| byte == b')')? + 1;
    // State is field 3 and start time field 22 (proc_pid_stat(5)).
    std::str::from_utf8(&stat[after..]).ok()?.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_name_with_parentheses_does_not_confuse_the_fields() {
        let stat = b"7 (a) R 1) S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 8 9";
        assert_eq!(start_in(stat), Some(4711));
    }

    #[test]
    fn a_zombie_has_ended_whether_it_was_known_or_not() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat");
        let pid = child.id() as i32;
        let start = start_of(pid).expect("it lives");
        assert!(is_same(pid, start));
        child.kill().expect("kill");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while is_same(pid, start) {
            assert!(std::time::Instant::now() < deadline, "cat did not end");
            std::thread::yield_now();
        }
        assert!(std::path::Path::new(&format!("/proc/{pid}")).exists(), "not a zombie but gone");
        assert_eq!(start_of(pid), None);
        assert!(!is_same(pid, start), "and it stays so");
        child.wait().expect("wait");
    }

    #[test]
    fn another_start_time_is_another_process() {
        let me = std::process::id() as i32;
        let start = start_of(me).expect("own start time");
        assert!(is_same(me, start));
        assert!(!is_same(me, start + 1));
    }
}

//! Whether a process lives, and since when: read from /proc.

use std::fs;
use std::io;

/// Start time of a live process, in clock ticks since boot. `None` if it is gone, a zombie included: its memory on
/// the GPU is given back by then.
pub(crate) fn start_of(pid: i32) -> Option<u64> {
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => start_in(&stat),
        Err(_) => None,
    }
}

/// Whether `pid` is still the process that started at `start`.
pub(crate) fn is_same(pid: i32, start: u64) -> bool {
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => start_in(&stat) == Some(start),
        // Another user's process under hidepid: the kernel says only that it is there.
        Err(_) => exists_unseen(pid),
    }
}

fn exists_unseen(pid: i32) -> bool {
    // SAFETY: signal 0 is a question; it touches no memory and no process.
    let answer = unsafe { libc::kill(pid, 0) };
    answer == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// The name in stat is in parentheses and may hold any of them itself: count from the last one.
fn start_in(stat: &[u8]) -> Option<u64> {
    let after = stat.iter().rposition(|&byte| byte == b')')? + 1;
    let text = std::str::from_utf8(&stat[after..]).ok()?;
    let mut fields = text.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X" | "x") {
        return None;
    }
    // State is field 3 and start time field 22 (proc_pid_stat(5)).
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_name_with_parentheses_does_not_confuse_the_fields() {
        let stat = b"7 (a) R 1) S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 8 9";
        assert_eq!(start_in(stat), Some(4711));
    }

    #[test]
    fn a_zombie_has_ended() {
        let mut child = Command::new("true").spawn().expect("true");
        let pid = child.id() as i32;
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while start_of(pid).is_some() {
            assert!(std::time::Instant::now() < deadline, "true did not end");
            std::thread::yield_now();
        }
        assert!(std::path::Path::new(&format!("/proc/{pid}")).exists(), "not a zombie but gone");
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

//! What another program prints, if it ends in time. For programs that may hang.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// More than this is not read.
const MOST: usize = 1024 * 1024;

/// Runs `command` without input and gives back what it printed on stdout, whatever its status; `None` if it could
/// not be started or had not closed its stdout `at_most` later. Whatever it started in its group is killed then.
pub(crate) fn output_within(command: &mut Command, at_most: Duration) -> Option<Vec<u8>> {
    let deadline = Instant::now().checked_add(at_most)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let mut group = Group(command.spawn().ok()?);
    let mut stdout = group.0.stdout.take()?;
    let mut output = Vec::new();
    while output.len() < MOST && is_readable_before(deadline, &stdout) {
        let mut part = [0; 8192];
        match stdout.read(&mut part) {
            Ok(0) => return Some(output),
            Ok(length) => output.extend_from_slice(&part[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    None
}

fn is_readable_before(deadline: Instant, stdout: &ChildStdout) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Rounded up, or the last millisecond would be spent spinning.
        let milliseconds = left.as_micros().div_ceil(1000);
        let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) if left.is_zero() => return false,
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
}

/// Kills the program's process group and reaps it, in time or not.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // Not reaped yet, so the number is still its own.
        let _ = killpg(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::wait_until;

    fn shell(script: &str, at_most: Duration) -> Option<String> {
        let output = output_within(Command::new("sh").args(["-c", script]), at_most)?;
        Some(String::from_utf8_lossy(&output).into_owned())
    }

    #[test]
    fn the_output_is_had_whatever_the_status() {
        let at_most = Duration::from_secs(20);
        assert_eq!(shell("echo one; echo two; exit 3", at_most).as_deref(), Some("one\ntwo\n"));
        assert_eq!(shell("exec >&-; true", at_most).as_deref(), Some(""));
        assert_eq!(output_within(&mut Command::new("/no/such/program"), at_most), None);
        let long = shell("head -c 300000 /dev/zero", at_most).map(|output| output.len());
        assert_eq!(long, Some(300_000));
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_all_it_started() {
        let directory = tempfile::tempdir().expect("a directory");
        let numbers = directory.path().join("numbers");
        let mut hangs = Command::new("sh");
        hangs.args(["-c", "sleep 1000 & echo $$ $! >\"$NUMBERS\"; sleep 1000"]).env("NUMBERS", &numbers);
        assert_eq!(output_within(&mut hangs, Duration::from_secs(1)), None);
        let written = std::fs::read_to_string(&numbers).expect("the shell wrote its numbers within a second");
        for number in written.split_whitespace() {
            let pid = crate::model::ids::Pid(number.parse().expect("a number"));
            // The shell was reaped; what it started is reaped by whoever inherited it.
            wait_until("it has ended", || {
                crate::sys::pidfd::Pidfd::open(pid).map_or(true, |process| process.has_ended())
            });
        }
    }
}

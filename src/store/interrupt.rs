//! Ends a wait for a store before its time: whoever has something more urgent to do (Ctrl-C, the end of a run) does not
//! stand behind a server that does not answer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A server that is well has answered by then: what is under way is not cut off.
const GRACE: Duration = Duration::from_millis(200);

/// A descriptor that is readable when somebody wants to get on; or nobody ever does.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt(Option<Arc<OwnedFd>>);

impl Interrupt {
    pub(super) fn on(descriptor: OwnedFd) -> Self {
        Self(Some(Arc::new(descriptor)))
    }

    pub(super) fn has_come(&self) -> bool {
        self.0.as_ref().is_some_and(|fd| is_ready(&mut [readable(fd.as_fd())], Duration::ZERO))
    }

    /// Waits until there is something to read from `source`, no longer than `limit`, and not much longer than until it
    /// is interrupted.
    ///
    /// # Errors
    /// `TimedOut`.
    pub(super) fn wait_to_read(&self, source: BorrowedFd<'_>, limit: Duration) -> io::Result<()> {
        self.wait(readable(source), limit)
    }

    /// As [`Self::wait_to_read`], until `socket` can be written to: it is connected, or will never be.
    ///
    /// # Errors
    /// `TimedOut`.
    pub(super) fn wait_to_write(&self, socket: BorrowedFd<'_>, limit: Duration) -> io::Result<()> {
        self.wait(PollFd::new(socket, PollFlags::POLLOUT), limit)
    }

    fn wait(&self, event: PollFd<'_>, limit: Duration) -> io::Result<()> {
        let mut both = vec![event.clone()];
        both.extend(self.0.iter().map(|fd| readable(fd.as_fd())));
        let came = is_ready(&mut both, limit);
        let has_come_true = both[0].any().unwrap_or(true);
        if has_come_true || (came && is_ready(&mut [event], GRACE.min(limit))) {
            return Ok(());
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

fn readable(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::new(fd, PollFlags::POLLIN)
}

/// A stop and what follows it cut nothing short.
fn is_ready(fds: &mut [PollFd<'_>], limit: Duration) -> bool {
    let until = Instant::now() + limit;
    loop {
        // Rounded up: nothing is over before its time.
        let left = until.saturating_duration_since(Instant::now()).as_nanos().div_ceil(1_000_000);
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(fds, timeout) {
            Err(Errno::EINTR) => {}
            ended => return ended.is_ok_and(|ready| ready > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::unistd::{pipe, write};

    use super::*;

    #[test]
    fn a_wait_ends_by_an_answer_by_the_interruption_or_by_the_limit() {
        let long = Duration::from_secs(60);
        let ((answer, server), (signal, keyboard)) = (pipe().unwrap(), pipe().unwrap());
        let interrupt = Interrupt::on(signal);
        let timed_out = |result: io::Result<()>| result.unwrap_err().kind() == io::ErrorKind::TimedOut;
        assert!(timed_out(interrupt.wait_to_read(answer.as_fd(), Duration::from_millis(20))));
        assert!(!interrupt.has_come());

        write(&keyboard, b"x").unwrap();
        let begun = Instant::now();
        assert!(interrupt.has_come() && timed_out(interrupt.wait_to_read(answer.as_fd(), long)));
        assert!(begun.elapsed() >= GRACE && begun.elapsed() < long / 2, "{:?}", begun.elapsed());

        write(&server, b"x").unwrap();
        interrupt.wait_to_read(answer.as_fd(), long).unwrap();
        Interrupt::default().wait_to_read(answer.as_fd(), long).unwrap();
    }
}

//! How the heartbeat's thread tells the supervisor something: a queue and a descriptor that its one poll can wait on.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, mpsc};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

/// What the supervisor of a command may have to know about its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// The lease is somebody else's now, or gone; why.
    Lost(String),
    /// Worth a line to the user; nothing else changes.
    Warning(String),
}

/// The end of the thread that has news.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    queue: mpsc::Sender<News>,
    bell: Arc<EventFd>,
}

/// The supervisor's end.
#[derive(Debug)]
pub(crate) struct Receiver {
    queue: mpsc::Receiver<News>,
    bell: Arc<EventFd>,
}

pub(crate) fn channel() -> Result<(Sender, Receiver), Errno> {
    let bell = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    let bell = Arc::new(bell);
    let (sender, receiver) = mpsc::channel();
    Ok((Sender { queue: sender, bell: Arc::clone(&bell) }, Receiver { queue: receiver, bell }))
}

impl Sender {
    /// Never blocks. Said to nobody if the supervisor has gone.
    pub(crate) fn tell(&self, news: News) {
        if self.queue.send(news).is_ok() {
            // Full (2^64 unread) cannot be, and any value wakes the reader.
            let _ = self.bell.write(1);
        }
    }
}

impl Receiver {
    /// Everything that was told since the last call.
    pub(super) fn drain(&self) -> impl Iterator<Item = News> {
        // First the bell: what is told from here on rings again.
        let _ = self.bell.read();
        self.queue.try_iter()
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    #[test]
    fn news_of_another_thread_wake_a_poll_and_come_in_order() {
        let (sender, receiver) = channel().unwrap();
        let thread = std::thread::spawn(move || {
            sender.tell(News::Warning("first".into()));
            sender.tell(News::Lost("second".into()));
        });
        let mut got = Vec::new();
        while got.len() < 2 {
            let timeout = PollTimeout::try_from(Duration::from_secs(20)).unwrap();
            assert_eq!(poll(&mut [PollFd::new(receiver.as_fd(), PollFlags::POLLIN)], timeout), Ok(1));
            got.extend(receiver.drain());
        }
        thread.join().unwrap();
        assert_eq!(got, [News::Warning("first".into()), News::Lost("second".into())]);
        assert_eq!(poll(&mut [PollFd::new(receiver.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO), Ok(0));
    }
}

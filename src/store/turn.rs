//! A courtesy among the clients of one host: they change a store one after the other, in the order they came. Who wins
//! is still decided by the store; this keeps a crowd from losing to each other again and again, or from trying all the
//! time.

use std::io;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::sys::lifeline::Lifeline;
use crate::sys::{abstract_name, handing};

/// Longer than this nobody is polite: whoever has the turn may be stopped.
const PATIENCE: Duration = Duration::from_secs(1);

/// Our turn, until it is dropped: a listening socket, whose line of connections are those who come next. It is handed to
/// the first of them; if its owner is killed, all of them hear it, and one sits down anew.
#[derive(Debug)]
pub(super) struct Turn {
    socket: Lifeline<UnixListener>,
}

impl Turn {
    fn new(socket: UnixListener) -> Self {
        Self { socket: Lifeline::new(socket) }
    }
}

/// Waits for our turn at this store; `None` when it did not come in time, or cannot be had.
pub(super) fn take(store: &str) -> Option<Turn> {
    let until = Instant::now() + PATIENCE;
    let name = SocketAddr::from_abstract_name(abstract_name::of("canhazgpu/turn/", store)).ok()?;
    loop {
        match UnixListener::bind_addr(&name) {
            Ok(socket) => return socket.set_nonblocking(true).ok().map(|()| Turn::new(socket)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(_) => return None,
        }
        if let Some(turn) = stand_in_line(&name, until) {
            return Some(turn);
        }
        if Instant::now() >= until {
            return None;
        }
    }
}

/// The turn as it was handed to us; `None` when time is up, or when whoever had it is gone.
fn stand_in_line(name: &SocketAddr, until: Instant) -> Option<Turn> {
    let Ok(connection) = UnixStream::connect_addr(name) else {
        // Between its bind and its listen, or just gone.
        std::thread::sleep(Duration::from_micros(200));
        return None;
    };
    let left = until.saturating_duration_since(Instant::now());
    let timeout = PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX);
    let _: nix::Result<_> = poll(&mut [PollFd::new(connection.as_fd(), PollFlags::POLLIN)], timeout);
    handing::receive(&connection).map(|socket| Turn::new(socket.into()))
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Whoever gave up meanwhile is passed over. Whoever comes after the last look hears our end.
        while let Ok((next, _)) = self.socket.accept() {
            if handing::give(&next, &*self.socket).is_ok() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::wait_until;

    fn store(name: &str) -> String {
        format!("test-{}-{name}", std::process::id())
    }

    #[test]
    fn a_turn_is_had_by_one_and_passed_on_at_its_end() {
        let store = store("one");
        let mine = take(&store).expect("nobody has it");
        let other = std::thread::spawn({
            let store = store.clone();
            move || (take(&store).is_some(), Instant::now())
        });
        wait_until("it stands in line", || {
            std::fs::read_to_string("/proc/net/unix").unwrap().matches(&store).count() > 1
        });
        let passed_on = Instant::now();
        drop(mine);
        let (taken, at) = other.join().expect("it does not panic");
        assert!(taken && at >= passed_on);
    }

    #[test]
    fn nobody_waits_long_for_a_turn_that_does_not_end() {
        let store = store("stopped");
        let _mine = take(&store).expect("nobody has it");
        let begun = Instant::now();
        assert!(take(&store).is_none());
        assert!(begun.elapsed() >= PATIENCE);
    }

    #[test]
    fn a_crowd_is_served_one_after_the_other() {
        let store = store("crowd");
        let inside = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let turn = take(&store).expect("it comes in time");
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(turn);
                    }
                });
            }
        });
    }
}

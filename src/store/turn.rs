//! A courtesy among the clients of one host: whoever lost a race for the store waits here for the others that did. Who
//! wins is still decided by the store; this only keeps a crowd from losing to each other again and again.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};

use crate::sys::abstract_name;

/// Longer than this nobody is polite: whoever has the turn may be stopped.
const PATIENCE: Duration = Duration::from_millis(250);

/// Our turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _socket: OwnedFd,
}

/// Waits for our turn at this store; `None` when it did not come in time, or cannot be had.
pub(super) fn take(store: &str) -> Option<Turn> {
    let until = Instant::now() + PATIENCE;
    let address = UnixAddr::new_abstract(abstract_name::of("canhazgpu/turn/", store).as_bytes()).ok()?;
    loop {
        match sit(&address) {
            Ok(socket) => return Some(Turn { _socket: socket }),
            Err(Errno::EADDRINUSE) => {}
            Err(_) => return None,
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        wait_for_end(&address, left);
    }
}

fn sit(address: &UnixAddr) -> nix::Result<OwnedFd> {
    let socket = stream()?;
    bind(socket.as_raw_fd(), address)?;
    listen(&socket, Backlog::MAXCONN)?;
    Ok(socket)
}

/// A connection hangs up the moment that the one who has the turn is done, however that ends. Any failure means that
/// it is time to try.
fn wait_for_end(address: &UnixAddr, at_most: Duration) {
    let Ok(connection) = stream() else { return };
    if connect(connection.as_raw_fd(), address).is_ok() {
        let timeout = PollTimeout::try_from(at_most.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        let _ = poll(&mut [PollFd::new(connection.as_fd(), PollFlags::POLLIN)], timeout);
    } else {
        // Between its bind and its listen, or its line is full.
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn stream() -> nix::Result<OwnedFd> {
    socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

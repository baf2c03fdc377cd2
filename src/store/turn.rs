//! A courtesy among the clients of one host: they change a store one after the other, in the order they came. Who wins
//! is still decided by the store; this keeps a crowd from losing to each other again and again, or from trying all the
//! time.

use std::io;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::time::{Duration, Instant, SystemTime};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::sys::lifeline::Lifeline;
use crate::sys::unix_table::UnixTable;
use crate::sys::{abstract_name, handing};

/// How often those in line see whether it moves. Whoever has the same turn at two looks may be stopped, and is not waited
/// for.
const LOOK: Duration = Duration::from_millis(500);
/// Longer than this nobody is polite.
const PATIENCE: Duration = Duration::from_secs(10);

/// Our turn, until it is dropped: a listening socket, whose line of connections are those who come next. It is handed to
/// the first of them; if its owner is killed, all of them hear it, and one sits down anew.
#[derive(Debug)]
pub(super) struct Turn {
    socket: Lifeline<UnixListener>,
    /// Shows those in line that it is somebody else's turn now; they can do without.
    _mark: Option<Lifeline<UnixDatagram>>,
}

/// The names of a store's sockets.
struct Names {
    line: SocketAddr,
    /// What the marks of its turns begin with.
    marks: String,
}

impl Names {
    fn of(store: &str) -> io::Result<Self> {
        let line = SocketAddr::from_abstract_name(abstract_name::of("canhazgpu/turn/", store))?;
        Ok(Self { line, marks: format!("canhazgpu/turns/{:016x}/", abstract_name::digest(store)) })
    }

    /// The mark of a turn: like none before it.
    fn mark(&self) -> io::Result<UnixDatagram> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = format!("{}{}.{}", self.marks, std::process::id(), now.as_nanos());
        UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?)
    }

    /// Whose turn it is: a mark, or nobody's for the moment.
    fn whose(&self) -> Option<Vec<u8>> {
        let table = UnixTable::read().ok()?;
        table.names(&self.marks).first().map(|mark| mark.to_vec())
    }

    fn turn(&self, socket: UnixListener) -> Turn {
        Turn { socket: Lifeline::new(socket), _mark: self.mark().ok().map(Lifeline::new) }
    }
}

/// How standing in line ended.
enum Stood {
    Served(Turn),
    /// Whoever had the turn is gone without handing it on.
    Dissolved,
    /// The line does not move.
    Stuck,
}

/// Waits for our turn at this store; `None` when it does not come, or cannot be had.
pub(super) fn take(store: &str) -> Option<Turn> {
    let until = Instant::now() + PATIENCE;
    let names = Names::of(store).ok()?;
    loop {
        match UnixListener::bind_addr(&names.line) {
            Ok(socket) => return socket.set_nonblocking(true).ok().map(|()| names.turn(socket)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(_) => return None,
        }
        match stand_in_line(&names, until) {
            Stood::Served(turn) => return Some(turn),
            Stood::Dissolved if Instant::now() < until => {}
            Stood::Dissolved | Stood::Stuck => return None,
        }
    }
}

fn stand_in_line(names: &Names, until: Instant) -> Stood {
    let Ok(connection) = UnixStream::connect_addr(&names.line) else {
        // Between its bind and its listen, or just gone.
        std::thread::sleep(Duration::from_micros(200));
        return Stood::Dissolved;
    };
    let mut last = None;
    while !is_answered(&connection, LOOK) {
        let whose = names.whose();
        if last.as_ref() == Some(&whose) || Instant::now() >= until {
            return Stood::Stuck;
        }
        last = Some(whose);
    }
    handing::receive(&connection).map_or(Stood::Dissolved, |socket| Stood::Served(names.turn(socket.into())))
}

fn is_answered(connection: &UnixStream, within: Duration) -> bool {
    let timeout = PollTimeout::try_from(within).unwrap_or(PollTimeout::MAX);
    poll(&mut [PollFd::new(connection.as_fd(), PollFlags::POLLIN)], timeout) != Ok(0)
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
        assert!(begun.elapsed() < PATIENCE);
    }

    #[test]
    fn a_line_that_moves_is_stood_in_for_longer_than_one_that_does_not() {
        let store = store("slow");
        let first = take(&store).expect("nobody has it");
        std::thread::scope(|scope| {
            // Each keeps its turn for less than a look, all together for longer than a line that stands still is stood in.
            let others: Vec<_> = (0..6)
                .map(|_| {
                    scope.spawn(|| {
                        let turn = take(&store);
                        std::thread::park_timeout(LOOK * 3 / 5);
                        turn.is_some()
                    })
                })
                .collect();
            drop(first);
            assert!(others.into_iter().all(|other| other.join().expect("it does not panic")));
        });
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

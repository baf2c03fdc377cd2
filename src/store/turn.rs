//! A courtesy among the clients of one host: they change a store one after the other, in the order they came. Who wins
//! is still decided by the store; this keeps a crowd from losing to each other again and again, or from trying all the
//! time.

use std::io;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::time::{Duration, Instant, SystemTime};

use super::interrupt::Interrupt;
use crate::model::ids::Pid;
use crate::sys::lifeline::Lifeline;
use crate::sys::process::is_stopped;
use crate::sys::unix_table::UnixTable;
use crate::sys::{abstract_name, handing};

/// How often those in line see whether it moves, and whether whoever has the turn is stopped.
const LOOK: Duration = Duration::from_millis(500);
/// How long a line is stood in that does not move. On a machine with far too much to do a turn takes seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longer than this nobody is polite, however well it moves: signals wait as well meanwhile.
const LIMIT: Duration = Duration::from_secs(30);

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
    fn whose(&self) -> Option<String> {
        let table = UnixTable::read().ok()?;
        table.names(&self.marks).first().map(|mark| String::from_utf8_lossy(mark).into_owned())
    }

    /// Whether the owner of a mark is stopped, as far as can be seen.
    fn is_stopped(&self, mark: &str) -> bool {
        let owner = mark.strip_prefix(&self.marks).and_then(|rest| rest.split('.').next()?.parse().ok());
        owner.is_some_and(|pid| is_stopped(Pid(pid)))
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

/// Waits for our turn at this store, no longer than until `latest`; `None` when it does not come, or cannot be had.
pub(super) fn take(store: &str, interrupt: &Interrupt, latest: Instant) -> Option<Turn> {
    let until = latest.min(Instant::now() + LIMIT);
    let names = Names::of(store).ok()?;
    loop {
        match UnixListener::bind_addr(&names.line) {
            Ok(socket) => return socket.set_nonblocking(true).ok().map(|()| names.turn(socket)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(_) => return None,
        }
        match stand_in_line(&names, interrupt, until) {
            Stood::Served(turn) => return Some(turn),
            Stood::Dissolved if Instant::now() < until => {}
            Stood::Dissolved | Stood::Stuck => return None,
        }
    }
}

fn stand_in_line(names: &Names, interrupt: &Interrupt, until: Instant) -> Stood {
    let Ok(connection) = UnixStream::connect_addr(&names.line) else {
        // Between its bind and its listen, or just gone.
        std::thread::sleep(Duration::from_micros(200));
        return Stood::Dissolved;
    };
    let (mut last, mut moved) = (None, Instant::now());
    while interrupt.wait_to_read(connection.as_fd(), LOOK).is_err() {
        let whose = names.whose();
        if whose.as_ref().is_some_and(|mark| names.is_stopped(mark)) {
            return Stood::Stuck;
        }
        if whose != last {
            (last, moved) = (whose, Instant::now());
        }
        if moved.elapsed() >= PATIENCE || Instant::now() >= until || interrupt.has_come() {
            return Stood::Stuck;
        }
    }
    handing::receive(&connection).map_or(Stood::Dissolved, |socket| Stood::Served(names.turn(socket.into())))
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
    use crate::sys::signal::{Recipient, Signal, send};
    use crate::sys::testing::{Running, in_role, role, speak_and_wait, wait_until};

    fn take_turn(store: &str) -> Option<Turn> {
        take(store, &Interrupt::default(), Instant::now() + LIMIT)
    }

    fn store(name: &str) -> String {
        format!("test-{}-{name}", std::process::id())
    }

    #[test]
    fn a_turn_is_had_by_one_and_passed_on_at_its_end() {
        let store = store("one");
        let mine = take_turn(&store).expect("nobody has it");
        let other = std::thread::spawn({
            let store = store.clone();
            move || (take_turn(&store).is_some(), Instant::now())
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
    fn nobody_waits_long_for_a_turn_whose_owner_is_stopped() {
        const NAME: &str = "store::turn::tests::nobody_waits_long_for_a_turn_whose_owner_is_stopped";
        if let Some(store) = role() {
            let _mine = take_turn(&store).expect("nobody has it");
            speak_and_wait("mine");
        }
        let store = store("stopped");
        let (owner, _) = Running::until_it_speaks(&mut in_role(&store, NAME, &[]));
        let pid = Pid(owner.0.id().try_into().expect("a pid"));
        send(Recipient::Process(pid.0), Signal(libc::SIGSTOP)).expect("it is our child");
        wait_until("it is stopped", || is_stopped(pid));
        let begun = Instant::now();
        assert!(take_turn(&store).is_none());
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_turn_that_takes_long_is_waited_for() {
        let store = store("slow");
        let mine = take_turn(&store).expect("nobody has it");
        std::thread::scope(|scope| {
            let other = scope.spawn(|| take_turn(&store).is_some());
            std::thread::park_timeout(LOOK * 5);
            assert!(!other.is_finished());
            drop(mine);
            assert!(other.join().expect("it does not panic"));
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
                        let turn = take_turn(&store).expect("it comes in time");
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

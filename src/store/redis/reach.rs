//! Reaches a server: finds its addresses and connects. Bounded in time, and given up for whatever is more urgent.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrLike, SockaddrStorage, UnixAddr, connect, getsockopt,
    setsockopt, socket, sockopt,
};
use nix::unistd::pipe2;

use super::link::Limits;
use crate::store::interrupt::Interrupt;

/// How soon a server is asked again whose line of connections is full.
const RETRY: Duration = Duration::from_millis(5);

/// Connects to a port of `host`, a name or an address.
pub(super) fn tcp(host: &str, port: u16, limits: Limits, interrupt: &Interrupt) -> io::Result<TcpStream> {
    let addresses = addresses(host, port, limits, interrupt)?;
    let until = Instant::now() + limits.connect;
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in addresses {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match dial(address, left, interrupt) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(limits.answer))?;
                // A server that vanished without a word is noticed by its silence.
                setsockopt(&stream, sockopt::KeepAlive, &true)?;
                setsockopt(&stream, sockopt::TcpKeepIdle, &30)?;
                setsockopt(&stream, sockopt::TcpKeepInterval, &10)?;
                setsockopt(&stream, sockopt::TcpKeepCount, &3)?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
        if interrupt.has_come() {
            break;
        }
    }
    Err(failure)
}

fn dial(address: SocketAddr, limit: Duration, interrupt: &Interrupt) -> io::Result<TcpStream> {
    let address = SockaddrStorage::from(address);
    let socket = unconnected(address.family().unwrap_or(AddressFamily::Inet))?;
    match connect(socket.as_raw_fd(), &address) {
        Err(Errno::EINPROGRESS) => {
            interrupt.wait_to_write(socket.as_fd(), limit)?;
            match getsockopt(&socket, sockopt::SocketError)? {
                0 => {}
                errno => return Err(io::Error::from_raw_os_error(errno)),
            }
        }
        done => done?,
    }
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Connects to a socket on this machine.
pub(super) fn unix(path: &Path, limits: Limits, interrupt: &Interrupt) -> io::Result<UnixStream> {
    let until = Instant::now() + limits.connect;
    let socket = unconnected(AddressFamily::Unix)?;
    let address = UnixAddr::new(path)?;
    loop {
        match connect(socket.as_raw_fd(), &address) {
            // Its line of connections is full.
            Err(Errno::EAGAIN) if Instant::now() >= until || interrupt.has_come() => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(Errno::EAGAIN) => thread::sleep(RETRY),
            done => break done?,
        }
    }
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(limits.answer))?;
    Ok(stream)
}

fn unconnected(family: AddressFamily) -> nix::Result<OwnedFd> {
    socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)
}

/// The addresses of `host`. The C library cannot be hurried, so a name is looked up by a thread of its own, which is left
/// behind if it takes too long: it ends by itself, or with us.
fn addresses(host: &str, port: u16, limits: Limits, interrupt: &Interrupt) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (bell, rope) = pipe2(OFlag::O_CLOEXEC)?;
    let (tell, told) = mpsc::channel();
    let name = host.to_owned();
    let look_up = move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        let _ = tell.send(found);
        drop(rope);
    };
    thread::Builder::new().name("name".into()).spawn(look_up)?;
    // Where the first of several name servers is down, the answer of the second takes five seconds (resolv.conf(5)).
    let in_time = interrupt.wait_to_read(bell.as_fd(), limits.connect + limits.answer);
    match in_time.ok().and_then(|()| told.try_recv().ok()) {
        Some(found) => found,
        None => Err(io::Error::other(format!("no answer in time about the address of {host}"))),
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::socket::{Backlog, SockaddrIn, bind, getsockname, listen};
    use nix::unistd::{pipe, write};

    use super::*;
    use crate::store::open::Options;

    const LONG: Duration = Duration::from_secs(60);

    fn limits() -> Limits {
        Limits::of(&Options { connect_timeout: LONG, answer_timeout: LONG, ..Options::default() })
    }

    /// Comes shortly.
    fn interruption() -> Interrupt {
        let (ear, mouth) = pipe().unwrap();
        thread::spawn(move || {
            thread::park_timeout(Duration::from_millis(50));
            write(&mouth, b"x").unwrap();
            // Until the test is over.
            thread::park_timeout(LONG);
        });
        Interrupt::on(ear)
    }

    fn is_given_up<T>(reach: impl FnOnce(&Interrupt) -> io::Result<T>) {
        let begun = Instant::now();
        assert!(reach(&interruption()).is_err());
        assert!(begun.elapsed() < LONG / 2, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_server_that_takes_no_more_connections_is_given_up_for_something_urgent() {
        // With its line full, the kernel drops what else comes, as a firewall does.
        let server = unconnected(AddressFamily::Inet).unwrap();
        bind(server.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
        listen(&server, Backlog::new(0).unwrap()).unwrap();
        let port = getsockname::<SockaddrIn>(server.as_raw_fd()).unwrap().port();
        let quick =
            Limits::of(&Options { connect_timeout: Duration::from_millis(300), ..Options::default() });
        let mut waiting = Vec::new();
        while let Ok(stream) = tcp("127.0.0.1", port, quick, &Interrupt::default()) {
            waiting.push(stream);
        }
        is_given_up(|interrupt| tcp("127.0.0.1", port, limits(), interrupt));

        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("full.sock");
        let server = unconnected(AddressFamily::Unix).unwrap();
        bind(server.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        listen(&server, Backlog::new(0).unwrap()).unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = unix(&path, quick, &Interrupt::default()) {
            waiting.push(stream);
        }
        is_given_up(|interrupt| unix(&path, limits(), interrupt));
    }

    #[test]
    fn names_and_addresses_lead_to_the_same_server_and_what_is_none_is_told() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            assert!(tcp(host, port, limits(), &Interrupt::default()).is_ok(), "{host}");
        }
        drop(server);
        let refused = tcp("127.0.0.1", port, limits(), &Interrupt::default()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}

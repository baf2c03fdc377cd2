//! One connection to a Redis server: bytes out, values in, never without a time limit. Its descriptor can be polled,
//! which the redis crate's own connection does not offer.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use redis::{Cmd, Parser, RedisError, ServerError, Value};

use super::socket::Socket;
#[cfg(feature = "tls")]
use super::tls;
use crate::store::interrupt::Interrupt;
use crate::store::open::Options;
use crate::store::url::Server;

/// What a connection runs over.
enum Stream {
    Tcp(Socket<TcpStream>),
    Unix(Socket<UnixStream>),
    #[cfg(feature = "tls")]
    Tls(Box<tls::TlsStream>),
}

/// How long the parts of an exchange may take.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Limits {
    connect: Duration,
    answer: Duration,
}

impl Limits {
    pub(in crate::store) fn of(options: &Options) -> Self {
        Self { connect: options.connect_timeout, answer: options.answer_timeout }
    }

    pub(super) fn no_longer_than(self, limit: Duration) -> Self {
        Self { connect: self.connect.min(limit), answer: self.answer.min(limit) }
    }
}

/// A connection on which requests and answers go in step.
pub(in crate::store) struct Link {
    stream: Stream,
    parser: Parser,
}

impl Link {
    pub(in crate::store) fn connect(
        server: &Server,
        limits: Limits,
        interrupt: Interrupt,
    ) -> io::Result<Self> {
        let limit = limits.answer;
        let stream = match server {
            Server::Tcp { host, port } => {
                Stream::Tcp(Socket { stream: tcp(host, *port, limits)?, limit, interrupt })
            }
            #[cfg(feature = "tls")]
            Server::Tls { host, port } => {
                let socket = Socket { stream: tcp(host, *port, limits)?, limit, interrupt };
                Stream::Tls(Box::new(tls::over(socket, host)?))
            }
            #[cfg(not(feature = "tls"))]
            Server::Tls { .. } => return Err(io::Error::other("this program was built without TLS")),
            Server::Unix(path) => Stream::Unix(Socket { stream: unix(path, limits)?, limit, interrupt }),
        };
        Ok(Self { stream, parser: Parser::new() })
    }

    /// Sends all commands at once and reads one answer for each. An error among the answers is one of the values;
    /// after a failure of the exchange itself the link is of no more use.
    pub(in crate::store) fn exchange(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, Failure> {
        let mut packed = Vec::new();
        for command in commands {
            packed.extend_from_slice(&command.get_packed_command());
        }
        self.stream.write_all(&packed).and_then(|()| self.stream.flush()).map_err(RedisError::from)?;
        let mut answers = Vec::with_capacity(commands.len());
        for _ in commands {
            match self.parser.parse_value(&mut self.stream) {
                Ok(answer) => answers.push(answer),
                Err(error) => return Err(refusal(answers).map_or(Failure::Broken(error), Failure::Refused)),
            }
        }
        Ok(answers)
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Tcp(socket) => socket.stream.as_fd(),
            Stream::Unix(socket) => socket.stream.as_fd(),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.sock.stream.as_fd(),
        }
    }

    /// How long answers are waited for from now on.
    pub(super) fn wait_with(&mut self, limits: Limits, interrupt: Interrupt) {
        let (limit, known) = match &mut self.stream {
            Stream::Tcp(socket) => (&mut socket.limit, &mut socket.interrupt),
            Stream::Unix(socket) => (&mut socket.limit, &mut socket.interrupt),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => (&mut stream.sock.limit, &mut stream.sock.interrupt),
        };
        (*limit, *known) = (limits.answer, interrupt);
    }
}

/// Why an exchange came to nothing.
#[derive(Debug)]
pub(in crate::store) enum Failure {
    /// The server said why, and hung up: it does that to clients that have not said who they are.
    Refused(ServerError),
    Broken(RedisError),
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self::Broken(error)
    }
}

fn refusal(answers: Vec<Value>) -> Option<ServerError> {
    answers.into_iter().find_map(|answer| match answer {
        Value::ServerError(error) => Some(error),
        _ => None,
    })
}

fn tcp(host: &str, port: u16, limits: Limits) -> io::Result<TcpStream> {
    let until = Instant::now() + limits.connect;
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, left) {
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
    }
    Err(failure)
}

fn unix(path: &Path, limits: Limits) -> io::Result<UnixStream> {
    let socket: OwnedFd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // connect(2) waits while the server's backlog is full: this bounds it (unix(7), SO_SNDTIMEO).
    let limit = i64::try_from(limits.connect.as_millis()).unwrap_or(i64::MAX);
    setsockopt(&socket, sockopt::SendTimeout, &TimeVal::milliseconds(limit))?;
    let address = UnixAddr::new(path)?;
    uninterrupted(|| Ok(connect(socket.as_raw_fd(), &address)?))?;
    let stream = UnixStream::from(socket);
    stream.set_write_timeout(Some(limits.answer))?;
    Ok(stream)
}

/// A call on a socket with a time limit ends with EINTR when the process was stopped and goes on (signal(7)).
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.read(buffer),
        })
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(buffer),
            Self::Unix(stream) => stream.write(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Unix(stream) => stream.flush(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.flush(),
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("descriptor", &self.descriptor()).finish_non_exhaustive()
    }
}

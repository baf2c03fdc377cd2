//! One connection to a Redis server: bytes out, values in, never without a time limit. Its descriptor can be polled,
//! which the redis crate's own connection does not offer.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use redis::{Cmd, Parser, RedisError, ServerError, Value};

use super::reach;
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
    pub(super) connect: Duration,
    pub(super) answer: Duration,
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
                let stream = reach::tcp(host, *port, limits, &interrupt)?;
                Stream::Tcp(Socket { stream, limit, interrupt })
            }
            #[cfg(feature = "tls")]
            Server::Tls { host, port } => {
                let stream = reach::tcp(host, *port, limits, &interrupt)?;
                let socket = Socket { stream, limit, interrupt };
                Stream::Tls(Box::new(tls::over(socket, host)?))
            }
            #[cfg(not(feature = "tls"))]
            Server::Tls { .. } => return Err(io::Error::other("this program was built without TLS")),
            Server::Unix(path) => {
                let stream = reach::unix(path, limits, &interrupt)?;
                Stream::Unix(Socket { stream, limit, interrupt })
            }
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

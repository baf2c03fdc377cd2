//! Docker's daemon, asked on its unix socket: starting a program for that takes longer than all the rest of a look.
//! What it says is foreign input, and it may say nothing.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use serde::Deserialize;

use super::{Container, Named};
use crate::model::ids::Uid;
use crate::model::process::RESERVATION_LABEL;

/// An answer longer than this is not read: those of real containers have some ten thousand bytes.
const MOST: usize = 1024 * 1024;

/// Where the daemons are asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sockets {
    /// By DOCKER_HOST, about every container.
    Given(PathBuf),
    /// DOCKER_HOST leads to another host, or asks for more than a socket.
    Elsewhere,
    /// Those of the system, and of the account that looks, where it has a daemon of its own.
    Usual { caller: Uid, own: Option<PathBuf> },
}

impl Sockets {
    pub(super) fn of_the_environment(caller: Uid) -> Self {
        let [host, runtime] = ["DOCKER_HOST", "XDG_RUNTIME_DIR"].map(std::env::var_os);
        Self::of(host.as_deref(), runtime.as_deref(), caller)
    }

    fn of(host: Option<&OsStr>, runtime: Option<&OsStr>, caller: Uid) -> Self {
        match host.map(OsStr::as_bytes) {
            None | Some(b"") => {
                Self::Usual { caller, own: runtime.map(|runtime| Path::new(runtime).join("docker.sock")) }
            }
            Some(host) => match host.strip_prefix(b"unix://") {
                Some(path) => Self::Given(Path::new(OsStr::from_bytes(path)).to_owned()),
                None => Self::Elsewhere,
            },
        }
    }

    /// Whose daemon may tell of this container.
    fn for_one(&self, container: &Container) -> Option<&Path> {
        match (self, container.host_uid) {
            (Self::Given(path), _) => Some(path),
            (Self::Usual { .. }, None) => Some(Path::new("/var/run/docker.sock")),
            (Self::Usual { caller, own }, Some(uid)) if uid == *caller => own.as_deref(),
            (Self::Usual { .. } | Self::Elsewhere, _) => None,
        }
    }
}

/// What Docker says of those that are its, or may be (below a cgroup of an administrator's own nothing says so), within
/// `at_most` for all. All are asked before an answer is awaited: a container in which the daemon is stuck then keeps
/// back its own only.
pub(super) fn ask(
    sockets: &Sockets,
    containers: &[&Container],
    at_most: Duration,
) -> Vec<(Container, Named)> {
    let start = Instant::now();
    let is_dockers = |container: &&&Container| matches!(container.engine.as_str(), "docker" | "container");
    let dockers = containers.iter().filter(is_dockers);
    let asked = dockers.filter_map(|container| Asked::about(container, sockets.for_one(container)?));
    let mut waiting: Vec<Asked<'_>> = asked.collect();
    let mut told = Vec::new();
    while !waiting.is_empty() {
        // Rounded up, or the last millisecond would be spent spinning.
        let left = at_most.saturating_sub(start.elapsed()).as_micros().div_ceil(1000);
        if left == 0 {
            break;
        }
        let mut polled: Vec<PollFd<'_>> =
            waiting.iter().map(|asked| PollFd::new(asked.socket.as_fd(), PollFlags::POLLIN)).collect();
        match poll(&mut polled, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(_) => break,
        }
        let ready: Vec<bool> = polled.iter().map(|polled| polled.any().unwrap_or(true)).collect();
        let mut ready = ready.into_iter();
        waiting.retain_mut(|asked| {
            if ready.next() != Some(true) {
                return true;
            }
            let heard = asked.listen();
            if heard == Heard::All {
                told.extend(parse(&asked.answer, &asked.of.id).map(|named| (asked.of.clone(), named)));
            }
            heard == Heard::Part
        });
    }
    told
}

/// A question on a connection of its own, and what was answered so far.
struct Asked<'a> {
    of: &'a Container,
    socket: UnixStream,
    answer: Vec<u8>,
}

#[derive(PartialEq, Eq)]
enum Heard {
    Part,
    All,
    Nonsense,
}

impl<'a> Asked<'a> {
    /// Never waits: a daemon whose line is full has no time for us.
    fn about(of: &'a Container, path: &Path) -> Option<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None).ok()?;
        connect(socket.as_raw_fd(), &UnixAddr::new(path).ok()?).ok()?;
        let mut socket = UnixStream::from(socket);
        // In version 1.0 an answer comes in one piece and ends with the connection.
        let request = format!("GET /containers/{}/json HTTP/1.0\r\nHost: docker\r\n\r\n", of.id);
        socket.write_all(request.as_bytes()).ok()?;
        Some(Self { of, socket, answer: Vec::new() })
    }

    fn listen(&mut self) -> Heard {
        let mut part = [0; 16 * 1024];
        match self.socket.read(&mut part) {
            Ok(0) => Heard::All,
            Ok(length) if self.answer.len() + length <= MOST => {
                self.answer.extend_from_slice(&part[..length]);
                Heard::Part
            }
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {
                Heard::Part
            }
            Ok(_) | Err(_) => Heard::Nonsense,
        }
    }
}

/// What is read of the answer; the rest of its many fields is skipped.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    name: String,
    config: Option<Config>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    labels: Option<BTreeMap<String, String>>,
}

/// The name and label in a whole HTTP answer, if it is about the container of this id.
pub(in crate::attribution) fn parse(answer: &[u8], id: &str) -> Option<Named> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = (&answer[..end], &answer[end + 4..]);
    let mut status = head.split(|byte| matches!(byte, b' ' | b'\r'));
    if !status.next()?.starts_with(b"HTTP/1.") || status.next()? != b"200" {
        return None;
    }
    let found: Inspected = serde_json::from_slice(body).ok()?;
    let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
    let label = labels.get(RESERVATION_LABEL).map(String::as_str).filter(|label| !label.is_empty());
    let named = Named::new(&found.name, label);
    (found.id == id && !named.name.is_empty()).then_some(named)
}

#[cfg(test)]
mod tests;

//! The launcher's side of a helper: sends requests, hears lines until a moment, and gets rid of it without ever waiting
//! for it. Knows nothing of what the lines mean.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use super::helper;
use super::wire::Line;
use crate::model::ids::Pid;
use crate::sys::helper::fork_helper;
use crate::sys::pidfd::Pidfd;
use crate::sys::signal::Signal;

const CHUNK: usize = 16 * 1024;

/// A helper that can be talked to.
#[derive(Debug)]
pub(super) struct Conversation {
    process: Process,
    socket: OwnedFd,
    /// Received and not yet handed on: at most the beginning of a line, after all whole ones were.
    heard: Vec<u8>,
}

/// What came, or why nothing did.
#[derive(Debug)]
pub(super) enum Heard {
    Line(Line),
    Silence,
    /// The helper closed its end: it has died, since it never does so by itself. With how, where that is known.
    End(String),
}

impl Conversation {
    /// Forks; see `fork_helper` for when that may be done.
    pub(super) fn begin(library: Option<PathBuf>) -> io::Result<Self> {
        let (pid, socket) = fork_helper(move |socket| helper::serve(socket, library.as_deref()))?;
        // Without pidfds (before Linux 5.3) it cannot be killed safely, and ends with its socket or with us.
        let pidfd = Pidfd::open(pid).ok();
        Ok(Self { process: Process { pid, pidfd }, socket, heard: Vec::new() })
    }

    pub(super) const fn pid(&self) -> Pid {
        self.process.pid
    }

    /// Asks for a scan. A helper that is gone or does not read is noticed when listening.
    pub(super) fn request(&self, scan: u64) {
        let line = format!("{scan}\n");
        // Neither a SIGPIPE for a dead helper nor a wait for a stuck one.
        let _ =
            send(self.socket.as_raw_fd(), line.as_bytes(), MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT);
    }

    /// The next line, if one comes before `until`.
    pub(super) fn listen(&mut self, until: Instant) -> io::Result<Heard> {
        loop {
            if let Some(line) = self.next_line()? {
                return Ok(Heard::Line(line));
            }
            if !self.is_readable(until)? {
                return Ok(Heard::Silence);
            }
            if self.receive()? == 0 {
                return Ok(Heard::End(self.process.ending()));
            }
        }
    }

    fn next_line(&mut self) -> io::Result<Option<Line>> {
        let Some(end) = self.heard.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
        let line: Vec<u8> = self.heard.drain(..=end).collect();
        Ok(Some(serde_json::from_slice(&line)?))
    }

    fn is_readable(&self, until: Instant) -> io::Result<bool> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // Rounded up: a wait of 0 ms for half a millisecond would be a busy loop.
            let wait = PollTimeout::try_from(left.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], wait) {
                Ok(ready) => return Ok(ready > 0),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn receive(&mut self) -> io::Result<usize> {
        let start = self.heard.len();
        self.heard.resize(start + CHUNK, 0);
        let got = match recv(self.socket.as_raw_fd(), &mut self.heard[start..], MsgFlags::empty()) {
            // It died with something of ours unread: the end all the same.
            Err(Errno::ECONNRESET) => Ok(0),
            got => got,
        };
        self.heard.truncate(start + *got.as_ref().unwrap_or(&0));
        Ok(got?)
    }

    /// Lets the helper go: it ends when it sees its socket closed.
    pub(super) fn end(self) -> Process {
        self.process
    }

    /// Kills a helper that does not answer. If it is stuck in the driver even that has no effect until it comes back.
    pub(super) fn abandon(self) -> Process {
        if let Some(pidfd) = &self.process.pidfd {
            // ESRCH: it has ended.
            let _ = pidfd.send(Signal::KILL);
        }
        self.process
    }
}

/// What becomes readable when the helper says something.
impl AsFd for Conversation {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A helper as a child of ours that is to be reaped sometime.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    pidfd: Option<Pidfd>,
}

impl Process {
    pub(super) const fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it is gone, by now or by `until`, and reaped.
    pub(super) fn is_gone(&self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        if let Some(pidfd) = &self.pidfd {
            let wait = PollTimeout::try_from(left.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX);
            // Cut short by a signal it is only looked at earlier.
            let _ = poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], wait);
        }
        !matches!(self.reap(), Ok(WaitStatus::StillAlive))
    }

    /// Never waits. ECHILD: somebody else reaped it, as the supervisor of a command does.
    fn reap(&self) -> nix::Result<WaitStatus> {
        waitpid(nix::unistd::Pid::from_raw(self.pid.0), Some(WaitPidFlag::WNOHANG))
    }

    fn ending(&self) -> String {
        match self.reap() {
            Ok(WaitStatus::Signaled(_, signal, _)) => format!("killed by {signal}"),
            Ok(WaitStatus::Exited(_, status)) => format!("ended with status {status}"),
            // It is not quite a zombie yet, or was reaped by somebody else.
            _ => "ended".to_owned(),
        }
    }
}

//! Standard output and standard error as file descriptors: whole writes, what kind of file they are, and what a
//! failure means. Nothing here panics, whatever the other side does.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::line::Colour;

/// Whether a write reached its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Done,
    /// The reader went away (`chg status | head -1`, a closed terminal): not a failure, but nothing more need be said.
    Closed,
}

/// One of the two ways out.
pub(super) struct Stream {
    fd: Box<dyn AsFd + Send + Sync>,
    /// As it was at the start: a terminal that hung up no longer answers the question.
    pub(super) terminal: bool,
    pub(super) colour: Colour,
}

impl Stream {
    pub(super) fn stdout(wish: Wish) -> Self {
        let stdout = std::io::stdout();
        let colour = wish.decide(|| choice(&stdout));
        Self { terminal: stdout.is_terminal(), colour, fd: Box::new(stdout) }
    }

    pub(super) fn stderr(wish: Wish) -> Self {
        let stderr = std::io::stderr();
        let colour = wish.decide(|| choice(&stderr));
        Self { terminal: stderr.is_terminal(), colour, fd: Box::new(stderr) }
    }

    /// Any other file, without colour.
    #[cfg(test)]
    pub(super) fn on(fd: std::os::fd::OwnedFd) -> Self {
        Self { terminal: fd.is_terminal(), colour: Colour::Never, fd: Box::new(fd) }
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// What write(2) said, but for a reader that went away.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<Delivery, Errno> {
        match self.write_whole(bytes) {
            Ok(()) => Ok(Delivery::Done),
            Err(Errno::EPIPE) => Ok(Delivery::Closed),
            // From a terminal this is a hangup; from a file, a broken disk.
            Err(Errno::EIO) if self.terminal => Ok(Delivery::Closed),
            Err(errno) => Err(errno),
        }
    }

    /// Whether a few lines can be written within this time without waiting for a reader: a pipe nobody reads and a
    /// terminal stopped with Ctrl-S take nothing. What has hung up takes it, and loses it.
    pub(super) fn takes_lines(&self, patience: PollTimeout) -> bool {
        poll(&mut [PollFd::new(self.fd.as_fd(), PollFlags::POLLOUT)], patience).is_ok_and(|ready| ready > 0)
    }

    /// Whether whoever read this has gone.
    pub(super) fn is_closed(&self) -> bool {
        let mut polled = [PollFd::new(self.fd.as_fd(), PollFlags::empty())];
        let _ = poll(&mut polled, PollTimeout::ZERO);
        polled[0].revents().is_some_and(|events| events.intersects(PollFlags::POLLERR | PollFlags::POLLHUP))
    }

    fn write_whole(&self, mut rest: &[u8]) -> Result<(), Errno> {
        while !rest.is_empty() {
            match nix::unistd::write(self.fd.as_fd(), rest) {
                Ok(0) => return Err(Errno::EIO),
                Ok(written) => rest = &rest[written..],
                Err(Errno::EINTR) => {}
                // Whoever shares this file made it non-blocking; the flag is theirs, so wait instead.
                Err(Errno::EAGAIN) => self.wait_for_room()?,
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn wait_for_room(&self) -> Result<(), Errno> {
        let mut asked = [PollFd::new(self.fd.as_fd(), PollFlags::POLLOUT)];
        match poll(&mut asked, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Columns and rows, where it is a terminal that tells.
    pub(super) fn size(&self) -> Option<crate::sys::winsize::Size> {
        if self.terminal { crate::sys::winsize::of(self.fd.as_fd()) } else { None }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("terminal", &self.terminal)
            .field("colour", &self.colour)
            .finish_non_exhaustive()
    }
}

/// What the environment and the kind of file suggest. On a terminal that knows no control sequences the variable CI is no
/// reason to send some, as it is to anstream; only CLICOLOR_FORCE is.
fn choice(stream: &impl RawStream) -> ColorChoice {
    let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|force| force != "0");
    match AutoStream::choice(stream) {
        _ if stream.is_terminal() && terminal_is_dumb() && !forced => ColorChoice::Never,
        choice => choice,
    }
}

/// Whether TERM names a terminal that knows no control sequences.
pub(super) fn terminal_is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// What the user said about colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Wish {
    /// As the environment and the kind of file suggest (NO_COLOR, CLICOLOR, CLICOLOR_FORCE, TERM).
    #[default]
    Auto,
    /// `--no-color`.
    Never,
}

impl Wish {
    fn decide(self, auto: impl FnOnce() -> ColorChoice) -> Colour {
        match self {
            Self::Never => Colour::Never,
            Self::Auto if auto() == ColorChoice::Never => Colour::Never,
            Self::Auto => Colour::Always,
        }
    }
}

//! The only writer to stdout and stderr. Stdout carries a verb's answer, and its failures are failures; stderr
//! carries what the launcher says, and its failures are nobody's business.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::poll::PollTimeout;
use serde::Serialize;

use super::grid::Room;
use super::json::to_json;
use super::line::{Colour, Line, Tone};
use super::stream::{Delivery, Stream, Wish, terminal_is_dumb};

/// Whether the launcher tells what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Talk {
    #[default]
    Normal,
    /// `--quiet`: warnings and errors only.
    Quiet,
}

/// An answer that could not be given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    #[error("cannot write to standard output: {}", .0.desc())]
    Write(Errno),
    #[error("cannot write the answer as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Both ways out.
#[derive(Debug)]
pub(crate) struct Out {
    stdout: Stream,
    stderr: Stream,
    talk: Talk,
    /// Whether the cursor stands behind a live line on stderr.
    live: AtomicBool,
}

impl Out {
    pub(crate) fn new(wish: Wish, talk: Talk) -> Self {
        Self::over(Stream::stdout(wish), Stream::stderr(wish), talk)
    }

    pub(super) fn over(stdout: Stream, stderr: Stream, talk: Talk) -> Self {
        Self { stdout, stderr, talk, live: AtomicBool::new(false) }
    }

    /// Answers on stdout, a line each, in one write.
    ///
    /// # Errors
    /// When stdout takes no more (a full disk); a reader that went away is no error.
    pub(crate) fn print(&self, lines: &[Line]) -> Result<Delivery, OutputError> {
        self.print_text(&with_ends(lines, self.stdout.colour))
    }

    /// Answers on stdout in JSON.
    ///
    /// # Errors
    /// As [`Self::print`].
    pub(crate) fn print_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<Delivery, OutputError> {
        let mut text = to_json(value)?;
        text.push('\n');
        self.print_text(&text)
    }

    /// Writes `text` to stdout as it is: help, manual pages, shell code. Never what other users wrote.
    ///
    /// # Errors
    /// As [`Self::print`].
    pub(crate) fn print_text(&self, text: &str) -> Result<Delivery, OutputError> {
        self.erase_live();
        self.stdout.write(text.as_bytes()).map_err(OutputError::Write)
    }

    /// Writes a text of ours with ANSI styles (help) to stdout, without them where colour is not wanted.
    ///
    /// # Errors
    /// As [`Self::print`].
    pub(crate) fn print_styled(&self, text: &str) -> Result<Delivery, OutputError> {
        match self.stdout.colour {
            Colour::Always => self.print_text(text),
            Colour::Never => self.print_text(&anstream::adapter::strip_str(text).to_string()),
        }
    }

    /// What the launcher does: `chg: …` on stderr, unless it is to be quiet.
    pub(crate) fn say(&self, message: Line) {
        if self.talk == Talk::Normal {
            self.tell(&[said(message)]);
        }
    }

    /// Whether stderr takes what is said. To be asked where more depends on going on than on being heard.
    pub(crate) fn is_heard(&self) -> bool {
        const PATIENCE: u16 = 1000;
        self.stderr.takes_lines(PollTimeout::from(PATIENCE))
    }

    /// `chg: warning: …` on stderr, with the next step below it.
    pub(crate) fn warn(&self, message: &str, hint: Option<&str>) {
        let warning = Line::of(Tone::Warn, "warning").with(Tone::Plain, ": ").with(Tone::Plain, message);
        self.tell(&with_hint(said(warning), hint));
    }

    /// `error: …` on stderr, with the next step below it.
    pub(crate) fn error(&self, message: &str, hint: Option<&str>) {
        let error = Line::of(Tone::Bad, "error").with(Tone::Plain, ": ").with(Tone::Plain, message);
        self.tell(&with_hint(error, hint));
    }

    /// A line on stderr that an answer is typed behind.
    pub(super) fn prompt(&self, line: Line) {
        self.erase_live();
        let _ = self.stderr.write(line.render(self.stderr.colour).as_bytes());
    }

    /// Rewrites the one live line on stderr. Only for a terminal.
    pub(super) fn show_live(&self, line: Line) {
        let line = match self.stderr.size() {
            // The last column stays free: a cursor behind it would wrap on some terminals.
            Some(size) => line.clipped(usize::from(size.columns).saturating_sub(1)),
            None => line.clipped(79),
        };
        self.live.store(true, Ordering::Relaxed);
        // Written before it is cleared to the end, so that it does not flicker.
        let text = format!("\r{}\x1b[K", line.render(self.stderr.colour));
        let _ = self.stderr.write(text.as_bytes());
    }

    /// Takes the live line away, if there is one.
    pub(super) fn erase_live(&self) {
        if self.live.swap(false, Ordering::Relaxed) {
            let _ = self.stderr.write(b"\r\x1b[K");
        }
    }

    /// Whether a person reads stdout on a terminal.
    pub(crate) const fn stdout_is_terminal(&self) -> bool {
        self.stdout.terminal
    }

    /// How wide what is printed may be: as the terminal, if it goes to one.
    pub(crate) fn room(&self) -> Room {
        Room::of(self.stdout.size().map(|size| usize::from(size.columns)))
    }

    pub(crate) const fn talk(&self) -> Talk {
        self.talk
    }

    /// Whether a person reads stderr on a terminal that can rewrite a line.
    pub(super) fn stderr_is_live(&self) -> bool {
        self.stderr.terminal && !terminal_is_dumb()
    }

    pub(super) const fn stdout(&self) -> &Stream {
        &self.stdout
    }

    fn tell(&self, lines: &[Line]) {
        self.erase_live();
        let _ = self.stderr.write(with_ends(lines, self.stderr.colour).as_bytes());
    }
}

fn said(message: Line) -> Line {
    let mut line = Line::of(Tone::Dim, "chg:").with(Tone::Plain, " ");
    line.append(message);
    line
}

fn with_hint(line: Line, hint: Option<&str>) -> Vec<Line> {
    let hint = hint.map(|hint| Line::of(Tone::Good, "hint").with(Tone::Plain, ": ").with(Tone::Plain, hint));
    std::iter::once(line).chain(hint).collect()
}

fn with_ends(lines: &[Line], colour: Colour) -> String {
    lines.iter().map(|line| line.render(colour) + "\n").collect()
}

/// Where tracing writes: stderr, in silence about failures.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LogWriter;

impl std::io::Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = Stream::stderr(Wish::Never).write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! A question to the person at the terminal.

use std::io::{BufRead, IsTerminal, stdin};

use super::line::{Line, Tone};
use super::out::Out;

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    /// Nobody is there to be asked.
    Nobody,
}

impl Out {
    /// Asks `question`, to be answered with yes or no; anything but yes is no.
    pub(crate) fn ask(&self, question: &str) -> Answer {
        let stdin = stdin();
        if !stdin.is_terminal() || !self.stderr_is_live() {
            return Answer::Nobody;
        }
        self.prompt(Line::of(Tone::Strong, question).with(Tone::Plain, " [y/N] "));
        let mut line = String::new();
        match stdin.lock().read_line(&mut line) {
            Ok(_) if matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes") => Answer::Yes,
            _ => Answer::No,
        }
    }
}

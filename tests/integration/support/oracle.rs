//! The bare command as the judge: what `chg -- X` does must be what `X` does.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use super::{CHG, beside};

/// How a command is run: as it is, or by way of the program under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Bare,
    Supervised,
}

pub(crate) const BOTH: [Way; 2] = [Way::Bare, Way::Supervised];

impl Way {
    /// What stands before a command in a script; the program itself is `$CHG` there.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Bare => "",
            Self::Supervised => "\"$CHG\" --",
        }
    }

    pub(crate) fn command<S: AsRef<str>>(self, words: &[S]) -> Command {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let words = match self {
            Self::Bare => words,
            Self::Supervised => [CHG, "--"].into_iter().chain(words).collect(),
        };
        let mut command = beside(words[0]);
        command.args(&words[1..]);
        command
    }

    /// Runs a script of this shell in which `$RUN` stands before the command.
    pub(crate) fn script(self, shell: &str, text: &str) -> Command {
        let mut command = beside(shell);
        command.args(["-c", &text.replace("$RUN", self.prefix())]);
        command
    }
}

/// What a caller sees of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
}

pub(crate) fn see(command: &mut Command) -> Seen {
    let Output { status, stdout, .. } = command.stdin(Stdio::null()).output().unwrap();
    Seen {
        code: status.code(),
        signal: status.signal(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
    }
}

/// Runs the script both ways; they must look the same. Returns what they looked like.
pub(crate) fn same_either_way(shell: &str, text: &str) -> Seen {
    let [bare, supervised] = BOTH.map(|way| see(&mut way.script(shell, text)));
    assert_eq!(supervised, bare, "{text}");
    bare
}

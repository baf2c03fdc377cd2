//! Scenes at the keyboard of a shell, played with the bare command and with the program in between. What is recorded of
//! them must be equal: what the shell and the command print, what becomes of them, and how they leave the terminal.

use std::path::PathBuf;
use std::process::Command;

use super::oracle::{BOTH, Way};
use super::process::{descendants_of, in_foreground, name, state};
use super::pty::{CTRL_Z, Pty};
use super::wait::{wait_for, wait_until};
use super::{beside, skip};
use crate::support::executable;

/// An interactive shell with job control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shell {
    Bash,
    Dash,
    Zsh,
}

pub(crate) const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Dash, Shell::Zsh];

impl Shell {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Dash => "dash",
            Self::Zsh => "zsh",
        }
    }

    /// Without files of the user's, line editing, or news that come before the next prompt.
    fn command(self) -> Command {
        let mut command = beside(self.name());
        match self {
            Self::Bash => command.args(["--norc", "--noprofile", "--noediting", "-i"]),
            Self::Dash => command.arg("-i"),
            Self::Zsh => {
                command.args(["-f", "-i", "+o", "zle", "+o", "prompt_sp", "+o", "prompt_cr", "+o", "notify"])
            }
        };
        command.env("HISTFILE", "/dev/null");
        command
    }
}

/// One performance of a scene.
pub(crate) struct Take {
    pub(crate) pty: Pty,
    pub(crate) shell: Shell,
    /// Has `run` in it, which stands before commands and looks the same in both performances.
    directory: tempfile::TempDir,
    shell_pid: i32,
    record: Vec<String>,
}

/// Plays the scene both ways in each of these shells.
pub(crate) fn plays(shells: &[Shell], scene: impl Fn(&mut Take)) {
    for shell in shells {
        if Command::new(shell.name()).args(["-c", "true"]).status().is_err() {
            skip(&format!("there is no {} here", shell.name()));
            continue;
        }
        let [bare, supervised] = BOTH.map(|way| {
            let mut take = Take::begin(*shell, way);
            scene(&mut take);
            take.ends()
        });
        assert_eq!(supervised, bare, "in {}; to the right the bare command", shell.name());
    }
}

impl Take {
    fn begin(shell: Shell, way: Way) -> Self {
        let directory = crate::support::directory();
        let program = directory.path().join("run");
        let prefix = match way {
            Way::Bare => "",
            Way::Supervised => "\"$CHG\" -q --",
        };
        executable(&program, format!("#!/bin/sh\nexec {prefix} \"$@\"\n"));
        let path = std::env::var("PATH").unwrap();
        let mut command = shell.command();
        command.env("PATH", format!("{}:{path}", directory.path().display()));
        command.env("HERE", directory.path());
        command.current_dir(directory.path());
        let mut pty = Pty::start(&command);
        pty.sees("prompt> ");
        let shell_pid = pty.leader();
        let mut take = Self { pty, shell, directory, shell_pid, record: Vec::new() };
        take.notes_terminal();
        take
    }

    /// The scene's own directory, `$HERE` in its shell.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn enters(&mut self, line: &str) {
        self.pty.enters(line);
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.pty.types(keys);
    }

    /// Waits until this appears; all up to there is recorded.
    pub(crate) fn sees(&mut self, text: &str) -> String {
        let seen = self.pty.sees(text);
        self.record.push(plain(&seen));
        seen
    }

    /// Waits until one of these appears, and records all up to there; which it was.
    pub(crate) fn sees_one_of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        let (which, seen) = self.pty.sees_one_of(texts);
        self.record.push(plain(&seen));
        which
    }

    /// Waits until this appears, on a screen that is painted in no order to be foreseen.
    pub(crate) fn glimpses(&mut self, text: &str) {
        self.pty.sees(text);
    }

    /// Waits for the shell's prompt, and records what came before it.
    pub(crate) fn is_prompted(&mut self) -> String {
        self.sees("prompt> ")
    }

    /// The status that the shell has of the last command.
    pub(crate) fn status(&mut self) -> i32 {
        self.enters("echo status $?");
        self.glimpses("status ");
        let status = self.pty.sees("\n").trim().parse().unwrap();
        self.record.push(format!("status {status}"));
        self.is_prompted();
        status
    }

    /// Presses Ctrl-Z, and records what the shell says of it.
    pub(crate) fn suspends(&mut self) {
        self.types(CTRL_Z);
        self.is_prompted();
        self.job_stops();
        self.notes_terminal();
    }

    /// Presses keys when all that runs below the shell sleeps. A program that has painted its screen and does not read
    /// yet may miss a signal, or throw keys away.
    pub(crate) fn presses(&mut self, keys: &str) {
        wait_until("the program to read", || {
            let job = descendants_of(self.shell_pid);
            !job.is_empty() && job.iter().all(|pid| matches!(state(*pid), Some('S' | 'T' | 'Z') | None))
        });
        self.types(keys);
    }

    /// Presses Ctrl-Z in front of a painted screen, and waits until that is left behind.
    pub(crate) fn suspends_screen(&mut self) {
        self.presses(CTRL_Z);
        self.glimpses("prompt> ");
        self.job_stops();
        self.enters("echo all stopped");
        self.glimpses("all stopped\r\n");
        self.is_prompted();
        self.notes_terminal();
    }

    /// Asks for the list of jobs until this is in it; records the list.
    pub(crate) fn lists(&mut self, text: &str) {
        let list = wait_for(&format!("{text:?} among the jobs"), || {
            self.pty.enters("jobs; echo listed");
            let list = self.pty.sees("listed\r\n");
            self.pty.sees("prompt> ");
            list.contains(text).then_some(list)
        });
        self.record.push(plain(&list));
    }

    /// Waits until all that runs below the shell has stopped: what the shell says from here on, it can know. All but
    /// the one that listens to the keyboard for the launcher, and does not print.
    pub(crate) fn job_stops(&mut self) {
        wait_until("the job to stop", || {
            let mut job = descendants_of(self.shell_pid);
            job.retain(|pid| name(*pid) != "chg (keyboard)");
            !job.is_empty() && job.iter().all(|pid| matches!(state(*pid), Some('T' | 'Z')))
        });
    }

    /// Records the modes of the terminal, and whether the shell has the foreground.
    pub(crate) fn notes_terminal(&mut self) {
        let modes = self.pty.stty(&["-g"]);
        let front = in_foreground(self.shell_pid);
        self.record.push(format!("modes {}, the shell is in front: {front}", modes.trim()));
    }

    pub(crate) fn notes(&mut self, what: impl Into<String>) {
        self.record.push(what.into());
    }

    fn ends(mut self) -> Vec<String> {
        self.notes_terminal();
        self.enters("exit 0");
        self.pty.ends_with(0);
        self.record
    }
}

/// Without what no two performances have in common: numbers of processes, and blanks at ends of lines.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut digits = String::new();
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        plain.push_str(if digits.len() > 2 { "N" } else { &digits });
        digits.clear();
        plain.push(letter);
    }
    plain.trim_end().to_owned()
}

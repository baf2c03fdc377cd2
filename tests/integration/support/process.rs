//! Processes of a scene: what they print, how they end, and that they end with the scene.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::wait::{PATIENCE, wait_for, wait_until};

/// A process whose lines are read as they come. Killed with the scene.
pub(crate) struct Actor {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Actor {
    /// Starts it with pipes on 0 and 1; the other end of 0 is held until [`Actor::hang_up`].
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let lines = read_lines(child.stdout.take().unwrap());
        Self { child, stdin, lines, seen: Vec::new() }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// The next line it prints.
    pub(crate) fn line(&mut self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|_| panic!("no further line after {:?}", self.seen));
        self.seen.push(line.clone());
        line
    }

    /// The number at the end of the next line.
    pub(crate) fn number(&mut self) -> i32 {
        let line = self.line();
        line.rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("no number in {line:?}"))
    }

    /// Every line up to the end of its output.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => rest.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return rest,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("its output never ended: {rest:?}"),
            }
        }
    }

    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
    }

    /// End of file on its standard input.
    pub(crate) fn hang_up(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn signal(&self, signal: &str) {
        send(self.pid(), signal);
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn ends(&mut self) -> ExitStatus {
        let what = format!("the end of process {}, which said {:?}", self.pid(), self.seen);
        wait_for(&what, || self.child.try_wait().unwrap())
    }

    pub(crate) fn ends_with(&mut self, code: i32) {
        assert_eq!(self.ends().code(), Some(code), "after {:?}", self.seen);
    }

    pub(crate) fn dies_of(&mut self, signal: i32) {
        assert_eq!(self.ends().signal(), Some(signal), "after {:?}", self.seen);
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Sends by name or number; real-time signals have only the latter. To a group if negative.
pub(crate) fn send(pid: i32, signal: &str) {
    assert!(pid.abs() > 1, "0, 1 and -1 mean others than a process or a group");
    let status =
        Command::new("bash").args(["-c", "kill -$1 -- $2", "bash", signal, &pid.to_string()]).status();
    assert!(status.unwrap().success(), "no process {pid} to send {signal} to");
}

/// The number that somebody writes into a file, once it is there as a whole line.
pub(crate) fn number_in(path: &Path) -> i32 {
    wait_for(&format!("a number in {}", path.display()), || {
        fs::read_to_string(path).ok()?.strip_suffix('\n')?.parse().ok()
    })
}

/// The letter of /proc/PID/stat; `None` for a process that is gone.
pub(crate) fn state(pid: i32) -> Option<char> {
    fields(pid)?[0].chars().next()
}

/// Fields of /proc/PID/stat from the third on, which is `[0]`; none for a process that is gone.
fn fields(pid: i32) -> Option<Vec<String>> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let after = stat.iter().rposition(|byte| *byte == b')')? + 2;
    let text = String::from_utf8_lossy(&stat[after..]).into_owned();
    Some(text.split_ascii_whitespace().map(str::to_owned).collect())
}

/// The name that it goes by in ps.
pub(crate) fn name(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// Whether its group is in the foreground of its terminal (pgrp and tpgid of proc(5)).
pub(crate) fn in_foreground(pid: i32) -> bool {
    fields(pid).is_some_and(|fields| fields[2] == fields[5])
}

/// Everybody below, at this moment.
pub(crate) fn descendants_of(pid: i32) -> Vec<i32> {
    let children = children_of(pid);
    let below: Vec<i32> = children.iter().flat_map(|child| descendants_of(*child)).collect();
    [children, below].concat()
}

fn children_of(pid: i32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_ascii_whitespace().map(|child| child.parse().unwrap()).collect()
}

/// Whether it runs, sleeps or is stopped, but is no zombie.
pub(crate) fn lives(pid: i32) -> bool {
    state(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

pub(crate) fn await_end_of(pid: i32) {
    wait_until(&format!("the end of process {pid}"), || !lives(pid));
}

pub(crate) fn await_state(pid: i32, wanted: char) {
    wait_until(&format!("state {wanted} of process {pid}"), || state(pid) == Some(wanted));
}

/// A process that the program shall leave alone, so that the scene has to end it.
pub(crate) struct Stray(pub(crate) i32);

impl Drop for Stray {
    fn drop(&mut self) {
        if self.0 > 1 && lives(self.0) {
            let _ = Command::new("kill").args(["-KILL", &self.0.to_string()]).status();
        }
    }
}

/// How often a process, in all its threads, has gone to sleep.
pub(crate) fn voluntary_switches(pid: i32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let switches = |status: String| {
        let line =
            status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:").map(str::trim));
        line.unwrap().parse::<u64>().unwrap()
    };
    tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok()).map(switches).sum()
}

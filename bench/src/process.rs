//! Processes: started with nothing inherited, waited for, watched through /proc, and ended by number.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::{Result, clock};

/// Runs a command to its end without looking at what it says; how long that took, in milliseconds.
pub fn timed(command: &mut Command) -> Result<(f64, ExitStatus)> {
    quiet(command);
    let from = clock::nanos();
    let status = command.status()?;
    Ok((clock::ms(from, clock::nanos()), status))
}

pub fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

/// What a command prints; an error if it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}: {}", output.status, said.trim()).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Tries until `done` or the time is up.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        if Instant::now() > deadline {
            return Err(format!("waited 20 s in vain: {what}").into());
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(())
}

/// A child that is ended with us.
#[derive(Debug)]
pub struct Running(pub Child);

impl Running {
    pub fn start(command: &mut Command) -> Result<Self> {
        let started = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        Ok(Self(started))
    }

    pub fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }

    pub fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.0.wait()?)
    }

    /// Waits for a line on its stderr with `word` in it.
    pub fn said(&mut self, word: &str) -> Result<BufReader<ChildStderr>> {
        let mut lines = BufReader::new(self.0.stderr.take().ok_or("stderr is not a pipe")?);
        let (mut line, mut all) = (String::new(), String::new());
        while lines.read_line(&mut line)? > 0 {
            if line.contains(word) {
                return Ok(lines);
            }
            all.push_str(&std::mem::take(&mut line));
        }
        Err(format!("it ended without saying '{word}': {all}").into())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            signal(self.pid(), libc::SIGTERM);
            for _ in 0..400 {
                if !matches!(self.0.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            children_of(self.pid()).into_iter().for_each(|child| signal(child, libc::SIGKILL));
            signal(self.pid(), libc::SIGKILL);
            let _ = self.0.wait();
        }
    }
}

/// Sends a signal; one that is gone does not mind.
pub fn signal(pid: i32, signal: i32) {
    // SAFETY: kill reads nothing of ours.
    unsafe { libc::kill(pid, signal) };
}

pub fn children_of(pid: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// When a process was started, in the kernel's ticks; `None` if it is gone or a zombie.
pub fn started(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// A number of kilobytes, or a count, from one of a process's files in /proc.
pub fn figure(pid: i32, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// How often the threads of a process went to sleep by themselves.
pub fn naps(pid: i32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let ids = tasks.filter_map(|task| task.file_name().to_str()?.parse::<i32>().ok());
    ids.filter_map(|task| figure(task, "status", "voluntary_ctxt_switches")).sum()
}

//! Command lines of processes. To read one the kernel takes a lock of the process's memory, which a process that hangs in
//! a driver may hold for good; so they are read in a thread, and such a one stays untold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::ids::Pid;
use crate::sys::patience::{NoAnswer, answers_within};

use super::proc_dir::Proc;
use super::stat::Stat;

/// How long one of them may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Those that were not answered for, by number and start: each has cost a thread already.
static HUNG: Mutex<BTreeSet<(Pid, u64)>> = Mutex::new(BTreeSet::new());

/// The command lines of these processes, which are named by number and start. Those that cannot be read are left out.
pub(super) fn command_lines(proc: Proc, of: BTreeMap<Pid, u64>) -> BTreeMap<Pid, Vec<String>> {
    let mut hung = HUNG.lock().unwrap_or_else(PoisonError::into_inner);
    let asked: Vec<(Pid, u64)> = of.into_iter().filter(|process| !hung.contains(process)).collect();
    let questions = asked.iter().map(|(pid, start)| (proc, *pid, *start)).collect();
    let answers = answers_within(PATIENCE, questions, |(proc, pid, start)| read(*proc, *pid, *start));
    let mut lines = BTreeMap::new();
    for (process, answer) in asked.into_iter().zip(answers) {
        match answer {
            Ok(line) => lines.extend(line.map(|line| (process.0, line))),
            Err(NoAnswer::Hung) => drop(hung.insert(process)),
            Err(NoAnswer::NotAsked) => {}
        }
    }
    lines
}

fn read(proc: Proc, pid: Pid, start: u64) -> Option<Vec<String>> {
    let dir = proc.open(pid).ok()?;
    let is_meant = Stat::parse(&dir.read("stat").ok()?)?.start == start;
    let text = dir.read("cmdline").ok().filter(|_| is_meant)?;
    Some(words_in(&text))
}

/// The text of /proc/PID/cmdline. Programs that write their title over it leave zero bytes at its end.
pub(super) fn words_in(text: &[u8]) -> Vec<String> {
    let end = text.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    if end == 0 {
        return Vec::new();
    }
    text[..end].split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

//! Command lines of processes. To read one the kernel takes a lock of the process's memory, which a process that hangs in
//! a driver may hold for good; so they are read in a thread, and such a one stays untold.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::ids::Pid;
use crate::sys::patience::answers_within;

use super::proc_dir::Proc;
use super::stat::Stat;

/// How long one of them may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// The command lines of these processes, which are named by number and start. Those that cannot be read are left out.
pub(super) fn command_lines(proc: Proc, of: BTreeMap<Pid, u64>) -> BTreeMap<Pid, Vec<String>> {
    let questions: Vec<_> = of.into_iter().map(|(pid, start)| (proc, pid, start)).collect();
    let pids: Vec<Pid> = questions.iter().map(|(_, pid, _)| *pid).collect();
    let lines = answers_within(PATIENCE, questions, |(proc, pid, start)| read(*proc, *pid, *start));
    pids.into_iter().zip(lines).filter_map(|(pid, line)| Some((pid, line??))).collect()
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

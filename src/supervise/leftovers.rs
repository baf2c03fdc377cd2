//! The processes below us, read from /proc: descendants only, never anybody else's business.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use nix::errno::Errno;

use crate::model::ids::Pid;
use crate::sys::pidfd::Pidfd;
use crate::sys::process::{is_empty, own_pid};
use crate::sys::signal::{Recipient, Signal, send};

/// One process as its stat line shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) pid: Pid,
    /// The kernel's name for it, chosen by the process itself: escape it before showing it.
    pub(super) name: String,
    pub(super) parent: Pid,
    pub(super) group: Pid,
    pub(super) session: Pid,
    /// In clock ticks since boot: with the number it names the process.
    pub(super) start: u64,
    pub(super) life: Life,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Alive,
    /// Ended, and waiting for its parent to notice.
    Zombie,
}

/// Our children by the kernel's own list. It is exact: only we take a child off it. `None` where the kernel does not
/// keep one (CONFIG_PROC_CHILDREN).
pub(super) fn children() -> Option<BTreeSet<Pid>> {
    let lists: Vec<String> = fs::read_dir("/proc/self/task")
        .ok()?
        .flatten()
        // A thread that has just ended has left its children to another.
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .collect();
    let pids = |list: &String| -> Vec<Pid> {
        list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid).collect()
    };
    (!lists.is_empty()).then(|| lists.iter().flat_map(pids).collect())
}

/// Every process that descends from `root`, nearest generation first; whoever descends by way of `without` is left
/// out, and so is `without` itself.
pub(super) fn descendants(root: Pid, without: &BTreeSet<Pid>) -> Vec<Task> {
    let mut by_parent: BTreeMap<Pid, Vec<Task>> = BTreeMap::new();
    for task in all_tasks() {
        by_parent.entry(task.parent).or_default().push(task);
    }
    let mut found: Vec<Task> = Vec::new();
    let mut next = by_parent.remove(&root).unwrap_or_default();
    while !next.is_empty() {
        next.retain(|task| !without.contains(&task.pid));
        let below = next.iter().filter_map(|task| by_parent.remove(&task.pid)).flatten().collect();
        found.append(&mut next);
        next = below;
    }
    found
}

/// Whether everybody in a process group descends from `root`, or nobody is in it any more.
pub(super) fn is_below(group: Pid, root: Pid) -> bool {
    let below: BTreeSet<Pid> = descendants(root, &BTreeSet::new()).iter().map(|task| task.pid).collect();
    let mut members = all_tasks().filter(|task| task.group == group).peekable();
    // /proc may hide the processes of other accounts.
    if members.peek().is_none() { is_empty(group) } else { members.all(|task| below.contains(&task.pid)) }
}

fn all_tasks() -> impl Iterator<Item = Task> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit))
        .filter_map(|entry| parse(&fs::read(entry.path().join("stat")).ok()?))
}

fn task(pid: Pid) -> Option<Task> {
    parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Whether an ancestor of ours is in another group of our session, as a shell with job control is: then the kernel does
/// not call our group orphaned, and somebody can continue it.
pub(super) fn is_watched_over() -> bool {
    let Some(own) = task(own_pid()) else { return false };
    // Bounded: what is read at different moments could form a ring.
    std::iter::successors(task(own.parent), |ancestor| task(ancestor.parent))
        .take(1000)
        .take_while(|ancestor| ancestor.session == own.session)
        .any(|ancestor| ancestor.group != own.group)
}

/// Reads a line of /proc/PID/stat (proc(5)). The name may hold anything, spaces and brackets included, so the fields
/// are counted from the *last* bracket.
fn parse(stat: &[u8]) -> Option<Task> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(&stat[..open]).ok()?.trim().parse().ok()?;
    let fields: Vec<&str> =
        std::str::from_utf8(stat.get(close + 1..)?).ok()?.split_ascii_whitespace().collect();
    // Numbered from 3, as the manual does.
    let field = |number: usize| fields.get(number - 3).copied();
    let process = |number| field(number)?.parse().ok().map(Pid);
    let threads: u64 = field(20)?.parse().ok()?;
    // A first thread that has ended shows Z while others run on.
    let life = if matches!(field(3)?, "Z" | "X") && threads <= 1 { Life::Zombie } else { Life::Alive };
    Some(Task {
        pid: Pid(pid),
        name: String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned(),
        parent: process(4)?,
        group: process(5)?,
        session: process(6)?,
        start: field(22)?.parse().ok()?,
        life,
    })
}

impl Task {
    /// Sends to this process, never to a later one that got its number.
    pub(super) fn send(&self, signal: Signal) -> Result<(), Errno> {
        let held = Pidfd::open(self.pid);
        if matches!(held, Err(Errno::ESRCH)) || task(self.pid).is_none_or(|now| now.start != self.start) {
            return Err(Errno::ESRCH);
        }
        match held {
            Ok(pidfd) => pidfd.send(signal),
            // No pidfds here (before Linux 5.3, or filtered): the check above is a moment old, and that is all.
            Err(_) => send(Recipient::Process(self.pid.0), signal),
        }
    }
}

#[cfg(test)]
mod tests;

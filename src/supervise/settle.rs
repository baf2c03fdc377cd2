//! What happens to processes that outlive their command. Pure: who is left and who uses a reserved GPU are arguments.

use std::collections::{BTreeMap, BTreeSet};

use super::Orphans;
use super::leftovers::Task;
use crate::model::ids::Pid;

/// How the command's end looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Status 0, and nobody had asked it to end.
    Undisturbed,
    /// It failed, died by a signal or was sent INT, TERM or HUP.
    Disturbed,
    /// Time is up, or somebody who may says that it is enough.
    ToldToEnd,
}

/// Which of those that are left are meant, by session: that survives their parents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    All,
    Sessions(BTreeSet<Pid>),
}

impl Scope {
    pub(super) fn covers(&self, task: &Task) -> bool {
        match self {
            Self::All => true,
            Self::Sessions(sessions) => sessions.contains(&task.session),
        }
    }
}

#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing stands in the way of the release.
    Release,
    WaitFor(Scope),
    End(Scope),
}

/// `home` is the command's session; `on_gpu` those among `left` with work on a reserved GPU.
pub(super) fn judge(
    orphans: Orphans,
    ending: Ending,
    home: Pid,
    left: &[Task],
    on_gpu: &BTreeSet<Pid>,
) -> Verdict {
    let verdict = match (orphans, ending) {
        (Orphans::Leave, _) => return Verdict::Release,
        (Orphans::Kill, _) => Verdict::End(Scope::All),
        (Orphans::Wait, Ending::ToldToEnd) => Verdict::End(Scope::All),
        (Orphans::Wait, _) => Verdict::WaitFor(Scope::All),
        (Orphans::Auto, Ending::Disturbed | Ending::ToldToEnd) => {
            let mut sessions = sessions_on_gpu(left, on_gpu);
            sessions.insert(home);
            Verdict::End(Scope::Sessions(sessions))
        }
        (Orphans::Auto, Ending::Undisturbed) => {
            Verdict::WaitFor(Scope::Sessions(sessions_on_gpu(left, on_gpu)))
        }
    };
    match &verdict {
        Verdict::End(scope) | Verdict::WaitFor(scope) if left.iter().any(|task| scope.covers(task)) => {
            verdict
        }
        _ => Verdict::Release,
    }
}

/// Sessions with a process on a reserved GPU, and those such a process descends from: a master would only start its
/// worker anew.
fn sessions_on_gpu(left: &[Task], on_gpu: &BTreeSet<Pid>) -> BTreeSet<Pid> {
    let by_pid: BTreeMap<Pid, &Task> = left.iter().map(|task| (task.pid, task)).collect();
    let mut sessions = BTreeSet::new();
    for pid in on_gpu {
        // Bounded: parents that were read at different moments could form a ring.
        let line = std::iter::successors(by_pid.get(pid), |task| by_pid.get(&task.parent));
        sessions.extend(line.take(left.len()).map(|task| task.session));
    }
    sessions
}

#[cfg(test)]
mod tests;

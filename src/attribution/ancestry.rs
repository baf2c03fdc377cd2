//! The way up from a process to process 1.

use std::collections::BTreeMap;

use nix::unistd::getppid;

use crate::model::identity::{Here, Identity, Life};
use crate::model::ids::Pid;
use crate::model::process::Through;

use super::identity::{life, own_pid};
use super::proc_dir::Proc;
use super::stat::Stat;

/// Nobody nests deeper; a bound for a /proc that makes no sense.
const DEEPEST: usize = 128;

/// Ways up, each process read once.
#[derive(Debug)]
pub(super) struct Ancestry {
    proc: Proc,
    known: BTreeMap<Pid, Option<Stat>>,
}

impl Ancestry {
    pub(super) const fn new(proc: Proc) -> Self {
        Self { proc, known: BTreeMap::new() }
    }

    /// The parent of a process with this stat, the parent's parent and so on, as far as they are shown.
    pub(super) fn above(&mut self, process: &Stat) -> Vec<Pid> {
        let mut way = Vec::new();
        let mut at = *process;
        while at.parent.0 > 0 && way.len() < DEEPEST {
            let parent = at.parent;
            let Some(stat) = self.stat(parent) else {
                // hidepid: its number is known, what is above it is not.
                way.push(parent);
                break;
            };
            if stat.start > at.start {
                // The parent ended meanwhile, and a later process has its number.
                break;
            }
            way.push(parent);
            at = stat;
        }
        way
    }

    /// What the nearest of these ancestors that keeps sessions is.
    pub(super) fn keeper(&mut self, above: &[Pid]) -> Option<Through> {
        above.iter().find_map(|pid| self.stat(*pid)?.keeps)
    }

    /// The nearest of these ancestors, at most so many, that are below what keeps sessions: a server of sessions carries
    /// the words of the first one in it, whichever else it keeps.
    pub(super) fn within_session<'a>(&mut self, above: &'a [Pid], at_most: usize) -> &'a [Pid] {
        let near = &above[..above.len().min(at_most)];
        let keeps = |pid: &Pid| self.stat(*pid).is_some_and(|stat| stat.keeps.is_some());
        &near[..near.iter().position(keeps).unwrap_or(near.len())]
    }

    /// The one of these ancestors that watches over a container.
    pub(super) fn conmon(&mut self, above: &[Pid]) -> Option<Pid> {
        above.iter().copied().find(|pid| self.stat(*pid).is_some_and(|stat| stat.is_conmon))
    }

    /// When a process on one of these ways started.
    pub(super) fn start(&mut self, pid: Pid) -> Option<u64> {
        self.stat(pid).map(|stat| stat.start)
    }

    /// The one of these ancestors that containerd left there to be the parent of a container.
    pub(super) fn shim(&mut self, above: &[Pid]) -> Option<Pid> {
        above.iter().copied().find(|pid| self.stat(*pid).is_some_and(|stat| stat.is_shim))
    }

    fn stat(&mut self, pid: Pid) -> Option<Stat> {
        let proc = self.proc;
        *self.known.entry(pid).or_insert_with(|| proc.stat(pid))
    }
}

/// Whether this process is `process` or descends from it.
pub(crate) fn is_own_ancestor(here: &Here, process: &Identity) -> bool {
    if !here.can_examine(process) {
        return false;
    }
    let own = own_pid();
    let is_above = process.pid == own || {
        let proc = Proc::here();
        match proc.stat(own) {
            Some(stat) => Ancestry::new(proc).above(&stat).contains(&process.pid),
            None => process.pid.0 == getppid().as_raw(),
        }
    };
    is_above && life(here, process) != Life::Dead
}

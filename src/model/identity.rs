//! Which process is meant, beyond reuse of its number, and what is known of its life. Pure: the evidence is
//! gathered in attribution.

use serde::{Deserialize, Serialize};

use super::ids::Pid;

/// A process, told apart from every other one on every host that shares the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// /proc/sys/kernel/random/boot_id of the kernel it runs on.
    pub(crate) boot: String,
    /// Inode of its pid namespace: the number below means something only there.
    pub(crate) namespace: u64,
    pub(crate) pid: Pid,
    /// Start time in clock ticks since boot (field 22 of /proc/PID/stat).
    pub(crate) start: u64,
}

/// The verdict on a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Alive,
    /// Alive, but stopped by a signal (state T).
    Stopped,
    Dead,
    /// It lives in another pid namespace of this kernel: only its heartbeat speaks for it.
    Untestable,
}

/// What could be found out about a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// No process has this number (ESRCH), or its pidfd polls readable: it has ended, a zombie included.
    Gone,
    /// A process has this number and lives. Its start time and state, where /proc shows them.
    Running { start: Option<u64>, stopped: bool },
}

/// Where the judge stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Here {
    pub(crate) boot: String,
    pub(crate) pid_namespace: u64,
    pub(crate) network_namespace: u64,
}

impl Here {
    /// Whether a process with this identity can be examined from here at all.
    pub(crate) fn can_examine(&self, process: &Identity) -> bool {
        self.boot == process.boot && self.pid_namespace == process.namespace
    }

    /// The verdict on `process`; `evidence` is asked for only where it can decide.
    pub(crate) fn judge(&self, process: &Identity, evidence: impl FnOnce() -> Evidence) -> Life {
        if self.boot != process.boot {
            return Life::Dead;
        }
        if self.pid_namespace != process.namespace {
            return Life::Untestable;
        }
        match evidence() {
            Evidence::Gone => Life::Dead,
            Evidence::Running { start: Some(start), .. } if start != process.start => Life::Dead,
            Evidence::Running { stopped: true, .. } => Life::Stopped,
            Evidence::Running { stopped: false, .. } => Life::Alive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Here {
        Here { boot: "b1".into(), pid_namespace: 7, network_namespace: 9 }
    }

    fn process(boot: &str, namespace: u64) -> Identity {
        Identity { boot: boot.into(), namespace, pid: Pid(42), start: 1000 }
    }

    const fn running(start: Option<u64>) -> Evidence {
        Evidence::Running { start, stopped: false }
    }

    #[test]
    fn every_row_of_the_table_has_its_verdict() {
        let never = || -> Evidence { unreachable!("the evidence cannot decide here") };
        assert_eq!(here().judge(&process("b0", 7), never), Life::Dead, "another boot");
        assert_eq!(here().judge(&process("b1", 8), never), Life::Untestable, "another namespace");
        let mine = process("b1", 7);
        assert_eq!(here().judge(&mine, || Evidence::Gone), Life::Dead);
        assert_eq!(here().judge(&mine, || running(Some(1001))), Life::Dead, "the number was used again");
        assert_eq!(here().judge(&mine, || running(Some(1000))), Life::Alive);
        assert_eq!(here().judge(&mine, || running(None)), Life::Alive, "hidden by hidepid");
        let stopped = Evidence::Running { start: Some(1000), stopped: true };
        assert_eq!(here().judge(&mine, || stopped), Life::Stopped);
    }
}

//! What must be true, judged from what was seen. Pure, so that each rule can be shown worlds in which it is broken.

use std::time::Duration;

use crate::hold;
use crate::plan::{GRACE, Patience};

/// Not free in time; the store or the driver failed; the time that `--timeout` gave is over.
pub(crate) const BUSY: i32 = 75;
const FAILED: i32 = 125;
const TIMED_OUT: i32 = 124;
const KILLED: i32 = 128 + libc::SIGKILL;

/// What a run's command wrote down about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) started: bool,
    /// With which status it was about to end.
    pub(crate) ended: Option<i32>,
}

/// What was done to a run, and what it had to cope with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Suffered {
    /// Sent to the launcher, or by the terminal.
    pub(crate) signal: Option<i32>,
    pub(crate) launcher_killed: bool,
    pub(crate) command_killed: bool,
    pub(crate) timeout: Option<Duration>,
    /// From the start of the launcher to its end.
    pub(crate) took: Duration,
    pub(crate) patience: Patience,
    /// The store was away at some time.
    pub(crate) outage: bool,
}

/// Whether a launcher may end with `status`, as a shell counts: as the bare command would have, or as chg promises
/// where there was no command.
pub(crate) fn may_end_so(told: Told, suffered: &Suffered, status: i32) -> bool {
    let by_signal = suffered.signal.is_some_and(|signal| status == 128 + signal);
    let timed_out = status == TIMED_OUT && suffered.timeout.is_some_and(|timeout| suffered.took >= timeout);
    if status == hold::DOUBLE {
        return false;
    }
    if suffered.launcher_killed && status == KILLED {
        return true;
    }
    let out_of_grace = suffered.signal.is_some() && suffered.took >= GRACE;
    let by_kill = (suffered.command_killed || out_of_grace) && status == KILLED;
    match told {
        // Only a SIGKILL, of the grace's end too, comes between what is written and the end.
        Told { ended: Some(ended), .. } => status == ended || by_kill || timed_out,
        Told { started: true, ended: None } => by_signal || by_kill || timed_out,
        Told { started: false, ended: None } => {
            by_signal
                || timed_out
                || (status == BUSY && suffered.patience != Patience::Endless)
                || (status == FAILED && suffered.outage)
        }
    }
}

/// One GPU at one look of `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) gpu: usize,
    pub(crate) free: bool,
    /// Whose reservation is shown: the name of a run or of a manual reservation.
    pub(crate) reserved_by: Option<String>,
}

/// What is known of the one who held a GPU's lock from before that look until after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holding {
    pub(crate) name: String,
    pub(crate) record: Record,
}

/// Whether somebody who holds a GPU must have a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    Must,
    /// It may have been lost with the store's data or given up, or is in another store. Free it is not for all that.
    May,
}

/// What is known of whoever is shown to have a reservation, from before the look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Some of it lives, or may.
    Lives,
    /// Launcher, command and everything else of it were gone.
    Dead,
    /// It had been given back, and the client said so.
    Released,
}

/// What was wrong with one GPU at one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    HeldButFree { gpu: usize, name: String },
    NoRecord { gpu: usize, name: String, shown: Option<String> },
    HeldByTheDead { gpu: usize, name: String },
    CameBack { gpu: usize, name: String },
}

/// Judges one GPU at one look.
pub(crate) fn gpu(
    shown: &Shown,
    holding: Option<&Holding>,
    standing: impl Fn(&str) -> Standing,
) -> Option<Wrong> {
    let gpu = shown.gpu;
    if let Some(Holding { name, record }) = holding {
        if shown.free {
            return Some(Wrong::HeldButFree { gpu, name: name.clone() });
        }
        if *record == Record::Must && shown.reserved_by.as_ref() != Some(name) {
            let shown = shown.reserved_by.clone();
            return Some(Wrong::NoRecord { gpu, name: name.clone(), shown });
        }
    }
    let name = shown.reserved_by.clone()?;
    match standing(&name) {
        Standing::Lives => None,
        Standing::Dead => Some(Wrong::HeldByTheDead { gpu, name }),
        Standing::Released => Some(Wrong::CameBack { gpu, name }),
    }
}

/// One who stood in line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) name: String,
    /// When its command started; `None` if it never did.
    pub(crate) at: Option<i64>,
    pub(crate) killed: bool,
    /// Was stopped while the others were served.
    pub(crate) stopped: bool,
}

/// Who of a line, in the order in which they came, was served wrongly.
pub(crate) fn line(line: &[Served]) -> Option<String> {
    if let Some(never) = line.iter().find(|one| one.at.is_none() && !one.killed) {
        return Some(format!("{} stood in line and never started", never.name));
    }
    let turn = |stopped: bool| line.iter().filter(move |one| one.stopped == stopped && !one.killed);
    let starts: Vec<Option<i64>> = turn(false).chain(turn(true)).map(|one| one.at).collect();
    (!starts.is_sorted()).then(|| format!("served out of order: {line:?}"))
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;

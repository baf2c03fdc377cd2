//! What an ended run left behind on its GPUs, and `release` ending it: processes of the caller's whose launcher is
//! dead, and the masters of such. Nobody else could: without a daemon the kernel leaves them alone.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::context::Context;
use crate::attribution;
use crate::error::Error;
use crate::model::identity::{Here, Life};
use crate::model::ids::{GpuIndex, Pid, Timestamp};
use crate::model::occupancy::{self, Claim, Judged, Occupancy, Role};
use crate::model::pool::Pool;
use crate::model::process::Process;
use crate::model::reservation::{Kind, Reservation};
use crate::sys::pidfd::Pidfd;
use crate::sys::process::own_pid;
use crate::sys::signal::{Recipient, Signal, send};

/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(10);
/// Start times are told in clock ticks since boot, and the wall clock is set now and then.
const SLACK: Duration = Duration::from_secs(1);
/// A process that SIGKILL has not ended by then hangs in the kernel.
const LAST: Duration = Duration::from_secs(5);

/// How often to look at a process whose end the kernel does not tell.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A process that outlived its launcher.
#[derive(Debug, Clone)]
pub(super) struct Survivor {
    pub(super) name: String,
    /// In clock ticks since boot.
    start: u64,
    /// From the judgement on, so that nobody who gets its number while the user is asked is taken for it. `None` where
    /// the kernel has no such descriptors.
    held: Option<Rc<Pidfd>>,
}

/// By number.
pub(super) type Survivors = BTreeMap<Pid, Survivor>;
/// The survivors on each GPU that has some.
pub(super) type Orphaned = BTreeMap<GpuIndex, Survivors>;

/// The caller's own survivors on these GPUs.
pub(super) fn on(ctx: &mut Context<'_>, gpus: &[GpuIndex]) -> Result<Orphaned, Error> {
    // Swept: only what is over makes an orphan of a worker outside of the run's tree.
    let snapshot = ctx.swept_snapshot()?;
    let pool = &snapshot.pool;
    // Without an answer from the driver the command itself can still be found.
    let _ = ctx.eyes.scan(pool);
    let verdicts =
        ctx.eyes.with_seen(pool, &BTreeMap::new(), |seen| occupancy::judge(pool, seen, snapshot.now));
    let found = gpus.iter().filter_map(|gpu| Some((*gpu, of(ctx, pool, verdicts.get(gpu)?))));
    Ok(found.filter(|(_, survivors)| !survivors.is_empty()).collect())
}

fn of(ctx: &Context<'_>, pool: &Pool, verdict: &Occupancy) -> Survivors {
    match &verdict.claim {
        Claim::Nobody { past, .. } => {
            let since = past.as_ref().map(|past| past.started);
            left_on(ctx, pool, verdict, since, |judged| matches!(judged.role, Role::Orphan { .. }))
        }
        Claim::Reserved { id, .. } => match pool.reservations.get(id).filter(|lease| is_orphaned(ctx, lease))
        {
            Some(lease) => {
                // Workers in sessions of their own whose parent is gone can no longer be told by the tree: those that
                // started under the reservation are meant as well.
                let is_its = |judged: &Judged| match judged.role {
                    Role::Holder => true,
                    Role::HolderOutside => started_since(&judged.process, lease.started),
                    _ => false,
                };
                let mut found = left_on(ctx, pool, verdict, Some(lease.started), is_its);
                let child = lease
                    .child
                    .as_ref()
                    .filter(|child| attribution::life(ctx.eyes.here(), child) != Life::Dead);
                let name = lease.command.first().cloned().unwrap_or_default();
                found.extend(
                    child.and_then(|child| Survivor::hold(ctx.eyes.here(), child.pid, child.start, name)),
                );
                found
            }
            None => Survivors::new(),
        },
        Claim::Seated(_) | Claim::Damaged { .. } => Survivors::new(),
    }
}

/// A run of the caller's own whose launcher is dead; here, where its processes can be reached.
fn is_orphaned(ctx: &Context<'_>, lease: &Reservation) -> bool {
    let here = ctx.eyes.here();
    let examined = lease.launcher.as_ref().filter(|launcher| here.can_examine(launcher));
    lease.kind == Kind::Run
        && lease.holder.uid == Some(ctx.actor.uid)
        && examined.is_some_and(|launcher| attribution::life(here, launcher) == Life::Dead)
}

/// The caller's own processes on a GPU that are meant, and their masters: those above them that started under the
/// reservation too, whatever they use. They would only start their workers anew.
fn left_on(
    ctx: &Context<'_>,
    pool: &Pool,
    verdict: &Occupancy,
    since: Option<Timestamp>,
    is_meant: impl Fn(&Judged) -> bool,
) -> Survivors {
    let is_callers = |process: &Process| process.uid == Some(ctx.actor.uid);
    let meant: Vec<&Process> = verdict
        .processes
        .iter()
        .filter(|judged| is_callers(&judged.process) && is_meant(judged))
        .map(|judged| &judged.process)
        .collect();
    let above = ctx.eyes.owners(meant.iter().flat_map(|process| process.ancestors.iter().copied()));
    // Never the shell that this is typed in.
    let own = ctx.eyes.owners([own_pid()]);
    let is_above_us = |pid: &Pid| own.values().any(|own| own.pid == *pid || own.ancestors.contains(pid));
    // Nor another run around the one that is over, which adopts what is left of it.
    let recorded = || pool.reservations.values().flat_map(|lease| lease.launcher.iter().chain(&lease.child));
    let has_a_run =
        |process: &Process| recorded().any(|of| of.pid == process.pid && Some(of.start) == process.start);
    let is_master = |process: &&Process| {
        is_callers(process)
            && !has_a_run(process)
            && since.is_some_and(|since| started_since(process, since))
            && !is_above_us(&process.pid)
    };
    let masters = meant.iter().flat_map(|process| {
        let line = process.ancestors.iter().map_while(|pid| above.get(pid));
        line.take_while(is_master)
    });
    let masters: Vec<&Process> = masters.collect();
    let hold = |process: &Process| {
        Survivor::hold(ctx.eyes.here(), process.pid, process.start?, process.name.clone())
    };
    meant.into_iter().chain(masters).filter_map(hold).collect()
}

fn started_since(process: &Process, since: Timestamp) -> bool {
    process.started.is_some_and(|started| started.after(SLACK) >= since)
}

impl Survivor {
    /// `None` if it is gone by now.
    fn hold(here: &Here, pid: Pid, start: u64, name: String) -> Option<(Pid, Self)> {
        let held = match Pidfd::open(pid) {
            Ok(process) => Some(Rc::new(process)),
            Err(Errno::ESRCH) => return None,
            Err(_) => None,
        };
        let survivor = Self { name, start, held };
        // Looked at once it is held: the descriptor means this one.
        survivor.is_still(here, pid).then_some((pid, survivor))
    }

    fn is_still(&self, here: &Here, pid: Pid) -> bool {
        attribution::identity_of(here, pid).is_some_and(|now| now.start == self.start)
    }

    fn send(&self, here: &Here, pid: Pid, signal: Signal) {
        // A failure shows in that it does not end.
        let _ = match &self.held {
            Some(process) => process.send(signal),
            None if self.is_still(here, pid) => send(Recipient::Process(pid.0), signal),
            None => return,
        };
    }

    fn has_ended(&self, here: &Here, pid: Pid) -> bool {
        let is_dead = || {
            let now = attribution::identity_of(here, pid).filter(|now| now.start == self.start);
            now.is_none_or(|now| attribution::life(here, &now) == Life::Dead)
        };
        self.held.as_ref().map_or_else(is_dead, |process| process.has_ended())
    }
}

/// Ends them: SIGTERM, a grace, SIGKILL. Returns those that are still there.
pub(super) fn end(here: &Here, survivors: &Survivors) -> Survivors {
    let mut left = survivors.clone();
    for (signal, patience) in [(Signal::TERM, GRACE), (Signal::KILL, LAST)] {
        for (pid, survivor) in &left {
            survivor.send(here, *pid, signal);
            // A stopped one cannot act on it.
            survivor.send(here, *pid, Signal::CONT);
        }
        wait_for(here, &mut left, Instant::now() + patience);
    }
    left
}

/// Waits until all have ended or the time is up; keeps those that have not.
fn wait_for(here: &Here, left: &mut Survivors, deadline: Instant) {
    loop {
        left.retain(|pid, survivor| !survivor.has_ended(here, *pid));
        let timeout = deadline.saturating_duration_since(Instant::now());
        if left.is_empty() || timeout.is_zero() {
            return;
        }
        let deaf = left.values().any(|survivor| survivor.held.is_none());
        let timeout = if deaf { timeout.min(LOOK_AGAIN) } else { timeout };
        let timeout = PollTimeout::try_from(timeout.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        let held = left.values().filter_map(|survivor| survivor.held.as_deref());
        let mut fds: Vec<PollFd<'_>> =
            held.map(|process| PollFd::new(process.as_fd(), PollFlags::POLLIN)).collect();
        // Cut short by a signal it only looks earlier.
        let _ = poll(&mut fds, timeout);
    }
}

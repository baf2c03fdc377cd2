//! What an ended run left behind on its GPUs, and `release` ending it: processes of the caller's whose launcher is
//! dead, and the masters of such. Nobody else could: without a daemon the kernel leaves them alone.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::context::Context;
use crate::attribution;
use crate::error::Error;
use crate::model::identity::Life;
use crate::model::ids::{GpuIndex, Pid, Timestamp};
use crate::model::occupancy::{self, Claim, Judged, Occupancy, Role};
use crate::model::pool::Pool;
use crate::model::process::Process;
use crate::model::reservation::{Kind, Reservation};
use crate::sys::pidfd::Pidfd;
use crate::sys::process::own_pid;
use crate::sys::signal::Signal;

/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(10);
/// Start times are told in clock ticks since boot, and the wall clock is set now and then.
const SLACK: Duration = Duration::from_secs(1);
/// A process that SIGKILL has not ended by then hangs in the kernel.
const LAST: Duration = Duration::from_secs(5);

/// Processes that outlived their launcher, by number, with their names.
pub(super) type Survivors = BTreeMap<Pid, String>;
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
            left_on(ctx, verdict, since, |judged| matches!(judged.role, Role::Orphan { .. }))
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
                let mut found = left_on(ctx, verdict, Some(lease.started), is_its);
                let child = lease
                    .child
                    .as_ref()
                    .filter(|child| attribution::life(ctx.eyes.here(), child) != Life::Dead);
                found.extend(
                    child.map(|child| (child.pid, lease.command.first().cloned().unwrap_or_default())),
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
    let is_master = |process: &&Process| {
        is_callers(process)
            && since.is_some_and(|since| started_since(process, since))
            && !is_above_us(&process.pid)
    };
    let masters = meant.iter().flat_map(|process| {
        let line = process.ancestors.iter().map_while(|pid| above.get(pid));
        line.take_while(is_master)
    });
    let masters: Vec<&Process> = masters.collect();
    meant.into_iter().chain(masters).map(|process| (process.pid, process.name.clone())).collect()
}

fn started_since(process: &Process, since: Timestamp) -> bool {
    process.started.is_some_and(|started| started.after(SLACK) >= since)
}

/// Ends them: SIGTERM, a grace, SIGKILL. Returns those that are still there.
pub(super) fn end(survivors: &Survivors) -> Survivors {
    let mut left: Vec<(Pid, &String, Pidfd)> =
        survivors.iter().filter_map(|(pid, name)| Some((*pid, name, Pidfd::open(*pid).ok()?))).collect();
    for (signal, patience) in [(Signal::TERM, GRACE), (Signal::KILL, LAST)] {
        for (_, _, process) in &left {
            let _ = process.send(signal);
            // A stopped one cannot act on it.
            let _ = process.send(Signal::CONT);
        }
        wait_for(&mut left, Instant::now() + patience);
    }
    left.into_iter().map(|(pid, name, _)| (pid, name.clone())).collect()
}

/// Waits until all have ended or the time is up; keeps those that have not.
fn wait_for(left: &mut Vec<(Pid, &String, Pidfd)>, deadline: Instant) {
    while !left.is_empty() {
        let timeout = deadline.saturating_duration_since(Instant::now());
        if timeout.is_zero() {
            return;
        }
        let timeout = PollTimeout::try_from(timeout.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        let mut fds: Vec<PollFd<'_>> =
            left.iter().map(|(_, _, process)| PollFd::new(process.as_fd(), PollFlags::POLLIN)).collect();
        let _ = poll(&mut fds, timeout);
        let ended: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        drop(fds);
        let mut ended = ended.into_iter();
        left.retain(|_| !ended.next().unwrap_or(false));
    }
}

//! Decides whose turn it is: walks the line over the GPUs that can be had. Pure; nothing that it sets aside is stored.

use std::time::Duration;

use super::identity::Life;
use super::ids::{GpuIndex, LeaseId, Timestamp};
use super::pool::Pool;
use super::reservation::Author;
use super::seen::Seen;
use super::waiter::Waiter;

mod blockers;

mod standings;
mod supply;

pub(super) use super::occupancy::judge as occupancies;
pub(super) use blockers::blockers;
pub(crate) use standings::standings;
pub(super) use supply::{Ask, Supply, Turn};

/// So many at the head of the line look every few seconds of themselves.
pub(super) const LOOKING: usize = 3;
/// One of those that has not looked for so long does not run, where its state cannot be read.
const STALE: Duration = Duration::from_secs(15);
/// A waiter whose life cannot be tested is dead after so long without a look.
const SILENT: Duration = Duration::from_secs(300);
/// The Go program's own rule for its waiters, which say that they live every 30 s.
const SILENT_GO: Duration = Duration::from_secs(120);

/// Who of the line may have GPUs now, and what is left.
#[derive(Debug)]
pub(crate) struct Plan<'j> {
    /// In order of the line. Each would be granted if it asked now.
    pub(crate) grants: Vec<(LeaseId, Vec<GpuIndex>)>,
    /// Those found dead on the way.
    pub(crate) dead: Vec<LeaseId>,
    /// What is left for those behind.
    pub(super) supply: Supply<'j>,
}

/// Plans for everybody in line: who would be granted what.
#[cfg(test)]
pub(crate) fn grants(pool: &Pool, seen: &Seen<'_>, now: Timestamp) -> Vec<(LeaseId, Vec<GpuIndex>)> {
    let judged = occupancies(pool, seen, now);
    let supply = Supply::judged(pool, &judged);
    plan_ahead(pool.waiters.len(), pool, supply, Some(seen), now).grants
}

/// Plans for those in line before `place`. The life of a waiter is asked for only where it would change something.
pub(super) fn plan_ahead<'j>(
    place: usize,
    pool: &Pool,
    supply: Supply<'j>,
    seen: Option<&Seen<'_>>,
    now: Timestamp,
) -> Plan<'j> {
    let mut plan = Plan { grants: Vec::new(), dead: Vec::new(), supply };
    for (position, waiter) in pool.waiters.iter().take(place).enumerate() {
        if plan.supply.is_exhausted() {
            break;
        }
        let turn = plan.supply.turn(pool, &Ask::of_waiter(waiter));
        if turn.gpus().is_empty() {
            continue;
        }
        match seen.map_or(Presence::Here, |seen| presence(waiter, position, seen, now)) {
            Presence::Dead => plan.dead.push(waiter.id.clone()),
            Presence::Away => {}
            Presence::Here => {
                plan.supply.take(turn.gpus(), &waiter.id);
                if let Turn::Fits(gpus) = turn {
                    plan.supply.promise(&waiter.holder, gpus.len());
                    plan.grants.push((waiter.id.clone(), gpus));
                }
            }
        }
    }
    plan
}

/// Whose bells to ring after a commit: those who would be granted now, and those who have come among the first in line
/// with it. `but` is the one whose commit it was: it has just looked.
///
/// Without a scan (`seen`) the records alone decide. A waiter's own commits must bring theirs, or two waiters for a GPU
/// that is free in the records and in use would go on ringing each other.
pub(crate) fn to_ring(
    pool: &Pool,
    seen: Option<&Seen<'_>>,
    now: Timestamp,
    but: Option<&LeaseId>,
) -> Vec<LeaseId> {
    let judged = seen.map(|seen| occupancies(pool, seen, now));
    let supply =
        judged.as_ref().map_or_else(|| Supply::recorded(pool), |judged| Supply::judged(pool, judged));
    let served = plan_ahead(pool.waiters.len(), pool, supply, seen, now).grants;
    let moved_up = |(position, waiter): (usize, &Waiter)| position < LOOKING && waiter.looked == now;
    pool.waiters
        .iter()
        .enumerate()
        .filter(|(_, waiter)| waiter.author == Author::Ours && but != Some(&waiter.id))
        .filter(|&(position, waiter)| {
            moved_up((position, waiter)) || served.iter().any(|(id, _)| *id == waiter.id)
        })
        .map(|(_, waiter)| waiter.id.clone())
        .collect()
}

/// Whether a waiter can take what it is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Here,
    /// Stopped, or out of time: passed over, and keeps its place.
    Away,
    Dead,
}

fn presence(waiter: &Waiter, position: usize, seen: &Seen<'_>, now: Timestamp) -> Presence {
    match waiter.client.as_ref().map_or(Life::Untestable, |client| (seen.life)(client)) {
        // It knows itself when to give up, whatever this clock says.
        Life::Alive => Presence::Here,
        Life::Stopped => Presence::Away,
        Life::Dead => Presence::Dead,
        Life::Untestable if waiter.is_out_of_time(now) => Presence::Away,
        Life::Untestable if is_silent(waiter, now) => Presence::Dead,
        Life::Untestable if is_stale(waiter, position, now) => Presence::Away,
        Life::Untestable => Presence::Here,
    }
}

/// Whether a waiter whose life cannot be tested has been silent for so long that it counts as dead.
pub(super) fn is_silent(waiter: &Waiter, now: Timestamp) -> bool {
    let limit = match waiter.author {
        Author::Ours => SILENT,
        Author::Go => SILENT_GO,
    };
    now.since(waiter.looked) > limit
}

fn is_stale(waiter: &Waiter, position: usize, now: Timestamp) -> bool {
    waiter.author == Author::Ours && position < LOOKING && now.since(waiter.looked) > STALE
}

/// The nearest waiter ahead of `place` whose death would be worth knowing of: one that runs, or else one that is
/// stopped. Those found dead on the way are added to `dead`.
pub(super) fn nearest_ahead(
    place: usize,
    pool: &Pool,
    seen: &Seen<'_>,
    dead: &mut Vec<LeaseId>,
) -> Option<LeaseId> {
    let mut stopped = None;
    for waiter in pool.waiters.iter().take(place).rev() {
        let Some(client) = &waiter.client else { continue };
        match (seen.life)(client) {
            Life::Alive => return Some(waiter.id.clone()),
            Life::Stopped if stopped.is_none() => stopped = Some(waiter.id.clone()),
            Life::Dead if !dead.contains(&waiter.id) => dead.push(waiter.id.clone()),
            Life::Stopped | Life::Dead | Life::Untestable => {}
        }
    }
    stopped
}

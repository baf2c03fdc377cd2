//! Clears away what is over: dead runs, expired reservations, waiters that gave up or died. Every verb begins with it.

use std::cell::OnceCell;
use std::time::Duration;

use super::{Moment, Pool};
use crate::model::identity::{Identity, Life};
use crate::model::ids::{GpuIndex, LeaseId, Timestamp};
use crate::model::occupancy::Usage;
use crate::model::plan::{is_silent, occupancies};
use crate::model::reservation::{Author, Ending, Kind, Reservation, UntilExit};
use crate::model::waiter::Waiter;

/// A run that only its heartbeat speaks for (one a minute) is dead after so long without.
const SILENT: Duration = Duration::from_secs(300);

/// What the processes of a run say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    Lives,
    /// All dead, since a boot of another day or of this one.
    Dead {
        this_boot: bool,
    },
    /// None can be tested: the heartbeat decides.
    None,
}

impl Pool {
    /// Ends what is over. The processes of `spared` are not asked for: they are the ones that act.
    pub(super) fn sweep(&mut self, spared: Option<&LeaseId>, moment: Moment<'_>) {
        let unused = Unused { pool: self, moment, found: OnceCell::new() };
        let over: Vec<_> = self
            .reservations
            .values()
            .filter_map(|held| {
                let (at, how) = ending(held, spared == Some(&held.id), &unused)?;
                Some((held.id.clone(), at, how))
            })
            .collect();
        for (id, at, how) in over {
            self.end(&id, at, how);
        }
        let lives = |waiter: &Waiter| {
            waiter.client.as_ref().is_some_and(|client| (moment.seen.life)(client) == Life::Alive)
        };
        let gone = |waiter: &Waiter| {
            (waiter.is_out_of_time(moment.now) && !lives(waiter))
                || (waiter.client.is_none() && is_silent(waiter, moment.now))
        };
        let gone: Vec<_> =
            self.waiters.iter().filter(|w| gone(w) && spared != Some(&w.id)).map(|w| w.id.clone()).collect();
        self.drop_waiters(&gone, moment.now);
    }

    /// Drops every waiter that is dead, where the others look only at those who stand in their way.
    pub(super) fn sweep_line(&mut self, moment: Moment<'_>) {
        let dead = |waiter: &&Waiter| match waiter.client.as_ref().map(|client| (moment.seen.life)(client)) {
            Some(Life::Dead) => true,
            Some(Life::Untestable) => is_silent(waiter, moment.now),
            Some(Life::Alive | Life::Stopped) | None => false,
        };
        let dead: Vec<_> = self.waiters.iter().filter(dead).map(|waiter| waiter.id.clone()).collect();
        self.drop_waiters(&dead, moment.now);
    }

    /// Takes waiters out of the line, and back what the Go program gave them in part.
    pub(super) fn drop_waiters(&mut self, ids: &[LeaseId], now: Timestamp) {
        let gone = |waiter: &Waiter| ids.contains(&waiter.id);
        let partial: Vec<_> = self
            .waiters
            .iter()
            .filter(|waiter| gone(waiter))
            .flat_map(|waiter| &waiter.allocated)
            .filter_map(|gpu| self.holding(*gpu))
            .filter(|held| held.author == Author::Go)
            .map(|held| held.id.clone())
            .collect();
        for id in partial {
            self.end(&id, now, Ending::SupervisorGone);
        }
        self.leave_line(gone, now);
    }
}

fn ending(held: &Reservation, spared: bool, unused: &Unused<'_>) -> Option<(Timestamp, Ending)> {
    let moment = unused.moment;
    match held.kind {
        Kind::Manual => match held.expiry {
            Some(expiry) if expiry <= moment.now => Some((expiry, Ending::Expired)),
            _ if adopted_are_gone(held, moment) => Some((moment.now, Ending::AdoptedExited)),
            _ => None,
        },
        Kind::Run if spared => None,
        Kind::Run => death(held, unused).map(|at| (at, Ending::SupervisorGone)),
    }
}

fn adopted_are_gone(held: &Reservation, moment: Moment<'_>) -> bool {
    held.until_exit == UntilExit::Yes
        && !held.adopted.is_empty()
        && held.adopted.iter().all(|process| (moment.seen.life)(process) == Life::Dead)
}

/// Since when a run is over, if it is.
fn death(held: &Reservation, unused: &Unused<'_>) -> Option<Timestamp> {
    let moment = unused.moment;
    match evidence(held, moment) {
        Evidence::Lives => None,
        Evidence::Dead { this_boot: true } => Some(moment.now),
        // Nobody was there to see it: its last sign of life is nearer to its end than this look may be.
        Evidence::Dead { this_boot: false } => Some(held.heartbeat.min(moment.now)),
        Evidence::None => {
            let silent = moment.now.since(held.heartbeat) > SILENT;
            (silent && unused.all_of(held)).then_some(held.heartbeat)
        }
    }
}

fn evidence(held: &Reservation, moment: Moment<'_>) -> Evidence {
    let mut untestable = held.author == Author::Go || held.launcher.is_none();
    let processes: Vec<&Identity> = held.launcher.iter().chain(&held.child).collect();
    for process in &processes {
        match (moment.seen.life)(process) {
            Life::Alive | Life::Stopped => return Evidence::Lives,
            Life::Dead => {}
            Life::Untestable => untestable = true,
        }
    }
    if untestable {
        return Evidence::None;
    }
    Evidence::Dead { this_boot: processes.iter().any(|process| process.boot == moment.seen.here.boot) }
}

/// Which GPUs are seen to be unused; judged only if some run's death hangs on it.
struct Unused<'a> {
    pool: &'a Pool,
    moment: Moment<'a>,
    found: OnceCell<Vec<GpuIndex>>,
}

impl Unused<'_> {
    fn all_of(&self, held: &Reservation) -> bool {
        let found = self.found.get_or_init(|| self.look());
        held.gpus.iter().all(|gpu| found.contains(gpu))
    }

    fn look(&self) -> Vec<GpuIndex> {
        occupancies(self.pool, self.moment.seen, self.moment.now)
            .into_values()
            .filter(|occupancy| matches!(occupancy.usage, Usage::Idle { .. }))
            .map(|occupancy| occupancy.gpu)
            // A seat is a sign of life too, of whoever sits there.
            .filter(|gpu| {
                let uuid = self.pool.slots.get(gpu).and_then(|slot| slot.uuid.as_ref());
                uuid.is_none_or(|uuid| !self.moment.seen.seats.contains_key(uuid))
            })
            .collect()
    }
}

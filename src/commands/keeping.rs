//! Joins a run's lease to the heartbeat and to the supervisor: what the one sees, what the other is told.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::eyes::Eyes;
use crate::bell::{self, Bell, Rung};
use crate::cli;
use crate::heartbeat::{self, Keeper};
use crate::model::ids::{GpuIndex, GpuUuid, Pid};
use crate::model::plan;
use crate::model::pool::{Pool, SlotState};
use crate::model::reservation::{Ended, Ending, Kind};
use crate::model::seen::{GpuSeen, Seat, Seen};
use crate::model::verb::{Outcome, Refusal, Standing, Why};
use crate::output::{self, Out};
use crate::store::{Applied, Confirmation, Witness};
use crate::supervise::{self, GpuUse, Leftover, News, Notice, OnLost, Pulse, Surroundings};
use crate::sys::memory::give_back_unused;

/// What a renewal sees: life and seats. The driver is left in peace while a command runs.
#[derive(Debug)]
pub(crate) struct Vitals(pub(crate) Eyes);

impl Witness for Vitals {
    fn observe(&mut self, pool: &Pool, decide: &mut dyn FnMut(&Seen<'_>) -> Outcome) -> Outcome {
        self.0.with_seen(pool, &BTreeMap::new(), |seen| decide(seen))
    }

    fn confirm(&mut self, _: &mut Pool, _: &mut Outcome) -> Confirmation {
        Confirmation::Commit
    }

    fn retract(&mut self) {}
}

/// Rings those whom a renewal, or the release, may serve.
pub(crate) fn ring(applied: &Applied) {
    plan::to_ring(&applied.pool, None, applied.now, None).iter().for_each(bell::ring);
    ring_the_ended(applied);
}

/// Rings the runs that this commit has ended against their will: they do not know it yet.
pub(super) fn ring_the_ended(applied: &Applied) {
    let against_its_will = |ended: &&Ended| {
        ended.reservation.kind == Kind::Run
            && matches!(ended.how, Ending::Released | Ending::Revoked { .. } | Ending::SupervisorGone)
    };
    let gpus = applied.pool.ended.iter().filter(against_its_will).flat_map(|ended| &ended.reservation.gpus);
    ring_holders(gpus.filter_map(|gpu| applied.pool.slots.get(gpu)?.uuid.as_ref()));
}

/// Rings the runs that the store does not know (any more), and whose seats stood in the way.
pub(super) fn ring_the_unrecorded(applied: &Applied) {
    let (Outcome::Waiting(Standing { blocked_by, .. }) | Outcome::Refused(Refusal::Busy { blocked_by, .. })) =
        &applied.outcome
    else {
        return;
    };
    let seats = blocked_by.iter().filter(|blocker| matches!(blocker.why, Why::Seat { .. }));
    ring_holders(seats.filter_map(|blocker| applied.pool.slots.get(&blocker.gpu)?.uuid.as_ref()));
}

/// Rings the runs that sit on these GPUs.
pub(super) fn ring_holders<'a>(gpus: impl Iterator<Item = &'a GpuUuid>) {
    gpus.for_each(bell::ring_holder);
}

/// Those of these seats that `pool` gives to nobody: their runs are not recorded, or not in this store.
pub(super) fn unrecorded<'a>(
    pool: &'a Pool,
    seats: &'a BTreeMap<GpuUuid, Seat>,
) -> impl Iterator<Item = &'a GpuUuid> {
    let is_held = |uuid: &GpuUuid| {
        pool.slots
            .values()
            .any(|slot| slot.uuid.as_ref() == Some(uuid) && matches!(slot.state, SlotState::Held(_)))
    };
    seats.keys().filter(move |uuid| !is_held(uuid))
}

/// The heartbeat's news in the supervisor's words.
fn in_words(news: heartbeat::News) -> News {
    match news {
        heartbeat::News::StoreAway { cause } => News::Warning(format!(
            "{cause}; the command goes on, and is recorded again when the store is back"
        )),
        heartbeat::News::StoreBack => {
            News::Warning("the store is back, and has the reservation again".into())
        }
        heartbeat::News::NotTaken { why, now } => {
            let why = match *why {
                Refusal::NeedsAuthority => "its record is of another user".to_owned(),
                why => output::refusal(&why, now).0,
            };
            News::Warning(format!(
                "the store does not take the reservation: {why}; the command goes on, and it is offered again every few seconds"
            ))
        }
        heartbeat::News::Lost { to: Some(holder) } => {
            News::Lost(format!("its GPUs are reserved by {} now", output::holder(&holder)))
        }
        heartbeat::News::Lost { to: None } => News::Lost("it was ended in the store".into()),
    }
}

/// What the supervisor of a command asks and says.
pub(crate) struct Around<'a> {
    out: &'a Out,
    eyes: Eyes,
    pool: Pool,
    gpus: Vec<GpuIndex>,
    /// Absent where a run has no lease of its own to renew.
    pub(crate) keeper: Option<Keeper>,
    /// Rung by whoever finds that the store does not say what the run believes.
    pub(crate) bell: Option<Bell>,
    /// When a command is likely to stay, and the memory that starting it took can be given back; `None` afterwards.
    settles: Option<Instant>,
}

/// Most of what ends soon has ended by then.
const SETTLING: Duration = Duration::from_secs(1);

impl<'a> Around<'a> {
    pub(crate) fn new(out: &'a Out, eyes: Eyes, pool: Pool, gpus: Vec<GpuIndex>) -> Self {
        Self { out, eyes, pool, gpus, keeper: None, bell: None, settles: Some(Instant::now() + SETTLING) }
    }

    fn is_ours(&self, gpu: &GpuSeen) -> bool {
        let uuid = |index| self.pool.slots.get(index).and_then(|slot| slot.uuid.as_ref());
        self.gpus.iter().any(|index| uuid(index) == Some(&gpu.device.uuid))
    }
}

impl Surroundings for Around<'_> {
    fn uses_reserved_gpu(&mut self, pids: &[Pid]) -> GpuUse {
        // A driver that does not answer proves nothing; its GPU is granted to nobody until it does.
        if let Err(error) = self.eyes.scan(&self.pool) {
            self.out.warn(&format!("cannot see who is left on the GPUs: {error}"), None);
        }
        let on_gpu = self
            .eyes
            .gpus()
            .iter()
            .filter(|gpu| self.is_ours(gpu))
            .flat_map(pids_on)
            .collect::<BTreeSet<_>>();
        let helper = self.eyes.helper();
        self.eyes.close();
        GpuUse { pids: pids.iter().copied().filter(|pid| on_gpu.contains(pid)).collect(), helper }
    }

    fn say(&mut self, notice: Notice) {
        // A reader who has gone for lunch must not keep the GPUs from being given back.
        if !self.out.is_heard() {
            return;
        }
        match notice {
            Notice::TimeIsUp => self.out.warn("time is up; ending the command", None),
            Notice::LeaseLost { why, then: OnLost::Warn } => {
                self.out
                    .warn(&format!("the reservation is lost: {why}; the command goes on without it"), None);
            }
            Notice::LeaseLost { why, then: OnLost::Terminate } => {
                self.out.warn(&format!("the reservation is lost: {why}; ending the command"), None);
            }
            Notice::Warning(text) => self.out.warn(&text, None),
            Notice::EndingLeftovers(left) => {
                self.out
                    .say(format!("ending what the command left behind: {}", listed(&left)).as_str().into());
            }
            Notice::WaitingForLeftovers(left) => {
                let text =
                    format!("waiting for {}, still on the GPUs; Ctrl-C or SIGTERM ends them", listed(&left));
                self.out.say(text.as_str().into());
            }
            Notice::CannotEnd(left) => {
                self.out.warn(&format!("cannot end {}: it belongs to another user", listed(&[left])), None);
            }
            Notice::Undying(left) => {
                let named = listed(&left);
                let message = format!("waiting for {named}, killed but not gone: it hangs in the kernel");
                let hint = "others do not get its GPU; SIGKILL ends chg itself, not what hangs";
                self.out.warn(&message, Some(hint));
            }
        }
    }

    fn pulse(&self) -> Pulse<'_> {
        let pulse = self.keeper.as_ref().map(Keeper::pulse).unwrap_or_default();
        let moment = [pulse.moment, self.settles].into_iter().flatten().min();
        Pulse { descriptors: [pulse.descriptor, self.bell.as_ref().map(AsFd::as_fd)], moment }
    }

    fn attend(&mut self) -> Vec<News> {
        if self.settles.take_if(|moment| Instant::now() >= *moment).is_some() {
            give_back_unused();
        }
        if self.bell.as_ref().is_some_and(|bell| bell.drain() == Rung::Yes)
            && let Some(keeper) = &mut self.keeper
        {
            keeper.beat_soon();
        }
        let renewing = |keeper: &Option<Keeper>| keeper.as_ref().is_some_and(Keeper::is_renewing);
        let before = renewing(&self.keeper);
        let news = self.keeper.as_mut().map(Keeper::attend).unwrap_or_default();
        if before && !renewing(&self.keeper) {
            // What a renewal took is not needed until the next, a minute from here.
            give_back_unused();
        }
        news.into_iter().map(in_words).collect()
    }

    fn resumed(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.beat_now();
        }
    }
}

fn pids_on(gpu: &GpuSeen) -> Vec<Pid> {
    gpu.reading.processes().map(|(process, _)| process.pid).collect()
}

fn listed(leftovers: &[Leftover]) -> String {
    let each = leftovers.iter().map(|left| format!("PID {} ({})", left.pid, output::escape(&left.name)));
    each.collect::<Vec<_>>().join(", ")
}

pub(super) const fn orphans(asked: cli::Orphans) -> supervise::Orphans {
    match asked {
        cli::Orphans::Auto => supervise::Orphans::Auto,
        cli::Orphans::Kill => supervise::Orphans::Kill,
        cli::Orphans::Wait => supervise::Orphans::Wait,
        cli::Orphans::Leave => supervise::Orphans::Leave,
    }
}

pub(super) const fn on_lost(asked: cli::OnLost) -> OnLost {
    match asked {
        cli::OnLost::Warn => OnLost::Warn,
        cli::OnLost::Terminate => OnLost::Terminate,
    }
}

//! Generated histories: steps that people, processes, drivers and stores take.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use proptest::sample::Index;

use super::support::*;
use crate::model::ids::{GpuIndex, LeaseId, Timestamp};
use crate::model::occupancy::{Claim, Occupancy, Role, Usage};
use crate::model::plan::{self, occupancies};
use crate::model::pool::Pool;
use crate::model::process::Process;
use crate::model::request::{Actor, Demand, InUse, OnBusy, Request};
use crate::model::reservation::{Holder, Kind, Reservation};
use crate::model::strategy::Strategy;
use crate::model::verb::{LiveRuns, Outcome, Selection, Verb};
use crate::model::waiter::Waiter;

pub(super) const GPUS: u32 = 4;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Ask { uid: u32, demand: Demand, manual: bool, waits: bool, force: bool },
    Look(Index),
    Withdraw(Index),
    Renew(Index),
    Finish(Index),
    ClaimEnded(Index),
    RenewEnded(Index),
    GiveBack { uid: u32, gpus: Option<Vec<u32>>, force: bool },
    Extend { uid: u32, gpus: Option<Vec<u32>>, minutes: u64 },
    Kill { which: Index, child: bool },
    Stop(Index),
    ContinueAll,
    Use { gpu: u32, uid: u32 },
    Leave(u32),
    Drain(u32),
    Lose(u32),
    Pass(u64),
    Sweep,
    LoseData,
}

/// A world and what its people remember.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) world: World,
    pub(super) requests: BTreeMap<LeaseId, (u32, Request)>,
    /// As it was set by the grant or by the last extension.
    pub(super) expiries: BTreeMap<LeaseId, Option<Timestamp>>,
    strategy: Strategy,
    /// What one person may hold at once.
    share: Option<NonZeroU32>,
    asked: u32,
}

impl Outcome {
    pub(super) const fn is_granted(&self) -> bool {
        matches!(self, Self::Granted(_))
    }
}

impl History {
    pub(super) fn new(strategy: Strategy, share: Option<NonZeroU32>) -> Self {
        let mut world = World::with_gpus(GPUS);
        world.pool.strategy = strategy;
        let (requests, expiries) = (BTreeMap::new(), BTreeMap::new());
        Self { world, requests, expiries, strategy, share, asked: 0 }
    }

    /// Takes one step. What a claim (or the renewal of what is over) heard, where the step was one.
    pub(super) fn step(&mut self, step: Step) -> Option<(LeaseId, Outcome)> {
        // Clocks move, so that order is never decided by ids alone.
        self.world.pass(std::time::Duration::from_millis(1));
        match step {
            Step::Ask { uid, demand, manual, waits, force } => {
                let request = self.new_request(demand, manual, waits, force);
                self.requests.insert(request.id.clone(), (uid, request.clone()));
                let id = request.id.clone();
                let outcome = self.look(&id);
                return Some((id, outcome));
            }
            Step::Look(which) => {
                let id = choose(which, self.world.pool.waiters.iter().map(|waiter| waiter.id.clone()))?;
                let acts = !self.is_stopped(&id) && !self.is_dead(&id);
                let outcome = acts.then(|| self.look(&id))?;
                return Some((id, outcome));
            }
            Step::Withdraw(which) => {
                let id = choose(which, self.requests.keys().cloned())?;
                let uid = self.requests[&id].0;
                let _ = self.world.apply(&user(uid), &Verb::Withdraw { id });
            }
            Step::Renew(which) => self.renew(which),
            Step::Finish(which) => {
                let id = choose(which, self.world.pool.reservations.keys().cloned())?;
                let uid = self.world.pool.reservations[&id].holder.uid?.0;
                let _ = self.world.finish(uid, id.as_str());
            }
            Step::ClaimEnded(which) => {
                let id = self.ended_request(which)?;
                let outcome = self.look(&id);
                return Some((id, outcome));
            }
            Step::RenewEnded(which) => {
                let ended = choose(which, self.world.ended.iter().cloned())?.reservation;
                let uid = ended.holder.uid?.0;
                let outcome = self.world.apply(&user(uid), &Verb::Renew(ended.clone()));
                return Some((ended.id, outcome));
            }
            Step::GiveBack { uid, gpus, force } => {
                let live_runs = if force { LiveRuns::End } else { LiveRuns::Spare };
                let verb = Verb::GiveBack { which: selection(gpus), live_runs };
                let _ = self.world.apply(&user(uid), &verb);
            }
            Step::Extend { uid, gpus, minutes: span } => {
                self.extend(uid, Verb::Extend { which: selection(gpus), lasts: minutes(span) });
            }
            Step::Kill { which, child } => {
                let id = choose(which, self.requests.keys().cloned())?;
                self.world.kill(id.as_str());
                if child {
                    self.world.kill(&child_of(&id));
                }
            }
            Step::Stop(which) => {
                let id = choose(which, self.requests.keys().cloned())?;
                self.world.stop(id.as_str());
            }
            Step::ContinueAll => self.world.stopped.clear(),
            Step::Use { gpu, uid } => self.world.use_gpu(gpu, uid, &format!("job{gpu}")),
            Step::Leave(gpu) => self.world.leave_gpu(gpu),
            Step::Drain(gpu) => self.world.drain(gpu),
            Step::Lose(gpu) => self.world.lose_gpu(gpu),
            Step::Pass(span) => self.world.pass(seconds(span)),
            Step::Sweep => self.world.sweep(),
            Step::LoseData => {
                self.world.pool = Pool { store_id: "s2".into(), strategy: self.strategy, ..Pool::default() };
                self.world.ended.clear();
            }
        }
        self.note_splits();
        None
    }

    /// A request looks, with all that it remembers of its place.
    pub(super) fn look(&mut self, id: &LeaseId) -> Outcome {
        let (uid, request) = self.requests[id].clone();
        let outcome = self.world.apply(&somebody(uid), &Verb::Claim(request));
        match &outcome {
            Outcome::Granted(granted) => {
                self.expiries.entry(granted.id.clone()).or_insert(granted.expiry);
            }
            Outcome::Waiting(standing) => {
                if let Some((_, request)) = self.requests.get_mut(id) {
                    request.enqueued = Some(standing.enqueued);
                }
            }
            _ => {}
        }
        outcome
    }

    /// Those in line before `id` (all of them, if it does not stand there) who could take what they are offered.
    pub(super) fn present_ahead_of(&self, id: &LeaseId) -> Vec<Waiter> {
        let line = &self.world.pool.waiters;
        let ahead = line.iter().take_while(|waiter| waiter.id != *id);
        ahead
            .filter(|w| !self.is_dead(&w.id) && !self.is_stopped(&w.id) && !self.is_over_share(w))
            .cloned()
            .collect()
    }

    /// The GPUs that `waiter` could have if it were alone, as `by` sees it.
    pub(super) fn usable_by(&self, waiter: &Waiter, by: &LeaseId) -> Vec<GpuIndex> {
        let usable = |occupancy: &Occupancy| match (&occupancy.claim, &occupancy.usage) {
            (Claim::Nobody { .. }, Usage::Idle { .. }) => true,
            (Claim::Nobody { .. }, Usage::InUse { .. }) => {
                waiter.in_use == InUse::Adopt && is_used_by(&waiter.holder, occupancy)
            }
            _ => false,
        };
        self.wanted(waiter, by, usable)
    }

    pub(super) fn releases_would_do(&self, waiter: &Waiter, by: &LeaseId) -> bool {
        let coming = |occupancy: &Occupancy| match (&occupancy.claim, &occupancy.usage) {
            (_, Usage::Unknown(_)) | (Claim::Damaged { .. }, _) => false,
            (Claim::Nobody { .. }, Usage::InUse { .. }) => {
                waiter.in_use == InUse::Adopt && is_used_by(&waiter.holder, occupancy)
            }
            // Somebody else's job would stay after the release.
            (Claim::Reserved { .. }, _) => occupancy.processes.iter().all(|p| p.role != Role::Intruder),
            _ => true,
        };
        let coming = self.wanted(waiter, by, coming).len();
        match &waiter.demand {
            Demand::Count(count) => coming >= count.get() as usize,
            Demand::Exactly(ids) => coming == ids.len(),
            Demand::AllFree => coming > 0,
        }
    }

    /// How many GPUs the person behind `holder` may still get.
    pub(super) fn left_to(&self, holder: &Holder) -> usize {
        let own = self.world.pool.reservations.values().filter(|held| held.holder.is_same_person(holder));
        let held: usize = own.map(|held| held.gpus.len()).sum();
        self.share.map_or(usize::MAX, |share| (share.get() as usize).saturating_sub(held))
    }

    fn is_over_share(&self, waiter: &Waiter) -> bool {
        let least = match &waiter.demand {
            Demand::Count(count) => count.get() as usize,
            Demand::Exactly(ids) => ids.len(),
            Demand::AllFree => 1,
        };
        least > self.left_to(&waiter.holder).saturating_sub(self.promised_before(waiter))
    }

    /// How many GPUs those ahead of `waiter` are about to get for the same person.
    fn promised_before(&self, waiter: &Waiter) -> usize {
        let line = &self.world.pool.waiters;
        let ahead = line.iter().take_while(|other| other.id != waiter.id);
        let own: Vec<_> = ahead.filter(|other| other.holder.is_same_person(&waiter.holder)).collect();
        if own.is_empty() || self.share.is_none() {
            return 0;
        }
        let grants = self.planned();
        let theirs = grants.iter().filter(|(id, _)| own.iter().any(|other| other.id == *id));
        theirs.map(|(_, gpus)| gpus.len()).sum()
    }

    pub(super) fn planned(&self) -> Vec<(LeaseId, Vec<GpuIndex>)> {
        self.world.looking(None, |seen, now| plan::grants(&self.world.pool, seen, now))
    }

    fn wanted(&self, waiter: &Waiter, by: &LeaseId, fits: impl Fn(&Occupancy) -> bool) -> Vec<GpuIndex> {
        let judged = self.world.looking(Some(by), |seen, now| occupancies(&self.world.pool, seen, now));
        let named = |gpu: &GpuIndex| match &waiter.demand {
            Demand::Exactly(ids) => ids.contains(gpu),
            Demand::Count(_) | Demand::AllFree => true,
        };
        judged.values().filter(|o| named(&o.gpu) && fits(o)).map(|o| o.gpu).collect()
    }

    fn new_request(&mut self, demand: Demand, manual: bool, waits: bool, force: bool) -> Request {
        self.asked += 1;
        let mut request = run(&format!("r{}", self.asked), demand);
        if manual {
            (request.kind, request.lasts) = (Kind::Manual, Some(minutes(u64::from(self.asked % 7 + 1) * 5)));
        }
        request.share = self.share;
        if force {
            request.in_use = InUse::Adopt;
        }
        request.on_busy = if waits {
            OnBusy::Queue { at_most: self.asked.is_multiple_of(3).then_some(minutes(30)) }
        } else {
            OnBusy::Refuse
        };
        request
    }

    /// A supervisor renews what it believes to hold; it leaves when it is told that it has lost it.
    fn renew(&mut self, which: Index) {
        let Some(id) = choose(which, self.world.seated.keys().cloned()) else { return };
        let held = self.world.pool.reservations.get(&id).cloned();
        let (uid, uuids) = self.world.seated[&id].clone();
        let gpus: Vec<_> = self.world.gpus.iter().filter(|gpu| uuids.contains(&gpu.device.uuid)).collect();
        let mut held = held.unwrap_or_else(|| Reservation {
            id: id.clone(),
            gpus: gpus.iter().map(|gpu| gpu.device.index).collect(),
            holder: somebody(uid.0).holder,
            kind: Kind::Run,
            author: crate::model::reservation::Author::Ours,
            started: self.world.now,
            heartbeat: self.world.now,
            expiry: None,
            note: None,
            command: Vec::new(),
            launcher: Some(process(id.as_str())),
            child: None,
            network_namespace: None,
            adopted: Vec::new(),
            until_exit: Default::default(),
        });
        held.child = Some(process(&child_of(&id)));
        let outcome = self.world.apply(&user(uid.0), &Verb::Renew(held));
        if let Outcome::Granted(granted) = &outcome {
            self.expiries.insert(id.clone(), granted.expiry);
        }
        if let Outcome::Lost { .. } = &outcome {
            self.world.seated.remove(&id);
        }
    }

    fn extend(&mut self, uid: u32, verb: Verb) {
        if let Outcome::Changed(changed) = self.world.apply(&user(uid), &verb) {
            self.expiries.extend(changed.into_iter().map(|held| (held.id, held.expiry)));
        }
    }

    /// A part that was split off lasts as long as the whole did, unless it was extended.
    fn note_splits(&mut self) {
        for id in self.world.pool.reservations.keys() {
            if !self.expiries.contains_key(id) {
                let whole = id.as_str().rsplit_once('/').map(|(whole, _)| LeaseId::from(whole));
                let inherited = whole.and_then(|whole| self.expiries.get(&whole).copied()).flatten();
                self.expiries.insert(id.clone(), inherited);
            }
        }
    }

    fn ended_request(&self, which: Index) -> Option<LeaseId> {
        let ended = self.world.ended.iter().map(|ended| ended.reservation.id.clone());
        choose(which, ended.filter(|id| self.requests.contains_key(id)))
    }

    fn is_dead(&self, id: &LeaseId) -> bool {
        self.world.dead.contains(&process(id.as_str()).pid)
    }

    fn is_stopped(&self, id: &LeaseId) -> bool {
        self.world.stopped.contains(&process(id.as_str()).pid)
    }
}

/// Uid 3 is a person who logged in as uid 1.
fn somebody(uid: u32) -> Actor {
    let mut actor = user(uid);
    actor.holder.login = (uid == 3).then(|| holder(1).account);
    actor
}

fn choose<T: Clone>(which: Index, from: impl Iterator<Item = T>) -> Option<T> {
    let all: Vec<T> = from.collect();
    if all.is_empty() { None } else { Some(which.get(&all).clone()) }
}

fn selection(gpus: Option<Vec<u32>>) -> Selection {
    gpus.map_or(Selection::Mine, |ids| Selection::Gpus(super::support::gpus(&ids)))
}

fn child_of(id: &LeaseId) -> String {
    format!("{id}-child")
}

/// Whether there is somebody on it, and it is this one, under the account or the login.
pub(super) fn is_used_by(holder: &Holder, occupancy: &Occupancy) -> bool {
    let processes = &occupancy.processes;
    let is_own = |process: &Process| {
        process.uid == holder.uid || (holder.login.is_some() && process.account == holder.login)
    };
    !processes.is_empty() && processes.iter().all(|judged| is_own(&judged.process))
}

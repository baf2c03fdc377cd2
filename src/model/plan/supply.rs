//! What can be had of the pool, and what a demand makes of it. Pure.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::model::ids::{GpuIndex, LeaseId};
use crate::model::occupancy::{Claim, Occupancy, Role, Usage};
use crate::model::pool::{Pool, SlotState};
use crate::model::request::{Demand, InUse, Request};
use crate::model::reservation::{Holder, UntilExit};
use crate::model::share::Share;
use crate::model::strategy::Candidate;
use crate::model::waiter::Waiter;

/// What one GPU is to those who want it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stock {
    Free,
    /// Memory is still being given back: free by itself, in a moment.
    Draining,
    /// In use without reservation: only `--force` takes it, and only from oneself.
    Used,
    /// Reserved, or somebody sits on it: free when that one ends.
    Held,
    /// Nothing that anybody releases would make it free: unknown, damaged, numbered anew, or held and used by a third.
    Out,
}

/// The pool's GPUs while the line is walked: what was taken or set aside for those ahead is not there for those behind.
#[derive(Debug)]
pub(crate) struct Supply<'j> {
    stock: BTreeMap<GpuIndex, Stock>,
    /// What the stock was judged by; none where it is by the records alone.
    judged: Option<&'j BTreeMap<GpuIndex, Occupancy>>,
    taken: BTreeMap<GpuIndex, LeaseId>,
    /// How many GPUs those ahead are about to get, by person.
    promised: Vec<(Holder, usize)>,
}

/// What somebody wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) holder: &'a Holder,
    pub(crate) demand: &'a Demand,
    pub(crate) in_use: InUse,
    pub(crate) until_exit: UntilExit,
    pub(crate) share: Option<NonZeroU32>,
    /// What it has in part already (waiters of the Go program).
    pub(crate) has: &'a [GpuIndex],
}

impl<'a> Ask<'a> {
    pub(crate) fn of_waiter(waiter: &'a Waiter) -> Self {
        Self {
            holder: &waiter.holder,
            demand: &waiter.demand,
            in_use: waiter.in_use,
            until_exit: UntilExit::No,
            share: waiter.share,
            has: &waiter.allocated,
        }
    }

    pub(crate) fn of_request(request: &'a Request, holder: &'a Holder) -> Self {
        Self {
            holder,
            demand: &request.demand,
            in_use: request.in_use,
            until_exit: request.until_exit,
            share: request.share,
            has: &[],
        }
    }

    /// Whether this GPU is one of those that would do.
    pub(crate) fn wants(&self, gpu: GpuIndex) -> bool {
        match self.demand {
            Demand::Exactly(ids) => ids.contains(&gpu),
            Demand::Count(_) | Demand::AllFree => true,
        }
    }
}

/// What a demand comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Turn {
    /// All of it can be had: these, ascending.
    Fits(Vec<GpuIndex>),
    /// Releases alone will serve it; meanwhile nobody behind may take these.
    SetsAside(Vec<GpuIndex>),
    /// Its person holds so much that it has to wait for a release of its own; nobody waits for that with it.
    OverShare(Share),
    /// Releases alone cannot serve it: it claims nothing, and waits for better days.
    Hopeless,
}

impl Turn {
    pub(crate) fn gpus(&self) -> &[GpuIndex] {
        match self {
            Self::Fits(gpus) | Self::SetsAside(gpus) => gpus,
            Self::OverShare(_) | Self::Hopeless => &[],
        }
    }

    /// What its person holds, where that stands in the way.
    pub(crate) fn over_share(self) -> Option<Share> {
        match self {
            Self::OverShare(share) => Some(share),
            Self::Fits(_) | Self::SetsAside(_) | Self::Hopeless => None,
        }
    }
}

impl<'j> Supply<'j> {
    /// By all that was seen.
    pub(crate) fn judged(pool: &Pool, judged: &'j BTreeMap<GpuIndex, Occupancy>) -> Self {
        let stock = |gpu: GpuIndex| judged.get(&gpu).map_or(Stock::Out, stock_of);
        let stock = pool.slots.keys().map(|gpu| (*gpu, stock(*gpu))).collect();
        Self { stock, judged: Some(judged), taken: BTreeMap::new(), promised: Vec::new() }
    }

    /// By the records alone, as if nobody used a GPU without reservation.
    pub(crate) fn recorded(pool: &Pool) -> Self {
        let stock = |state: &SlotState| match state {
            SlotState::Free { .. } => Stock::Free,
            SlotState::Held(_) => Stock::Held,
            SlotState::Damaged { .. } => Stock::Out,
        };
        let stock = pool.slots.iter().map(|(gpu, slot)| (*gpu, stock(&slot.state))).collect();
        Self { stock, judged: None, taken: BTreeMap::new(), promised: Vec::new() }
    }

    /// Whether there is nothing left that anybody could take.
    pub(crate) fn is_exhausted(&self) -> bool {
        let may_be_had = |(gpu, stock): (&GpuIndex, &Stock)| {
            matches!(stock, Stock::Free | Stock::Used) && !self.taken.contains_key(gpu)
        };
        !self.stock.iter().any(may_be_had)
    }

    /// Who has it, of those ahead.
    pub(crate) fn taken_by(&self, gpu: GpuIndex) -> Option<&LeaseId> {
        self.taken.get(&gpu)
    }

    pub(crate) fn take(&mut self, gpus: &[GpuIndex], by: &LeaseId) {
        self.taken.extend(gpus.iter().map(|gpu| (*gpu, by.clone())));
    }

    /// Counts what somebody ahead is about to get.
    pub(crate) fn promise(&mut self, holder: &Holder, gpus: usize) {
        self.promised.push((holder.clone(), gpus));
    }

    /// Those that `ask` could have at once, ascending.
    pub(crate) fn usable(&self, ask: &Ask<'_>) -> Vec<GpuIndex> {
        let usable = |gpu: &GpuIndex| ask.wants(*gpu) && self.is_usable(*gpu, ask);
        self.stock.keys().copied().filter(usable).collect()
    }

    /// What `ask` comes to, after those ahead have taken theirs.
    pub(crate) fn turn(&self, pool: &Pool, ask: &Ask<'_>) -> Turn {
        let usable = self.usable(ask);
        let missing = match ask.demand {
            Demand::Count(count) => (count.get() as usize).saturating_sub(ask.has.len()),
            Demand::Exactly(ids) => ids.iter().filter(|id| !ask.has.contains(id)).count(),
            Demand::AllFree => usable.len().max(1),
        };
        let share = ask.share.map(|limit| self.share(pool, ask.holder, limit));
        let missing = match (&share, ask.demand) {
            (Some(share), Demand::AllFree) => missing.min(share.left()).max(1),
            _ => missing,
        };
        if let Some(share) = share.filter(|share| missing > share.left()) {
            return Turn::OverShare(share);
        }
        if missing <= usable.len() {
            Turn::Fits(self.choose(pool, ask, usable, missing))
        } else if usable.is_empty() || self.releases_would_do(ask) {
            // With nothing to set aside there is nothing to judge; a long line is walked faster so.
            Turn::SetsAside(usable)
        } else {
            Turn::Hopeless
        }
    }

    /// The best `count` of `usable`, ascending: by the pool's strategy, and those in use only for want of others, unless
    /// it is for their jobs that they are asked for.
    fn choose(&self, pool: &Pool, ask: &Ask<'_>, mut usable: Vec<GpuIndex>, count: usize) -> Vec<GpuIndex> {
        if count < usable.len() {
            let mut ranked: Vec<_> = usable.iter().map(|gpu| candidate(pool, *gpu)).collect();
            pool.strategy.rank(&mut ranked, ask.holder);
            let wanted = if ask.until_exit == UntilExit::Yes { Stock::Used } else { Stock::Free };
            ranked.sort_by_key(|c| self.stock.get(&c.gpu) != Some(&wanted));
            usable = ranked.iter().take(count).map(|c| c.gpu).collect();
            usable.sort_unstable();
        }
        usable
    }

    fn share(&self, pool: &Pool, holder: &Holder, limit: NonZeroU32) -> Share {
        let own = self.promised.iter().filter(|(person, _)| person.is_same_person(holder));
        Share::of(pool, holder, limit, own.map(|(_, gpus)| gpus).sum())
    }

    fn is_usable(&self, gpu: GpuIndex, ask: &Ask<'_>) -> bool {
        let fit = match self.stock.get(&gpu) {
            Some(Stock::Free) => true,
            Some(Stock::Used) => self.may_adopt(gpu, ask),
            Some(Stock::Draining | Stock::Held | Stock::Out) | None => false,
        };
        fit && !self.taken.contains_key(&gpu)
    }

    /// Whether `ask` takes a GPU in use for what it is in use for. Where somebody else computes, or may, it would take
    /// the GPU from them.
    fn may_adopt(&self, gpu: GpuIndex, ask: &Ask<'_>) -> bool {
        let occupancy = self.judged.and_then(|judged| judged.get(&gpu));
        ask.in_use == InUse::Adopt
            && occupancy.is_some_and(|occupancy| occupancy.is_used_by_nobody_but(ask.holder))
    }

    /// Whether `ask` could be served if only everybody gave back what they hold.
    fn releases_would_do(&self, ask: &Ask<'_>) -> bool {
        let coming = |gpu: &GpuIndex| match self.stock.get(gpu) {
            Some(Stock::Free | Stock::Draining | Stock::Held) => true,
            Some(Stock::Used) => self.may_adopt(*gpu, ask),
            Some(Stock::Out) | None => false,
        };
        match ask.demand {
            Demand::Count(count) => {
                self.stock.keys().filter(|gpu| coming(gpu)).count() >= count.get() as usize
            }
            Demand::Exactly(ids) => ids.iter().all(coming),
            Demand::AllFree => self.stock.keys().any(coming),
        }
    }
}

fn stock_of(occupancy: &Occupancy) -> Stock {
    match (&occupancy.claim, &occupancy.usage) {
        (Claim::Damaged { .. }, _) | (_, Usage::Unknown(_)) => Stock::Out,
        (Claim::Reserved { .. }, _) if is_intruded_upon(occupancy) => Stock::Out,
        // A seat without a record is a run that this store does not know (yet): it ends as others do.
        (Claim::Reserved { .. } | Claim::Seated(_), _) => Stock::Held,
        (Claim::Nobody { .. }, Usage::Idle { .. }) => Stock::Free,
        (Claim::Nobody { .. }, Usage::Draining { .. }) => Stock::Draining,
        (Claim::Nobody { .. }, Usage::InUse { .. }) => Stock::Used,
    }
}

/// Whether it would stay in use after the release of its reservation.
fn is_intruded_upon(occupancy: &Occupancy) -> bool {
    occupancy.processes.iter().any(|judged| judged.role == Role::Intruder)
}

fn candidate(pool: &Pool, gpu: GpuIndex) -> Candidate<'_> {
    match pool.slots.get(&gpu).map(|slot| &slot.state) {
        Some(SlotState::Free { last_released, past }) => {
            Candidate { gpu, last_released: *last_released, past: past.as_ref() }
        }
        _ => Candidate { gpu, last_released: None, past: None },
    }
}

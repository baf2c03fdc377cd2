//! Takes GPUs for a request if it is its turn; otherwise it waits in line or is refused.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::{Moment, Pool};
use crate::model::identity::Identity;
use crate::model::ids::{GpuIndex, LeaseId, Timestamp};
use crate::model::occupancy::{Occupancy, Usage};
use crate::model::plan::{Ask, Supply, Turn, blockers, nearest_ahead, occupancies, plan_ahead};
use crate::model::request::{Actor, Demand, InUse, OnBusy, Request};
use crate::model::reservation::{Author, Kind, Reservation};
use crate::model::share::Share;
use crate::model::verb::{Blocker, Outcome, Refusal, Standing};
use crate::model::waiter::Waiter;

type Judged = BTreeMap<GpuIndex, Occupancy>;

/// Why a request was not granted.
struct Shortage {
    available: Vec<GpuIndex>,
    blocked_by: Vec<Blocker>,
    share: Option<Share>,
}

impl Pool {
    pub(super) fn claim(&mut self, actor: &Actor, request: &Request, moment: Moment<'_>) -> Outcome {
        if let Some(answer) = self.settled(actor, request) {
            return answer;
        }
        let possible = self.make_ready(moment.seen).and_then(|()| self.could_ever(request));
        if let Err(refusal) = possible {
            self.drop_waiters(std::slice::from_ref(&request.id), moment.now);
            return Outcome::Refused(refusal);
        }
        // Who does not wait has no place to come back to.
        let stood = request.enqueued.filter(|_| request.on_busy != OnBusy::Refuse);
        let (place, enqueued) = self.place_of(&request.id, stood, moment.now);
        let judged = occupancies(self, moment.seen, moment.now);
        if let Some(refusal) = ends_with_nothing(actor, request, &judged) {
            self.drop_waiters(std::slice::from_ref(&request.id), moment.now);
            return Outcome::Refused(refusal);
        }
        let supply = Supply::judged(self, &judged);
        let plan = plan_ahead(place, self, supply, Some(moment.seen), moment.now);
        let turn = plan.supply.turn(self, &Ask::of_request(request, &actor.holder));
        match turn {
            // Also at its last look: no wait fails while what it waits for is there (sem_timedwait(3)).
            Turn::Fits(gpus) => {
                self.drop_waiters(&plan.dead, moment.now);
                let adopted = adopted(actor, request, &gpus, &judged, moment);
                if adopted.is_empty() && request.ends_with_its_jobs() {
                    self.drop_waiters(std::slice::from_ref(&request.id), moment.now);
                    return Outcome::Refused(Refusal::NothingToAdopt { gpus });
                }
                self.grant(actor, request, gpus, adopted, moment)
            }
            turn => {
                let waiter = waiter(actor, request, enqueued, moment.now);
                let ask = Ask::of_request(request, &actor.holder);
                let shortage = Shortage {
                    available: plan.supply.usable(&ask),
                    blocked_by: blockers(self, &judged, &plan.supply, &ask),
                    share: turn.over_share(),
                };
                self.postpone(request, waiter, place, plan.dead, shortage, moment)
            }
        }
    }

    /// The answer to an id that does not ask (any more). A commit that is tried twice finds what the first try took.
    fn settled(&self, actor: &Actor, request: &Request) -> Option<Outcome> {
        if let Some(held) = self.reservations.get(&request.id) {
            return Some(if actor.owns(&held.holder) {
                Outcome::Granted(held.clone())
            } else {
                Outcome::Refused(Refusal::NeedsAuthority)
            });
        }
        if self.has_ended(&request.id) {
            return Some(Outcome::Refused(Refusal::Ended { id: request.id.clone() }));
        }
        // Ids in line are there for all to read: another account must not take the place.
        let waiter = self.waiters.iter().find(|waiter| waiter.id == request.id)?;
        (!actor.owns(&waiter.holder)).then_some(Outcome::Refused(Refusal::NeedsAuthority))
    }

    fn could_ever(&self, request: &Request) -> Result<(), Refusal> {
        let demand = &request.demand;
        let least = match demand {
            Demand::Count(count) => count.get(),
            Demand::Exactly(ids) => u32::try_from(ids.len()).unwrap_or(u32::MAX),
            Demand::AllFree => 1,
        };
        if let Some(limit) = request.share.map(NonZeroU32::get).filter(|limit| least > *limit) {
            return Err(Refusal::BeyondShare { requested: least, limit });
        }
        let pool = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        match demand {
            Demand::Count(count) if count.get() > pool => {
                Err(Refusal::TooMany { requested: count.get(), pool })
            }
            Demand::Count(_) | Demand::AllFree => Ok(()),
            Demand::Exactly(ids) => {
                let ids: Vec<_> = ids.iter().copied().filter(|id| !self.slots.contains_key(id)).collect();
                let pool = || self.slots.keys().copied().collect();
                if ids.is_empty() { Ok(()) } else { Err(Refusal::NotInPool { ids, pool: pool() }) }
            }
        }
    }

    fn grant(
        &mut self,
        actor: &Actor,
        request: &Request,
        gpus: Vec<GpuIndex>,
        adopted: Vec<Identity>,
        moment: Moment<'_>,
    ) -> Outcome {
        self.leave_line(|waiter| waiter.id == request.id, moment.now);
        let manual = request.kind == Kind::Manual;
        let reservation = Reservation {
            id: request.id.clone(),
            adopted,
            gpus,
            holder: actor.holder.clone(),
            kind: request.kind,
            author: Author::Ours,
            started: moment.now,
            heartbeat: moment.now,
            expiry: request.lasts.filter(|_| manual).map(|lasts| moment.now.after(lasts)),
            note: request.note.clone(),
            command: request.command.clone(),
            // A manual reservation outlives the client that asked for it.
            launcher: request.client.clone().filter(|_| !manual),
            child: None,
            network_namespace: request.network_namespace,
            until_exit: request.until_exit,
        };
        self.hold(reservation.clone());
        Outcome::Granted(reservation)
    }

    fn postpone(
        &mut self,
        request: &Request,
        waiter: Waiter,
        place: usize,
        mut dead: Vec<LeaseId>,
        shortage: Shortage,
        moment: Moment<'_>,
    ) -> Outcome {
        let gave_up = request.has_given_up();
        if gave_up || request.on_busy == OnBusy::Refuse {
            dead.push(request.id.clone());
            self.drop_waiters(&dead, moment.now);
            return Outcome::Refused(shortage.refusal(request, gave_up));
        }
        if let Err(refusal) = self.has_a_line() {
            return Outcome::Refused(refusal);
        }
        let behind = nearest_ahead(place, self, moment.seen, &mut dead);
        let (id, enqueued, give_up) = (waiter.id.clone(), waiter.enqueued, waiter.give_up);
        self.join_line(waiter);
        self.drop_waiters(&dead, moment.now);
        let position = self.waiters.iter().position(|other| other.id == id).map_or(0, |found| found + 1);
        let Shortage { available, blocked_by, share } = shortage;
        Outcome::Waiting(Standing { position, enqueued, give_up, available, blocked_by, share, behind })
    }
}

impl Shortage {
    fn refusal(self, request: &Request, gave_up: bool) -> Refusal {
        let Self { available, blocked_by, share } = self;
        if gave_up {
            Refusal::GaveUp { available, blocked_by, share }
        } else {
            let demand = request.demand.clone();
            Refusal::Busy { demand, in_use: request.in_use, available, blocked_by, share }
        }
    }
}

fn waiter(actor: &Actor, request: &Request, enqueued: Timestamp, now: Timestamp) -> Waiter {
    let give_up = match request.on_busy {
        OnBusy::Queue { at_most } => at_most.map(|at_most| now.after(at_most)),
        OnBusy::Refuse => None,
    };
    Waiter {
        id: request.id.clone(),
        holder: actor.holder.clone(),
        demand: request.demand.clone(),
        in_use: request.in_use,
        share: request.share,
        kind: request.kind,
        lasts: request.lasts,
        note: request.note.clone(),
        enqueued,
        looked: now,
        give_up,
        client: request.client.clone(),
        author: Author::Ours,
        allocated: Vec::new(),
    }
}

/// Whether it shall end with jobs that are nowhere to be seen: to wait would bring none.
fn ends_with_nothing(actor: &Actor, request: &Request, judged: &Judged) -> Option<Refusal> {
    let ask = Ask::of_request(request, &actor.holder);
    let wanted = || judged.values().filter(|occupancy| ask.wants(occupancy.gpu));
    let may_have_one = |occupancy: &Occupancy| {
        matches!(occupancy.usage, Usage::Unknown(_))
            || occupancy.processes.iter().any(|judged| judged.is_own_job_of(&actor.holder))
    };
    let ends_with_nothing = request.ends_with_its_jobs() && !wanted().any(may_have_one);
    ends_with_nothing
        .then(|| Refusal::NothingToAdopt { gpus: wanted().map(|occupancy| occupancy.gpu).collect() })
}

/// The actor's own processes on `gpus`, for a request that takes GPUs in use.
fn adopted(
    actor: &Actor,
    request: &Request,
    gpus: &[GpuIndex],
    judged: &Judged,
    moment: Moment<'_>,
) -> Vec<Identity> {
    if request.in_use == InUse::Avoid {
        return Vec::new();
    }
    let here = moment.seen.here;
    let processes = gpus.iter().filter_map(|gpu| judged.get(gpu)).flat_map(|occupancy| &occupancy.processes);
    let mut adopted: Vec<_> = processes
        .filter(|judged| judged.is_own_job_of(&actor.holder))
        .filter_map(|judged| {
            Some(Identity {
                boot: here.boot.clone(),
                namespace: here.pid_namespace,
                pid: judged.process.pid,
                start: judged.process.start?,
            })
        })
        .collect();
    adopted.sort();
    adopted.dedup();
    adopted
}

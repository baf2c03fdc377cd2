//! What a waiter listens to, and when it looks by itself. Pure.

use std::time::Duration;

use crate::model::identity::Identity;
use crate::model::ids::{GpuUuid, LeaseId, Pid, Timestamp};
use crate::model::pool::Pool;
use crate::model::verb::{Standing, Why};

/// Those so near the head of the line watch what blocks them, and look by themselves: a bell can be missed (another
/// network namespace, a client of the Go program). Everybody behind is rung by them.
const WATCHFUL: usize = 3;
const LOOK: Duration = Duration::from_secs(3);
/// Clients of the Go program ring no bells.
const LOOK_BESIDE_GO: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(60);
/// Memory that is being given back and processes that nobody announces are looked at from this often …
const EAGER: Duration = Duration::from_millis(10);
/// … to this often.
const PATIENT: Duration = Duration::from_secs(2);
/// How long those who are not the first leave it to the first, and to the bell, to see to the end of something.
const COURTESY: Duration = Duration::from_millis(20);

/// Something whose end may let a waiter in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    Process(Identity),
    /// A reservation, which is over only when both are. The command of a launcher that lives is its own business.
    Run {
        launcher: Option<Identity>,
        child: Option<Identity>,
    },
    /// A process that uses a GPU without reservation.
    Pid(Pid),
    Seat(GpuUuid),
}

/// What to watch: the nearest waiter ahead, and, near the head of the line, what holds the GPUs.
pub(crate) fn causes(standing: &Standing, pool: &Pool) -> Vec<Cause> {
    let ahead = standing.behind.as_ref().and_then(|id| pool.waiters.iter().find(|waiter| waiter.id == *id));
    let mut causes: Vec<Cause> =
        ahead.and_then(|waiter| waiter.client.clone()).map(Cause::Process).into_iter().collect();
    let of_lease = |id: &LeaseId| {
        let lease = pool.reservations.get(id).into_iter();
        lease.flat_map(|lease| {
            let run = Cause::Run { launcher: lease.launcher.clone(), child: lease.child.clone() };
            let is_run = lease.launcher.is_some() || lease.child.is_some();
            is_run.then_some(run).into_iter().chain(lease.adopted.iter().cloned().map(Cause::Process))
        })
    };
    // Nobody else watches those: the others in line do not wait for them.
    let own = standing.share.iter().flat_map(|share| &share.leases);
    causes.extend(own.flat_map(of_lease));
    if standing.position <= WATCHFUL && standing.share.is_none() {
        for blocker in &standing.blocked_by {
            match &blocker.why {
                Why::Reserved { id, .. } => causes.extend(of_lease(id)),
                Why::Used { by } => causes.extend(by.iter().map(|user| Cause::Pid(user.pid))),
                Why::Seat { .. } => {
                    let uuid = pool.slots.get(&blocker.gpu).and_then(|slot| slot.uuid.clone());
                    causes.extend(uuid.map(Cause::Seat));
                }
                Why::Draining | Why::SetAside { .. } | Why::Unknown(_) | Why::Damaged => {}
            }
        }
    }
    causes
}

/// How long to leave what has ended to others. `jitter` is from 0 to 1.
pub(crate) fn courtesy(standing: &Standing, jitter: f64) -> Duration {
    if standing.position <= 1 { Duration::ZERO } else { COURTESY.mul_f64(1.0 + jitter) }
}

/// How long to sleep at most. `in_vain` counts looks that changed nothing, `jitter` is from 0 to 1.
pub(crate) fn next_look(
    standing: &Standing,
    pool: &Pool,
    now: Timestamp,
    in_vain: u32,
    jitter: f64,
) -> Duration {
    let unannounced = standing.share.is_none()
        && standing.blocked_by.iter().any(|blocker| matches!(blocker.why, Why::Draining | Why::Used { .. }));
    let by_itself = match (standing.position <= WATCHFUL, unannounced) {
        (true, true) => EAGER.saturating_mul(1 << in_vain.min(12)).min(PATIENT),
        (true, false) if pool.is_shared_with_go(now) => LOOK_BESIDE_GO,
        (true, false) => LOOK,
        (false, _) => SELDOM,
    };
    let by_itself = by_itself.mul_f64(1.0 + jitter / 2.0);
    let expiries = standing.blocked_by.iter().filter_map(|blocker| match &blocker.why {
        Why::Reserved { expiry, .. } if standing.position <= WATCHFUL => *expiry,
        _ => None,
    });
    let moments = expiries.chain(standing.give_up);
    moments.map(|moment| moment.since(now)).fold(by_itself, Duration::min)
}

/// Whether nothing has changed but the time.
pub(crate) fn is_like(before: &Standing, after: &Standing) -> bool {
    before.position == after.position
        && before.available == after.available
        && before.blocked_by == after.blocked_by
        && before.share == after.share
        && before.behind == after.behind
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{GpuIndex, LeaseId};
    use crate::model::pool::{Slot, SlotState};
    use crate::model::reservation::{Holder, Kind, Past, Reservation};
    use crate::model::verb::Blocker;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn standing(position: usize, blocked_by: Vec<Why>) -> Standing {
        let blocked_by = blocked_by.into_iter().map(|why| Blocker { gpu: GpuIndex(0), why }).collect();
        Standing {
            position,
            enqueued: NOW,
            give_up: None,
            available: Vec::new(),
            blocked_by,
            share: None,
            behind: None,
        }
    }

    fn reserved(expiry: Option<Timestamp>) -> Why {
        let by = Holder { uid: None, account: "a".into(), login: None, label: None };
        Why::Reserved { id: LeaseId::from("x"), by, kind: Kind::Manual, since: NOW, expiry }
    }

    #[test]
    fn the_first_in_line_looks_at_once_and_the_others_leave_it_to_the_first() {
        assert_eq!(courtesy(&standing(1, vec![reserved(None)]), 1.0), Duration::ZERO);
        assert_eq!(courtesy(&standing(2, vec![reserved(None)]), 1.0), Duration::from_millis(40));
    }

    #[test]
    fn a_run_is_one_cause_and_what_a_reservation_adopted_are_others() {
        let process = |pid| Identity { boot: "b".into(), namespace: 1, pid: Pid(pid), start: 1 };
        let lease = Reservation {
            launcher: Some(process(10)),
            child: Some(process(11)),
            adopted: vec![process(12)],
            ..Reservation::bare("x", Holder::account(1, "a"), &[0])
        };
        let mut pool = Pool::default();
        pool.reservations.insert(lease.id.clone(), lease);
        let run = Cause::Run { launcher: Some(process(10)), child: Some(process(11)) };
        assert_eq!(causes(&standing(3, vec![reserved(None)]), &pool), [run, Cause::Process(process(12))]);
        assert_eq!(causes(&standing(4, vec![reserved(None)]), &pool), []);
    }

    #[test]
    fn draining_is_looked_at_eagerly_and_then_less_and_less() {
        let draining = standing(1, vec![Why::Draining]);
        let looks: Vec<Duration> =
            (0..10).map(|in_vain| next_look(&draining, &Pool::default(), NOW, in_vain, 0.0)).collect();
        assert_eq!(looks[0], Duration::from_millis(10));
        assert_eq!(looks[1], Duration::from_millis(20));
        assert_eq!(looks[9], Duration::from_secs(2));
    }

    #[test]
    fn a_reservation_about_to_expire_is_looked_at_when_it_does() {
        let soon = NOW.after(Duration::from_millis(700));
        assert_eq!(
            next_look(&standing(1, vec![reserved(Some(soon))]), &Pool::default(), NOW, 0, 1.0),
            Duration::from_millis(700)
        );
        let second = standing(2, vec![reserved(None)]);
        assert_eq!(next_look(&second, &Pool::default(), NOW, 5, 0.0), LOOK);
    }

    #[test]
    fn beside_clients_that_ring_no_bell_those_near_the_head_look_oftener() {
        let mut pool = Pool::default();
        let freed = |at, past| Slot { uuid: None, state: SlotState::Free { last_released: Some(at), past } };
        let second = standing(2, vec![reserved(None)]);
        let mut look = |slot, now| {
            pool.slots.insert(GpuIndex(0), slot);
            next_look(&second, &pool, now, 0, 0.0)
        };
        assert_eq!(look(freed(NOW, None), NOW), LOOK_BESIDE_GO);
        assert_eq!(look(freed(NOW, None), NOW.after(Duration::from_secs(3600))), LOOK, "long ago");
        let holder = Holder { uid: None, account: "a".into(), login: None, label: None };
        let ours = Past { id: LeaseId::from("x"), holder, started: NOW, ended: NOW };
        assert_eq!(look(freed(NOW, Some(ours)), NOW), LOOK, "one of ours");
        assert_eq!(next_look(&standing(9, vec![reserved(None)]), &pool, NOW, 0, 0.0), SELDOM);
    }

    #[test]
    fn the_end_of_the_line_sleeps_but_gives_up_in_time() {
        let mut last = standing(900, vec![reserved(Some(NOW))]);
        assert_eq!(next_look(&last, &Pool::default(), NOW, 0, 0.0), Duration::from_secs(60));
        last.give_up = Some(NOW.after(Duration::from_secs(5)));
        assert_eq!(next_look(&last, &Pool::default(), NOW, 0, 0.0), Duration::from_secs(5));
    }
}

//! What holds after every step of every history, whatever it was.

use std::num::NonZeroU32;

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use super::history::{GPUS, History, Step, is_used_by};
use super::support::*;
use crate::model::device::Provider;
use crate::model::ids::{GpuIndex, LeaseId};
use crate::model::occupancy::Usage;
use crate::model::plan::occupancies;
use crate::model::pool::{Pool, SlotState};
use crate::model::request::{Demand, InUse};
use crate::model::strategy::Strategy as Ranking;
use crate::model::verb::{Change, Outcome, PoolSize, Verb};
use crate::model::waiter::Waiter;

fn demands() -> impl Strategy<Value = Demand> {
    let ids: Vec<u32> = (0..GPUS).collect();
    prop_oneof![
        4 => (1..=GPUS).prop_map(count),
        4 => subsequence(ids, 1..=GPUS as usize).prop_map(|ids| exactly(&ids)),
        1 => Just(Demand::AllFree),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let uid = || 1..=3_u32;
    let gpu = || 0..GPUS;
    let which = any::<Index>;
    let gpus = || prop::option::of(subsequence((0..GPUS).collect::<Vec<_>>(), 1..=3));
    prop_oneof![
        8 => (uid(), demands(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.15))
            .prop_map(|(uid, demand, manual, waits, force)| Step::Ask { uid, demand, manual, waits, force }),
        6 => which().prop_map(Step::Look),
        5 => which().prop_map(Step::Finish),
        2 => which().prop_map(Step::Renew),
        1 => which().prop_map(Step::Withdraw),
        1 => which().prop_map(Step::ClaimEnded),
        1 => which().prop_map(Step::RenewEnded),
        2 => (uid(), gpus(), any::<bool>()).prop_map(|(uid, gpus, force)| Step::GiveBack { uid, gpus, force }),
        1 => (uid(), gpus(), 1..90_u64).prop_map(|(uid, gpus, minutes)| Step::Extend { uid, gpus, minutes }),
        2 => (which(), any::<bool>()).prop_map(|(which, child)| Step::Kill { which, child }),
        1 => which().prop_map(Step::Stop),
        1 => Just(Step::ContinueAll),
        1 => (gpu(), uid()).prop_map(|(gpu, uid)| Step::Use { gpu, uid }),
        2 => gpu().prop_map(Step::Leave),
        1 => gpu().prop_map(Step::Drain),
        1 => gpu().prop_map(Step::Lose),
        3 => (0..1200_u64).prop_map(Step::Pass),
        1 => Just(Step::Sweep),
        1 => prop::bool::weighted(0.3).prop_map(|really| if really { Step::LoseData } else { Step::Sweep }),
    ]
}

fn rankings() -> impl Strategy<Value = Ranking> {
    prop_oneof![Just(Ranking::Lru), Just(Ranking::Affinity)]
}

/// A host's way of ranking, its limit for one person, and what happens on it.
type Told = (Ranking, Option<NonZeroU32>, Vec<Step>);

fn histories() -> impl Strategy<Value = Told> {
    let limits = prop_oneof![2 => Just(None), 1 => (1..GPUS).prop_map(NonZeroU32::new)];
    (rankings(), limits, prop::collection::vec(steps(), 1..60))
}

fn lived((ranking, limit, steps): Told) -> History {
    let mut history = History::new(ranking, limit);
    for step in steps {
        let _ = history.step(step);
    }
    history
}

/// Lives through `steps` and holds `check` to every one of them.
fn at_every_step(
    (ranking, limit, steps): Told,
    mut check: impl FnMut(&History, &History, Option<&(LeaseId, Outcome)>) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut history = History::new(ranking, limit);
    for step in steps {
        let before = history.clone();
        let answer = history.step(step);
        check(&before, &history, answer.as_ref())?;
    }
    Ok(())
}

fn free(pool: &Pool) -> Vec<GpuIndex> {
    let is_free = |state: &SlotState| matches!(state, SlotState::Free { .. });
    pool.slots.iter().filter(|(_, slot)| is_free(&slot.state)).map(|(gpu, _)| *gpu).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn no_gpu_is_in_two_leases_nor_under_two_seats(history in histories()) {
        at_every_step(history, |_, after, _| {
            let pool = &after.world.pool;
            let mut held: Vec<_> = pool.reservations.values().flat_map(|held| held.gpus.clone()).collect();
            held.sort_unstable();
            prop_assert!(held.windows(2).all(|pair| pair[0] != pair[1]), "{held:?}");
            for (id, reservation) in &pool.reservations {
                prop_assert!(!reservation.gpus.is_empty() && reservation.gpus.is_sorted());
                let held = |gpu| pool.slots[gpu].state == SlotState::Held(id.clone());
                prop_assert!(reservation.gpus.iter().all(held));
            }
            prop_assert_eq!(held.len() + free(pool).len(), pool.slots.len());
            let mut seats: Vec<_> = after.world.seated.values().flat_map(|(_, uuids)| uuids).collect();
            seats.sort_unstable();
            prop_assert!(seats.windows(2).all(|pair| pair[0] != pair[1]), "{seats:?}");
            Ok(())
        })?;
    }

    #[test]
    fn the_line_keeps_its_order(history in histories()) {
        at_every_step(history, |before, after, _| {
            let line = &after.world.pool.waiters;
            prop_assert!(line.is_sorted_by_key(|waiter| (waiter.enqueued, &waiter.id)));
            let (old, new) = (before.world.line(), after.world.line());
            let stayed: Vec<_> = old.iter().filter(|id| new.contains(id)).collect();
            prop_assert!(new.iter().filter(|id| old.contains(id)).eq(stayed), "{old:?} became {new:?}");
            let held = &after.world.pool.reservations;
            prop_assert!(line.iter().all(|waiter| !held.contains_key(&waiter.id)));
            Ok(())
        })?;
    }

    #[test]
    fn a_grant_is_all_or_nothing(history in histories()) {
        at_every_step(history, |before, after, answer| {
            match answer {
                Some((id, Outcome::Granted(granted))) if after.requests.contains_key(id) => {
                    match &after.requests[id].1.demand {
                        _ if before.world.pool.reservations.contains_key(id) => {}
                        Demand::Count(count) => prop_assert_eq!(granted.gpus.len(), count.get() as usize),
                        Demand::Exactly(ids) => prop_assert_eq!(&granted.gpus, ids),
                        Demand::AllFree => prop_assert!(!granted.gpus.is_empty()),
                    }
                }
                Some((id, Outcome::Waiting(standing))) => {
                    prop_assert!(!after.world.pool.reservations.contains_key(id));
                    prop_assert_eq!(after.world.line()[standing.position - 1], id.as_str());
                }
                _ => {}
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_waiter_is_overtaken_for_a_gpu_it_could_have_used(history in histories()) {
        at_every_step(history, |before, after, answer| {
            let Some((id, Outcome::Granted(granted))) = answer else { return Ok(()) };
            let mut before = before.clone();
            if !after.requests.contains_key(id) || before.world.pool.reservations.contains_key(id) {
                return Ok(());
            }
            before.world.now = after.world.now;
            before.world.sweep();
            for waiter in before.present_ahead_of(id) {
                let usable = before.usable_by(&waiter, id);
                let left: Vec<_> = usable.iter().copied().filter(|gpu| !granted.gpus.contains(gpu)).collect();
                let most = before.left_to(&waiter.holder);
                let enough = match &waiter.demand {
                    _ if !before.releases_would_do(&waiter, id) => true,
                    Demand::AllFree if most < usable.len() => left.len() >= most,
                    Demand::Count(count) => {
                        let count = count.get() as usize;
                        left.len().min(count) == usable.len().min(count)
                    }
                    Demand::Exactly(_) | Demand::AllFree => left == usable,
                };
                prop_assert!(enough, "{id} took {:?} from {waiter:?}, usable {usable:?}", granted.gpus);
            }
            // Together too: those ahead get just what they would have got without this grant. (One that was hopeless may
            // hope again for a GPU in use that was taken by force, and set others aside for that.)
            if after.requests[id].1.in_use == InUse::Adopt {
                return Ok(());
            }
            let mut after = after.clone();
            let ahead: Vec<_> = before.present_ahead_of(id).into_iter().map(|waiter| waiter.id).collect();
            let without: Vec<_> = ahead.iter().map(|id| before.look(id).is_granted()).collect();
            let with: Vec<_> = ahead.iter().map(|id| after.look(id).is_granted()).collect();
            prop_assert_eq!(without, with);
            Ok(())
        })?;
    }

    #[test]
    fn nobody_is_granted_what_another_uses_or_may_use(history in histories()) {
        at_every_step(history, |before, after, answer| {
            let Some((id, Outcome::Granted(granted))) = answer else { return Ok(()) };
            let mut before = before.clone();
            before.world.now = after.world.now;
            before.world.sweep();
            if !after.requests.contains_key(id) || before.world.pool.reservations.contains_key(id) {
                return Ok(());
            }
            let judged = before.world.looking(Some(id), |seen, now| occupancies(&before.world.pool, seen, now));
            // There are none before the first claim has made the pool.
            for occupancy in granted.gpus.iter().filter_map(|gpu| judged.get(gpu)) {
                let own = after.requests[id].1.in_use == InUse::Adopt
                    && is_used_by(&granted.holder, occupancy);
                let is_idle = matches!(occupancy.usage, Usage::Idle { .. });
                prop_assert!(is_idle || own, "{id} took {occupancy:?}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn nobody_is_granted_more_than_a_person_may_hold(history in histories()) {
        at_every_step(history, |before, after, answer| {
            let Some((id, Outcome::Granted(granted))) = answer else { return Ok(()) };
            let mut before = before.clone();
            before.world.now = after.world.now;
            before.world.sweep();
            if after.requests.contains_key(id) && !before.world.pool.reservations.contains_key(id) {
                let left = before.left_to(&granted.holder);
                prop_assert!(granted.gpus.len() <= left, "{:?} with {left} left", granted.gpus);
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_gpu_is_idle_while_the_first_servable_waiter_could_have_it(history in histories()) {
        at_every_step(history, |_, after, _| {
            let mut settled = after.clone();
            settled.world.sweep();
            let rung = settled.world.to_ring(None);
            prop_assert!(settled.planned().iter().all(|(id, _)| rung.contains(id)), "{rung:?}");
            // Planned anew after each grant: a GPU in use that is taken by force gives hope to some who had none.
            while let Some((id, gpus)) = settled.planned().into_iter().next() {
                match settled.look(&id) {
                    Outcome::Granted(granted) => prop_assert_eq!(granted.gpus, gpus),
                    other => prop_assert!(false, "{id} was planned {gpus:?} and heard {other:?}"),
                }
            }
            if let Some(first) = settled.present_ahead_of(&id("nobody")).first() {
                let usable = settled.usable_by(first, &first.id);
                let served = match &first.demand {
                    Demand::Count(count) => usable.len() >= count.get() as usize,
                    Demand::Exactly(ids) => usable.len() == ids.len(),
                    Demand::AllFree => !usable.is_empty(),
                };
                prop_assert!(!served, "{first:?} could have {usable:?}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_release_after_a_grant_restores_the_free_set(history in histories(), demand in demands()) {
        let mut history = lived(history);
        let (provider, size, change) = (Provider::Nvidia, PoolSize::All, Change::Refuse);
        let there = history.world.apply(&user(4), &Verb::Initialise { provider, size, change });
        prop_assert_eq!(there, Outcome::Done);
        let (before, line) = (free(&history.world.pool), history.world.pool.waiters.clone());
        if let Outcome::Granted(granted) = history.world.claim(4, nonblock("extra", demand)) {
            let left = free(&history.world.pool);
            prop_assert!(granted.gpus.iter().all(|gpu| before.contains(gpu) && !left.contains(gpu)));
            let released = history.world.finish(4, "extra");
            prop_assert!(matches!(released, Outcome::Changed(gone) if gone == [granted]));
            prop_assert_eq!(free(&history.world.pool), before);
            let ids = |line: &[Waiter]| -> Vec<_> { line.iter().map(|w| w.id.clone()).collect() };
            let after = ids(&history.world.pool.waiters);
            prop_assert!(after.iter().all(|id| ids(&line).contains(id)));
        }
    }

    #[test]
    fn nothing_but_its_grant_and_extend_sets_the_end_of_a_lease(history in histories()) {
        at_every_step(history, |before, after, _| {
            for held in after.world.pool.reservations.values() {
                prop_assert_eq!(held.expiry, after.expiries.get(&held.id).copied().flatten(), "{}", held.id);
            }
            for over in after.world.ended.iter().skip(before.world.ended.len()) {
                prop_assert!(over.reservation.expiry.is_none_or(|expiry| over.at <= expiry), "{over:?}");
                prop_assert!(over.at >= over.reservation.started && over.at <= after.world.now);
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_release_is_never_undone(history in histories()) {
        at_every_step(history, |_, after, answer| {
            let ended = || after.world.ended.iter().map(|ended| &ended.reservation.id);
            prop_assert!(ended().all(|id| !after.world.pool.reservations.contains_key(id)));
            let mut ids: Vec<_> = ended().collect();
            ids.sort_unstable();
            prop_assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "ended twice: {ids:?}");
            if let Some((id, outcome)) = answer
                && ended().any(|ended| ended == id)
            {
                prop_assert!(!outcome.is_granted(), "{id}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_sweep_after_a_verb_finds_nothing_left_to_end(history in histories()) {
        let mut history = lived(history);
        history.world.sweep();
        let once = history.world.pool.clone();
        let nothing = history.world.apply(&user(1), &Verb::Sweep);
        prop_assert_eq!(nothing, Outcome::Done);
        prop_assert_eq!(history.world.pool, once);
    }
}

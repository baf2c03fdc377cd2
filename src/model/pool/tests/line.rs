//! Waiting in line: order, set-asides, bells, and those who stop, die or give up.

use super::support::*;
use crate::model::ids::{GpuIndex, LeaseId, Timestamp};
use crate::model::pool::SlotState;
use crate::model::request::{Demand, Request};
use crate::model::reservation::{Author, Ending, Kind};
use crate::model::verb::{Outcome, Refusal, Standing, Verb, Why};
use crate::model::waiter::Waiter;

fn why(standing: &Standing) -> Vec<(u32, &Why)> {
    standing.blocked_by.iter().map(|blocker| (blocker.gpu.0, &blocker.why)).collect()
}

/// One GPU, held by `h`.
pub(super) fn full_house() -> World {
    let mut world = World::with_gpus(1);
    world.granted(1, run("h", count(1)));
    world
}

fn withdraw(name: &str) -> Verb {
    Verb::Withdraw { id: id(name) }
}

#[test]
fn waiters_are_served_in_order() {
    let mut world = full_house();
    assert_eq!(world.waits(2, run("a", count(1))).position, 1);
    world.pass(seconds(1));
    let second = world.waits(3, run("b", count(1)));
    assert_eq!((second.position, second.behind), (2, Some(id("a"))));
    world.pass(seconds(1));
    let _ = world.finish(1, "h");
    assert_eq!(world.to_ring(None), [id("a")]);
    assert_eq!(world.waits(3, run("b", count(1))).position, 2, "not its turn yet");
    assert_eq!(world.granted(2, run("a", count(1))).gpus, gpus(&[0]));
    assert_eq!(world.line(), ["b"]);
}

#[test]
fn a_newcomer_with_nonblock_never_overtakes() {
    let mut world = full_house();
    world.waits(2, run("a", count(1)));
    let _ = world.finish(1, "h");
    let Refusal::Busy { blocked_by, available, .. } = world.refused(3, nonblock("n", count(1))) else {
        panic!("busy")
    };
    assert_eq!(blocked_by[0].why, Why::SetAside { for_holder: holder(2) });
    assert!(available.is_empty());
}

#[test]
fn a_wide_request_sets_aside_what_it_could_use_and_is_given_all_or_nothing() {
    let mut world = World::with_gpus(3);
    world.granted(1, run("h", exactly(&[0])));
    let wide = world.waits(2, run("wide", count(3)));
    assert_eq!(wide.available, gpus(&[1, 2]));
    assert_eq!(wide.blocked_by.len(), 1);
    let behind = world.waits(3, run("b", count(1)));
    assert!(behind.available.is_empty());
    assert_eq!(why(&behind)[1], (1, &Why::SetAside { for_holder: holder(2) }));
    assert_eq!(world.pool.reservations.len(), 1, "nothing is half-granted");
    let _ = world.finish(1, "h");
    assert_eq!(world.granted(2, run("wide", count(3))).gpus, gpus(&[0, 1, 2]));
}

#[test]
fn later_waiters_may_have_what_those_ahead_could_not_use() {
    let mut world = World::with_gpus(3);
    world.granted(1, run("h", exactly(&[0])));
    world.waits(2, run("a", exactly(&[0, 1])));
    assert_eq!(world.granted(3, run("b", count(1))).gpus, gpus(&[2]));
    assert_eq!(world.waits(3, run("c", count(1))).available, gpus(&[]));
}

#[test]
fn who_cannot_be_served_by_releases_alone_keeps_its_place_and_holds_up_nobody() {
    let mut world = World::with_gpus(3);
    world.use_gpu(0, 9, "squatter");
    let wide = world.waits(2, run("wide", count(3)));
    assert!(matches!(why(&wide)[..], [(0, Why::Used { .. })]));
    let exact = world.waits(3, run("exact", exactly(&[0, 1])));
    assert_eq!(exact.available, gpus(&[1]));
    assert_eq!(world.granted(4, run("b", count(1))).gpus, gpus(&[1]));
    assert_eq!(world.line(), ["wide", "exact"]);
    world.leave_gpu(0);
    assert!(matches!(world.refused(5, nonblock("n", count(1))), Refusal::Busy { .. }), "now it can");
}

#[test]
fn who_would_take_gpus_in_use_is_not_overtaken_for_them() {
    let mut world = World::with_gpus(2);
    world.granted(1, run("h", exactly(&[0])));
    world.use_gpu(1, 2, "job");
    world.waits(2, forced(manual("force", count(2), minutes(5))));
    let Refusal::Busy { .. } = world.refused(3, forced(nonblock("n", exactly(&[1])))) else { panic!("busy") };
    let _ = world.finish(1, "h");
    assert_eq!(world.to_ring(None), [id("force")]);
    assert_eq!(world.granted(2, forced(manual("force", count(2), minutes(5)))).gpus, gpus(&[0, 1]));
}

#[test]
fn the_head_of_the_line_killed_holds_up_nobody() {
    let mut world = full_house();
    world.waits(2, run("a", count(1)));
    world.waits(3, run("b", count(1)));
    world.kill("a");
    world.pass(seconds(1));
    let _ = world.finish(1, "h");
    assert_eq!(world.to_ring(None), [id("b")]);
    world.granted(3, run("b", count(1)));
    assert!(world.line().is_empty(), "the dead one was dropped on the way");
}

#[test]
fn a_stopped_waiter_is_passed_over_and_keeps_its_place() {
    let mut world = full_house();
    world.waits(2, run("a", count(1)));
    world.waits(3, run("b", count(1)));
    world.stop("a");
    let standing = world.waits(3, run("b", count(1)));
    assert_eq!((standing.position, standing.behind), (2, Some(id("a"))), "only a stopped one is ahead");
    let _ = world.finish(1, "h");
    world.granted(3, run("b", count(1)));
    assert_eq!(world.line(), ["a"]);
    world.stopped.clear();
    let _ = world.finish(3, "b");
    world.granted(2, run("a", count(1)));
}

#[test]
fn the_nearest_waiter_that_runs_is_the_one_to_watch() {
    let mut world = full_house();
    for name in ["a", "b", "c"] {
        world.waits(2, run(name, count(1)));
    }
    world.stop("b");
    assert_eq!(world.waits(2, run("c", count(1))).behind, Some(id("a")));
    world.kill("a");
    assert_eq!(world.waits(2, run("c", count(1))).behind, Some(id("b")));
    assert_eq!(world.line(), ["b", "c"]);
}

/// A waiter in another pid namespace.
fn elsewhere(name: &str) -> Request {
    let mut request = run(name, count(1));
    request.client.as_mut().expect("a client").namespace = 99;
    request
}

#[test]
fn a_waiter_whose_state_cannot_be_read_is_passed_over_when_it_no_longer_looks() {
    let mut world = full_house();
    world.waits(2, elsewhere("a"));
    world.waits(3, run("b", count(1)));
    let _ = world.finish(1, "h");
    world.pass(seconds(14));
    assert_eq!(world.to_ring(None), [id("a")]);
    world.pass(seconds(2));
    assert_eq!(world.to_ring(None), [id("b")]);
    world.granted(3, run("b", count(1)));
    assert_eq!(world.line(), ["a"]);
    world.pass(minutes(5));
    world.sweep();
    assert!(world.line().is_empty(), "silent for five minutes is dead");
}

#[test]
fn who_comes_among_the_first_has_time_to_look_and_is_rung() {
    let mut world = full_house();
    for name in ["a", "b", "c"] {
        world.waits(2, run(name, count(1)));
    }
    world.waits(3, elsewhere("d"));
    world.pass(minutes(2));
    assert_eq!(world.apply(&user(2), &withdraw("b")), Outcome::Done);
    assert_eq!(world.to_ring(Some(&id("b"))), [id("d")], "the GPU is held, but it is third now");
    assert_eq!(world.pool.waiters[2].looked, world.now);
    world.pass(seconds(1));
    assert!(world.to_ring(None).is_empty());
}

#[test]
fn without_a_scan_the_records_say_whom_to_ring() {
    let mut world = full_house();
    world.waits(2, run("a", count(1)));
    world.pass(seconds(1));
    let _ = world.finish(1, "h");
    world.use_gpu(0, 9, "squatter");
    assert!(world.to_ring(None).is_empty());
    let by_records = crate::model::plan::to_ring(&world.pool, None, world.now, None);
    assert_eq!(by_records, [id("a")]);
    assert!(crate::model::plan::to_ring(&world.pool, None, world.now, Some(&id("a"))).is_empty());
}

#[test]
fn a_store_that_lost_the_line_gives_the_places_back() {
    let mut world = full_house();
    let enqueued = world.waits(2, run("a", count(1))).enqueued;
    world.pool.waiters.clear();
    world.pass(seconds(9));
    world.waits(3, run("b", count(1)));
    let again = Request { enqueued: Some(enqueued), ..run("a", count(1)) };
    let standing = world.waits(2, again);
    assert_eq!((standing.position, standing.enqueued), (1, enqueued));
    assert_eq!(world.line(), ["a", "b"]);
    let hasty = Request { enqueued: Some(Timestamp(0)), ..nonblock("n", count(1)) };
    let _ = world.finish(1, "h");
    assert!(matches!(world.refused(4, hasty), Refusal::Busy { .. }), "a place is for those who wait");
}

#[test]
fn a_clock_that_is_put_back_lets_nobody_in_front() {
    let mut world = full_house();
    world.waits(2, run("a", count(1)));
    world.now = Timestamp(world.now.0 - 3_600_000_000_000);
    assert_eq!(world.waits(3, run("b", count(1))).position, 2);
    assert_eq!(world.waits(3, run("c", count(1))).position, 3);
    assert_eq!(world.line(), ["a", "b", "c"]);
}

#[test]
fn a_clock_that_is_put_back_takes_nobody_the_place_in_a_store_that_lost_the_line() {
    let mut world = full_house();
    let first = world.waits(2, run("a", count(1))).enqueued;
    let second = world.waits(3, run("b", count(1))).enqueued;
    world.pool.waiters.clear();
    world.now = Timestamp(world.now.0 - 3_600_000_000_000);
    let again = |name, since| Request { enqueued: Some(since), ..run(name, count(1)) };
    world.waits(3, again("b", second));
    world.waits(2, again("a", first));
    world.waits(4, run("c", count(1)));
    assert_eq!(world.line(), ["a", "b", "c"]);
}

#[test]
fn a_clock_that_is_put_back_keeps_nobody_from_being_rung_who_has_come_among_the_first() {
    let mut world = full_house();
    for name in ["a", "b", "c", "d"] {
        world.waits(2, run(name, count(1)));
    }
    world.now = Timestamp(world.now.0 - 3_600_000_000_000);
    assert_eq!(world.apply(&user(2), &withdraw("a")), Outcome::Done);
    assert_eq!(world.to_ring(Some(&id("a"))), [id("d")]);
}

#[test]
fn withdrawing_is_for_ones_own_and_may_be_said_twice() {
    let mut world = full_house();
    world.waits(2, run("a", count(1)));
    assert_eq!(world.apply(&user(3), &withdraw("a")), Outcome::Refused(Refusal::NeedsAuthority));
    assert_eq!(world.apply(&user(2), &withdraw("a")), Outcome::Done);
    assert_eq!(world.apply(&user(2), &withdraw("a")), Outcome::Done);
    world.waits(2, run("b", count(1)));
    assert_eq!(world.apply(&admin(), &withdraw("b")), Outcome::Done);
}

#[test]
fn withdrawing_what_was_granted_in_the_meantime_gives_it_back() {
    let mut world = World::with_gpus(1);
    world.granted(1, manual("a", count(1), minutes(60)));
    assert_eq!(world.apply(&admin(), &withdraw("a")), Outcome::Refused(Refusal::NeedsAuthority));
    assert!(matches!(world.apply(&user(1), &withdraw("a")), Outcome::Changed(gone) if gone.len() == 1));
    assert_eq!(world.endings(), [("a", &Ending::Released)]);
}

#[test]
fn nobody_takes_anothers_place_with_its_id() {
    let mut world = full_house();
    world.waits(2, run("a", count(1)));
    assert_eq!(world.refused(3, run("a", count(1))), Refusal::NeedsAuthority);
    assert_eq!(world.line(), ["a"]);
}

#[test]
fn a_waiter_whose_demand_the_pool_no_longer_meets_is_told_and_leaves() {
    let mut world = World::with_gpus(2);
    world.granted(1, run("h", exactly(&[0])));
    world.waits(2, run("a", count(2)));
    world.pool.slots.remove(&GpuIndex(1));
    assert_eq!(world.refused(2, run("a", count(2))), Refusal::TooMany { requested: 2, pool: 1 });
    assert!(world.line().is_empty());
}

fn go_waiter(world: &World, name: &str, demand: Demand, allocated: &[u32]) -> Waiter {
    Waiter {
        id: id(name),
        holder: holder(7),
        demand,
        in_use: crate::model::request::InUse::Avoid,
        share: None,
        kind: Kind::Run,
        lasts: None,
        note: None,
        enqueued: world.now,
        looked: world.now,
        give_up: None,
        client: None,
        author: Author::Go,
        allocated: gpus(allocated),
    }
}

#[test]
fn a_waiter_of_the_go_program_keeps_its_turn_and_what_it_was_given_in_part() {
    let mut world = World::with_gpus(3);
    let part = world.granted(7, manual("go:0:1", exactly(&[0]), minutes(600)));
    world.pool.reservations.get_mut(&part.id).expect("held").author = Author::Go;
    world.granted(1, run("h", exactly(&[1])));
    let waiter = go_waiter(&world, "go-waiter", count(3), &[0]);
    world.pool.waiters.push(waiter);
    let standing = world.waits(2, run("b", count(1)));
    assert_eq!(standing.behind, None, "there is no process of it to watch");
    assert_eq!(why(&standing)[2], (2, &Why::SetAside { for_holder: holder(7) }));
    world.pass(seconds(1));
    let _ = world.finish(1, "h");
    assert!(world.to_ring(None).is_empty(), "it has no bell, and what is left is its");
    world.pass(seconds(121));
    world.sweep();
    assert_eq!(world.line(), ["b"], "its own rule: two minutes without a sign");
    assert_eq!(world.pool.slots.values().filter(|s| matches!(s.state, SlotState::Free { .. })).count(), 3);
}

#[test]
fn a_thousand_waiters_are_not_asked_for_their_lives() {
    let mut world = World::with_gpus(16);
    world.granted(1, run("h", count(16)));
    for number in 0..1000 {
        let waiter = Waiter {
            author: Author::Ours,
            client: Some(process(&format!("w{number}"))),
            enqueued: Timestamp(world.now.0 + number),
            ..go_waiter(&world, &format!("w{number}"), count(1), &[])
        };
        world.pool.waiters.push(waiter);
    }
    world.pass(seconds(1));
    world.asked.set(0);
    assert_eq!(world.waits(2, run("last", count(1))).position, 1001);
    assert!(world.asked.get() <= 3, "asked {} times with nothing free", world.asked.get());
    let _ = world.finish(1, "h");
    world.asked.set(0);
    let ring: Vec<LeaseId> = world.to_ring(None);
    assert_eq!(ring.len(), 16);
    assert_eq!(world.asked.get(), 16);
}

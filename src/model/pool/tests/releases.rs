//! Giving back, by id and by selection, and moving the end.

use super::support::*;
use crate::model::ids::{GpuIndex, Uid};
use crate::model::request::Actor;
use crate::model::reservation::{Ending, Reservation};
use crate::model::verb::{LiveRuns, Outcome, Refusal, Selection, Verb};

fn give_back(world: &mut World, actor: &Actor, which: Selection, live_runs: LiveRuns) -> Outcome {
    world.apply(actor, &Verb::GiveBack { which, live_runs })
}

fn these(ids: &[u32]) -> Selection {
    Selection::Gpus(gpus(ids))
}

fn changed(outcome: Outcome) -> Vec<Reservation> {
    match outcome {
        Outcome::Changed(reservations) => reservations,
        other => panic!("nothing changed: {other:?}"),
    }
}

fn release(name: &str) -> Verb {
    Verb::Release { id: id(name), how: Ending::Released }
}

#[test]
fn a_release_may_be_said_twice_and_of_an_unknown_id_not_once() {
    let mut world = World::with_gpus(1);
    world.granted(1, run("a", count(1)));
    assert_eq!(changed(world.apply(&user(1), &release("a"))).len(), 1);
    assert_eq!(world.apply(&user(1), &release("a")), Outcome::Done);
    assert_eq!(world.ended.len(), 1);
    let unknown = Outcome::Refused(Refusal::NoSuchLease { id: id("x") });
    assert_eq!(world.apply(&user(1), &release("x")), unknown);
}

#[test]
fn anothers_reservation_is_released_by_an_admin_only_and_that_is_recorded() {
    let mut world = World::with_gpus(1);
    world.granted(1, run("a", count(1)));
    let refused = Outcome::Refused(Refusal::NotYours { gpu: GpuIndex(0), holder: holder(1) });
    assert_eq!(world.apply(&user(2), &release("a")), refused);
    assert_eq!(changed(world.apply(&admin(), &release("a"))).len(), 1);
    assert_eq!(world.endings(), [("a", &Ending::Revoked { by: Uid(0) })]);
}

#[test]
fn the_end_of_one_run_frees_nothing_of_the_next_on_the_same_gpu() {
    let mut world = World::with_gpus(1);
    world.granted(1, run("a", count(1)));
    let _ = world.apply(&user(1), &release("a"));
    world.seated.clear();
    world.granted(1, run("b", count(1)));
    assert_eq!(world.finish(1, "a"), Outcome::Done);
    assert_eq!(world.held("b").gpus, gpus(&[0]));
}

#[test]
fn release_frees_ones_manual_reservations_under_ones_own_label() {
    let mut world = World::with_gpus(6);
    world.granted(1, manual("mine", count(2), minutes(60)));
    world.granted(1, run("run", count(1)));
    world.granted(2, manual("other", count(1), minutes(60)));
    let claim = Verb::Claim(manual("ann", count(1), minutes(60)));
    let _ = world.apply(&labelled(1, "ann"), &claim);
    let gone = changed(give_back(&mut world, &user(1), Selection::Mine, LiveRuns::End));
    assert_eq!(gone.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["mine"]);
    assert_eq!(world.pool.reservations.len(), 3);
    let gone = changed(give_back(&mut world, &labelled(1, "ann"), Selection::Mine, LiveRuns::Spare));
    assert_eq!(gone[0].id, id("ann"));
    let gone = changed(give_back(&mut world, &user(1), Selection::Mine, LiveRuns::Spare));
    assert!(gone.is_empty(), "nothing held is no failure");
}

#[test]
fn one_gpu_of_a_manual_reservation_can_be_given_back() {
    let mut world = World::with_gpus(3);
    world.granted(1, manual("a", count(3), minutes(60)));
    let gone = changed(give_back(&mut world, &user(1), these(&[1]), LiveRuns::Spare));
    assert_eq!((gone[0].id.as_str(), &gone[0].gpus), ("a/1", &gpus(&[1])));
    assert_eq!(world.held("a").gpus, gpus(&[0, 2]));
    assert!(matches!(world.claim(1, manual("a", count(3), minutes(60))), Outcome::Granted(_)), "a lives");
    let gone = changed(give_back(&mut world, &user(1), these(&[0, 2]), LiveRuns::Spare));
    assert_eq!(gone[0].id, id("a"));
    assert_eq!(world.ended.len(), 2);
    assert_eq!(world.ended.iter().map(|ended| ended.reservation.gpus.len()).sum::<usize>(), 3);
}

#[test]
fn a_live_run_is_spared_without_force_and_ends_whole_with_it() {
    let mut world = World::with_gpus(3);
    world.granted(1, run("a", count(2)));
    world.granted(1, manual("m", count(1), minutes(5)));
    let expected = Refusal::LiveRun { gpu: GpuIndex(1), id: id("a"), command: vec!["train".into()] };
    let outcome = give_back(&mut world, &user(1), these(&[1, 2]), LiveRuns::Spare);
    assert_eq!(outcome, Outcome::Refused(expected));
    assert_eq!(world.pool.reservations.len(), 2, "nothing was changed");
    let gone = changed(give_back(&mut world, &user(1), these(&[1]), LiveRuns::End));
    assert_eq!(gone[0].gpus, gpus(&[0, 1]));
}

#[test]
fn what_is_not_ones_own_or_not_reserved_is_refused_by_name() {
    let mut world = World::with_gpus(3);
    world.granted(1, manual("a", exactly(&[0]), minutes(5)));
    let mut give = |actor: &Actor, ids| give_back(&mut world, actor, these(ids), LiveRuns::Spare);
    assert_eq!(give(&user(1), &[0, 1, 2]), Outcome::Refused(Refusal::NotReserved { gpus: gpus(&[1, 2]) }));
    let not_yours = Refusal::NotYours { gpu: GpuIndex(0), holder: holder(1) };
    assert_eq!(give(&user(2), &[0]), Outcome::Refused(not_yours));
    let not_there = Refusal::NotInPool { ids: gpus(&[8]), pool: gpus(&[0, 1, 2]) };
    assert_eq!(give(&user(1), &[0, 8]), Outcome::Refused(not_there));
    assert_eq!(changed(give(&admin(), &[0])).len(), 1);
    assert_eq!(world.endings(), [("a", &Ending::Revoked { by: Uid(0) })]);
}

#[test]
fn extending_sets_the_end_from_now_and_may_shorten() {
    let mut world = World::with_gpus(2);
    world.granted(1, manual("a", exactly(&[0]), minutes(60)));
    world.granted(1, run("r", exactly(&[1])));
    world.pass(minutes(10));
    let extend = |which, lasts| Verb::Extend { which, lasts };
    let longer = changed(world.apply(&user(1), &extend(Selection::Mine, minutes(120))));
    assert_eq!(longer[0].expiry, Some(world.now.after(minutes(120))));
    let shorter = changed(world.apply(&user(1), &extend(these(&[0]), minutes(1))));
    assert_eq!(shorter[0].expiry, Some(world.now.after(minutes(1))));
    let run = Outcome::Refused(Refusal::NotManual { gpu: GpuIndex(1) });
    assert_eq!(world.apply(&user(1), &extend(these(&[0, 1]), minutes(9))), run);
    assert!(changed(world.apply(&user(2), &extend(Selection::Mine, minutes(9)))).is_empty());
    let theirs = world.apply(&user(2), &extend(these(&[0]), minutes(9)));
    assert!(matches!(theirs, Outcome::Refused(Refusal::NotYours { .. })));
    assert_eq!(world.held("a").expiry, Some(world.now.after(minutes(1))));
}

#[test]
fn extending_one_gpu_leaves_the_end_of_the_others_alone() {
    let mut world = World::with_gpus(2);
    let granted = world.granted(1, manual("a", count(2), minutes(60)));
    let verb = Verb::Extend { which: these(&[1]), lasts: minutes(5) };
    let part = changed(world.apply(&user(1), &verb));
    assert_eq!((part[0].id.as_str(), &part[0].gpus), ("a/1", &gpus(&[1])));
    assert_eq!((world.held("a").expiry, &world.held("a").gpus), (granted.expiry, &gpus(&[0])));
    world.pass(minutes(5));
    world.sweep();
    assert_eq!(world.endings(), [("a/1", &Ending::Expired)]);
}

//! What is over, and what only looks so.

use super::support::*;
use crate::model::identity::Identity;
use crate::model::ids::{GpuIndex, Timestamp};
use crate::model::pool::SlotState;
use crate::model::reservation::{Author, Ending, Reservation};
use crate::model::verb::Verb;

/// One GPU with a run `a` of uid 1 whose child is `child`.
fn running() -> World {
    let mut world = World::with_gpus(1);
    let mut held = world.granted(1, run("a", count(1)));
    held.child = Some(process("child"));
    let _ = world.apply(&user(1), &Verb::Renew(held));
    world
}

fn change(world: &mut World, change: impl FnOnce(&mut Reservation)) {
    change(world.pool.reservations.get_mut(&id("a")).expect("held"));
}

fn is_free(world: &World) -> bool {
    matches!(world.pool.slots[&GpuIndex(0)].state, SlotState::Free { .. })
}

#[test]
fn a_run_lives_until_its_launcher_and_its_child_are_dead() {
    let mut world = running();
    world.kill("a");
    world.sweep();
    assert!(!is_free(&world), "the command still runs");
    world.pass(seconds(30));
    world.kill("child");
    world.sweep();
    assert!(is_free(&world));
    assert_eq!(world.endings(), [("a", &Ending::SupervisorGone)]);
    assert_eq!(world.ended[0].at, world.now);
}

#[test]
fn a_stopped_run_is_alive_however_old_its_heartbeat() {
    let mut world = running();
    world.stop("a");
    world.stop("child");
    world.pass(minutes(600));
    world.sweep();
    assert!(!is_free(&world));
}

#[test]
fn a_run_of_another_boot_ended_when_it_last_gave_a_sign() {
    let mut world = running();
    let sign = world.now;
    change(&mut world, |held| {
        for process in [&mut held.launcher, &mut held.child].into_iter().flatten() {
            process.boot = "before".into();
        }
    });
    world.pass(minutes(600));
    world.sweep();
    assert_eq!((world.ended[0].at, &world.ended[0].how), (sign, &Ending::SupervisorGone));
}

/// A run in another pid namespace, which took no seat here.
fn elsewhere() -> World {
    let mut world = running();
    world.seated.clear();
    let away = |name: &str| Some(Identity { namespace: 99, ..process(name) });
    change(&mut world, |held| (held.launcher, held.child) = (away("a"), away("child")));
    world
}

#[test]
fn a_run_elsewhere_is_dead_by_its_heartbeat_and_only_if_its_gpus_are_unused() {
    let mut world = elsewhere();
    world.pass(minutes(5));
    world.sweep();
    assert!(!is_free(&world), "five minutes are not over yet");
    world.pass(seconds(1));
    world.use_gpu(0, 1, "worker");
    world.sweep();
    assert!(!is_free(&world), "its GPU is in use");
    world.drain(0);
    world.sweep();
    assert!(!is_free(&world), "its memory is in use");
    world.lose_gpu(0);
    world.sweep();
    assert!(!is_free(&world), "whether its GPU is in use is not known");
    world.leave_gpu(0);
    world.seated.insert(id("x"), (crate::model::ids::Uid(1), vec![uuid(0)]));
    world.sweep();
    assert!(!is_free(&world), "somebody sits there");
    world.seated.clear();
    world.sweep();
    assert!(is_free(&world));
}

#[test]
fn a_heartbeat_of_a_clock_that_was_ahead_is_set_right_by_the_next() {
    let mut world = elsewhere();
    let held = world.held("a").clone();
    world.pass(minutes(600));
    let _ = world.apply(&user(1), &Verb::Renew(held.clone()));
    world.now = Timestamp(world.now.0 - 36_000_000_000_000);
    world.pass(minutes(1));
    let _ = world.apply(&user(1), &Verb::Renew(held));
    assert_eq!(world.held("a").heartbeat, world.now);
    world.pass(minutes(6));
    world.sweep();
    assert!(is_free(&world), "it has been silent since");
}

#[test]
fn a_dead_launcher_and_a_child_elsewhere_are_judged_by_the_heartbeat() {
    let mut world = elsewhere();
    change(&mut world, |held| held.launcher = Some(process("a")));
    world.kill("a");
    world.sweep();
    assert!(!is_free(&world));
    world.pass(minutes(6));
    world.sweep();
    assert!(is_free(&world));
}

#[test]
fn a_run_of_the_go_program_dies_by_its_own_rule_and_not_while_its_gpu_is_used() {
    let mut world = running();
    world.seated.clear();
    change(&mut world, |held| (held.author, held.launcher, held.child) = (Author::Go, None, None));
    world.use_gpu(0, 1, "worker");
    world.pass(minutes(6));
    world.sweep();
    assert!(!is_free(&world), "its client was stopped: its job lives");
    world.leave_gpu(0);
    world.sweep();
    assert!(is_free(&world));
}

#[test]
fn who_acts_for_its_own_run_is_not_taken_for_dead() {
    let mut world = elsewhere();
    let held = world.held("a").clone();
    world.pass(minutes(60));
    let _ = world.apply(&user(1), &Verb::Renew(held));
    assert_eq!(world.held("a").heartbeat, world.now);
    world.pass(minutes(60));
    let _ = world.finish(1, "a");
    assert_eq!(world.endings(), [("a", &Ending::Exited { status: 0 })]);
}

#[test]
fn a_manual_reservation_ends_at_its_expiry_and_not_later() {
    let mut world = World::with_gpus(2);
    let granted = world.granted(1, manual("a", count(2), minutes(10)));
    world.pass(minutes(10));
    world.pass(seconds(3600));
    world.sweep();
    assert_eq!(Some(world.ended[0].at), granted.expiry);
    assert_eq!(world.endings(), [("a", &Ending::Expired)]);
    let SlotState::Free { last_released, past } = &world.pool.slots[&GpuIndex(1)].state else {
        panic!("free")
    };
    assert_eq!(*last_released, granted.expiry);
    let past = past.as_ref().expect("kept");
    assert_eq!((&past.id, &past.holder, past.started), (&id("a"), &holder(1), granted.started));
}

#[test]
fn no_end_lies_before_its_start_though_the_clock_was_put_back() {
    let mut world = running();
    world.now = Timestamp(world.now.0 - 3_600_000_000_000);
    world.kill("a");
    world.kill("child");
    world.sweep();
    assert_eq!(world.ended[0].at, world.ended[0].reservation.started);
}

#[test]
fn a_sweep_drops_every_dead_waiter() {
    let mut world = running();
    for name in ["w1", "w2", "w3"] {
        world.waits(2, run(name, count(1)));
    }
    world.kill("w1");
    world.kill("w3");
    world.sweep();
    assert_eq!(world.line(), ["w2"]);
}

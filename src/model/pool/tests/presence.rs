//! Waiters who are stopped, or whose state nobody here can read: who is passed over, who is dead, whom to watch.

use super::support::*;
use crate::model::request::{OnBusy, Request};
use crate::model::reservation::Author;

/// One GPU, held by `h`; in line `a`, of another pid namespace, and `b`.
fn behind_a_stranger(wait: OnBusy) -> World {
    let mut world = World::with_gpus(1);
    world.granted(1, run("h", count(1)));
    let mut stranger = Request { on_busy: wait, ..run("a", count(1)) };
    stranger.client.as_mut().expect("a client").namespace = 99;
    world.waits(2, stranger);
    world.waits(3, run("b", count(1)));
    world
}

#[test]
fn who_cannot_be_tested_and_should_have_given_up_is_passed_over() {
    let mut world = behind_a_stranger(OnBusy::Queue { at_most: Some(seconds(10)) });
    let _ = world.finish(1, "h");
    world.pass(seconds(10));
    assert_eq!(world.to_ring(None), [id("a")], "this is its last moment");
    world.pass(seconds(1));
    assert_eq!(world.to_ring(None), [id("b")]);
}

#[test]
fn who_cannot_be_tested_and_is_silent_is_dropped_by_whoever_is_served() {
    let mut world = behind_a_stranger(QUEUE);
    let _ = world.finish(1, "h");
    world.pass(minutes(5));
    world.granted(3, run("b", count(1)));
    assert_eq!(world.line(), ["a"], "its time is not over yet");
    let _ = world.finish(3, "b");
    world.pass(seconds(1));
    world.granted(4, nonblock("n", count(1)));
    assert!(world.line().is_empty());
}

#[test]
fn who_is_not_among_the_first_need_not_look_to_be_served() {
    let mut world = World::with_gpus(2);
    world.granted(1, run("h", exactly(&[0])));
    world.granted(1, run("i", exactly(&[1])));
    for name in ["a", "b", "c"] {
        world.waits(2, run(name, exactly(&[0])));
    }
    let mut stranger = run("d", exactly(&[1]));
    stranger.client.as_mut().expect("a client").namespace = 99;
    world.waits(3, stranger);
    let _ = world.finish(1, "i");
    world.pass(minutes(2));
    assert_eq!(world.to_ring(None), [id("d")], "it waits for its bell");
}

#[test]
fn who_has_just_come_behind_the_first_is_not_rung_for_it() {
    let mut world = World::with_gpus(1);
    world.granted(1, run("h", count(1)));
    for name in ["a", "b", "c"] {
        world.waits(2, run(name, count(1)));
    }
    world.pass(seconds(1));
    world.waits(3, run("d", count(1)));
    assert!(world.to_ring(None).is_empty());
}

#[test]
fn of_several_who_are_stopped_the_nearest_is_watched_and_a_dead_one_is_dropped_once() {
    let mut world = World::with_gpus(1);
    world.granted(1, run("h", count(1)));
    for name in ["a", "b", "c", "d"] {
        world.waits(2, run(name, count(1)));
    }
    world.stop("a");
    world.stop("b");
    world.kill("c");
    let standing = world.waits(2, run("d", count(1)));
    assert_eq!((standing.position, standing.behind), (3, Some(id("b"))));
    assert_eq!(world.line(), ["a", "b", "d"]);
}

#[test]
fn nobody_of_the_go_program_is_rung_or_held_to_look() {
    let mut world = behind_a_stranger(QUEUE);
    world.pool.waiters[0].author = Author::Go;
    let _ = world.finish(1, "h");
    world.pass(seconds(60));
    assert!(world.to_ring(None).is_empty(), "it comes by itself, and its turn is kept");
    world.pass(seconds(61));
    assert_eq!(world.to_ring(None), [id("b")], "it is dead by its own rule");
}

//! Waiting for so long and no longer.

use super::line::full_house;
use super::support::*;
use crate::model::ids::Timestamp;
use crate::model::request::{OnBusy, Request};
use crate::model::verb::{Refusal, Why};

#[test]
fn a_waiter_whose_time_is_over_leaves_and_is_told_why() {
    let mut world = full_house();
    let left = |at_most| Request { on_busy: OnBusy::Queue { at_most: Some(at_most) }, ..run("a", count(1)) };
    let standing = world.waits(2, left(minutes(1)));
    assert_eq!(standing.give_up, Some(world.now.after(minutes(1))));
    let Refusal::GaveUp { blocked_by, .. } = world.refused(2, left(seconds(0))) else { panic!("gave up") };
    assert!(matches!(blocked_by[0].why, Why::Reserved { .. }));
    assert!(world.line().is_empty());
    let late = Request { enqueued: Some(standing.enqueued), ..left(seconds(0)) };
    assert!(matches!(world.refused(2, late), Refusal::GaveUp { .. }), "dropped by others, it hears the same");
}

#[test]
fn who_finds_its_gpus_free_at_the_last_moment_is_served() {
    let mut world = full_house();
    let left = |at_most| Request { on_busy: OnBusy::Queue { at_most: Some(at_most) }, ..run("b", count(1)) };
    world.waits(2, run("a", count(1)));
    world.waits(3, left(minutes(1)));
    let _ = world.finish(1, "h");
    assert!(matches!(world.refused(3, left(seconds(0))), Refusal::GaveUp { .. }), "it is another's turn");
    world.waits(3, left(minutes(1)));
    world.granted(2, run("a", count(1)));
    let _ = world.finish(2, "a");
    world.granted(3, left(seconds(0)));
    assert!(world.line().is_empty());
}

#[test]
fn a_clock_that_is_set_makes_nobody_give_up_and_nobody_wait_longer() {
    let mut world = full_house();
    let left = |at_most| Request { on_busy: OnBusy::Queue { at_most: Some(at_most) }, ..run("a", count(1)) };
    world.waits(2, left(minutes(1)));
    world.pass(minutes(600));
    world.waits(3, run("b", count(1)));
    assert_eq!(world.line(), ["a", "b"], "it lives, and knows its time itself");
    world.now = Timestamp(world.now.0 - 7_200_000_000_000);
    let standing = world.waits(2, left(seconds(59)));
    assert_eq!((standing.position, standing.give_up), (1, Some(world.now.after(seconds(59)))));
    world.pass(minutes(600));
    let _ = world.finish(1, "h");
    assert_eq!(world.to_ring(None), [id("a")]);
}

#[test]
fn who_is_stopped_when_it_should_give_up_is_dropped_by_whoever_looks_next() {
    let mut world = full_house();
    let at_most = Some(minutes(1));
    world.waits(2, Request { on_busy: OnBusy::Queue { at_most }, ..run("a", count(1)) });
    world.stop("a");
    world.pass(minutes(2));
    let _ = world.finish(1, "h");
    assert!(world.line().is_empty());
}

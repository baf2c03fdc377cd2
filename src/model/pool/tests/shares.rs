//! What one person may hold at once, where the host sets a limit.

use std::num::NonZeroU32;

use super::support::*;
use crate::model::request::{Demand, OnBusy, Request};
use crate::model::share::Share;
use crate::model::verb::{Outcome, Refusal, Verb};

fn limited(limit: u32, request: Request) -> Request {
    Request { share: NonZeroU32::new(limit), ..request }
}

fn share(standing_or_refusal: Option<Share>) -> (usize, Vec<String>) {
    let share = standing_or_refusal.expect("the limit stands in the way");
    (share.held, share.leases.iter().map(ToString::to_string).collect())
}

#[test]
fn the_limit_is_on_the_sum_of_what_a_person_holds() {
    let mut world = World::with_gpus(4);
    world.granted(1, limited(2, run("a", count(1))));
    let refusal = world.refused(1, limited(2, nonblock("n", count(2))));
    let Refusal::Busy { share: over, available, .. } = refusal else { panic!("{refusal:?}") };
    assert_eq!((share(over), available.len()), ((1, vec!["a".to_owned()]), 3));
    world.granted(1, limited(2, manual("b", count(1), minutes(60))));
    let standing = world.waits(1, limited(2, run("c", count(1))));
    assert_eq!(share(standing.share).0, 2);
    world.granted(2, limited(2, run("d", count(2))));
}

#[test]
fn what_could_never_fit_fails_at_once() {
    let mut world = World::with_gpus(4);
    let beyond = |requested| Refusal::BeyondShare { requested, limit: 2 };
    assert_eq!(world.refused(1, limited(2, run("a", count(3)))), beyond(3));
    assert_eq!(world.refused(1, limited(2, run("b", exactly(&[0, 1, 2])))), beyond(3));
    assert!(world.line().is_empty());
}

#[test]
fn labels_divide_nobody_and_a_login_is_the_same_person_behind_sudo() {
    let mut world = World::with_gpus(4);
    world.granted(1, limited(2, run("a", count(2))));
    let other_label = limited(2, nonblock("b", count(1)));
    let outcome = world.apply(&labelled(1, "somebody else"), &Verb::Claim(other_label));
    assert!(matches!(outcome, Outcome::Refused(Refusal::Busy { share: Some(_), .. })), "{outcome:?}");
    let mut sudo = user(0);
    sudo.holder.login = Some(holder(1).account);
    let outcome = world.apply(&sudo, &Verb::Claim(limited(2, nonblock("c", count(1)))));
    assert!(matches!(outcome, Outcome::Refused(Refusal::Busy { share: Some(_), .. })), "{outcome:?}");
    world.granted(0, limited(2, run("d", count(2))));
}

#[test]
fn whoever_waits_for_an_own_release_holds_up_nobody_and_keeps_the_place() {
    let mut world = World::with_gpus(3);
    world.granted(1, limited(1, run("a", count(1))));
    world.waits(1, limited(1, run("b", count(1))));
    world.granted(2, limited(1, run("c", count(1))));
    world.granted(3, limited(1, run("d", count(1))));
    world.waits(4, limited(1, run("e", count(1))));
    world.pass(seconds(1));
    let _ = world.finish(1, "a");
    assert_eq!(world.to_ring(None), [id("b")], "it is first in line again");
    world.granted(1, limited(1, run("b", count(1))));
}

#[test]
fn two_waiters_of_one_person_are_not_promised_more_than_the_limit() {
    let mut world = World::with_gpus(2);
    world.granted(9, run("h", count(2)));
    world.waits(1, limited(1, run("a", count(1))));
    world.waits(1, limited(1, run("b", count(1))));
    world.waits(2, limited(1, run("c", count(1))));
    world.pass(seconds(1));
    let _ = world.finish(9, "h");
    assert_eq!(world.to_ring(None), [id("a"), id("c")]);
    let standing = world.waits(1, limited(1, run("b", count(1))));
    assert_eq!(share(standing.share).0, 1, "what was promised to the one ahead counts");
}

#[test]
fn all_that_is_free_is_what_is_left_of_the_limit() {
    let mut world = World::with_gpus(4);
    world.granted(1, limited(3, run("a", count(1))));
    assert_eq!(world.granted(1, limited(3, run("b", Demand::AllFree))).gpus.len(), 2);
    let refusal = world.refused(1, limited(3, nonblock("c", Demand::AllFree)));
    assert!(matches!(refusal, Refusal::Busy { share: Some(_), .. }), "{refusal:?}");
}

#[test]
fn whoever_gives_up_hears_that_it_was_the_limit() {
    let mut world = World::with_gpus(2);
    world.granted(1, limited(1, run("a", count(1))));
    let left = |at_most| Request {
        on_busy: OnBusy::Queue { at_most: Some(at_most) },
        ..limited(1, run("b", count(1)))
    };
    world.waits(1, left(minutes(1)));
    let refusal = world.refused(1, left(seconds(0)));
    assert!(matches!(refusal, Refusal::GaveUp { share: Some(_), .. }), "{refusal:?}");
}

#[test]
fn an_account_is_one_person_also_while_nobody_tells_its_name() {
    let mut world = World::with_gpus(3);
    let mut nameless = user(1);
    nameless.holder.account = "uid 1".into();
    world.granted(1, limited(1, run("a", count(1))));
    let outcome = world.apply(&nameless, &Verb::Claim(limited(1, nonblock("b", count(1)))));
    assert!(matches!(outcome, Outcome::Refused(Refusal::Busy { share: Some(_), .. })), "{outcome:?}");
    let _ = world.finish(1, "a");
    // Nor are both promised a GPU.
    world.granted(9, run("h", count(3)));
    let outcome = world.apply(&nameless, &Verb::Claim(limited(1, run("c", count(1)))));
    assert!(matches!(outcome, Outcome::Waiting(_)), "{outcome:?}");
    world.waits(1, limited(1, run("d", count(1))));
    world.pass(seconds(1));
    let _ = world.finish(9, "h");
    assert_eq!(world.to_ring(None), [id("c")]);
}

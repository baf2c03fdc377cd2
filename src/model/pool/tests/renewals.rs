//! Renewals: of what is held, of what is over, and of what the store has lost.

use super::support::*;
use crate::model::ids::{GpuIndex, Timestamp};
use crate::model::pool::{Pool, SlotState};
use crate::model::record::{PoolRecord, Record};
use crate::model::reservation::Reservation;
use crate::model::verb::{Outcome, Refusal, Verb};

fn renew(world: &mut World, uid: u32, held: &Reservation) -> Outcome {
    world.apply(&user(uid), &Verb::Renew(held.clone()))
}

fn lose_data(world: &mut World) {
    world.pool = Pool { store_id: "s2".into(), ..Pool::default() };
    world.ended.clear();
}

#[test]
fn a_renewal_tells_the_heartbeat_and_the_child_and_nothing_else() {
    let mut world = World::with_gpus(2);
    let held = world.granted(1, run("a", count(1)));
    world.pass(seconds(60));
    let mut forged = held.clone();
    forged.child = Some(process("child"));
    forged.holder = holder(1);
    forged.holder.label = Some("boss".into());
    forged.started = Timestamp(0);
    assert_eq!(renew(&mut world, 1, &forged), Outcome::Done);
    let now = world.held("a");
    assert_eq!((now.heartbeat, &now.child), (world.now, &Some(process("child"))));
    assert_eq!((now.started, &now.holder, &now.gpus), (held.started, &held.holder, &held.gpus));
}

#[test]
fn a_renewal_never_lengthens_a_manual_reservation() {
    let mut world = World::with_gpus(1);
    let mut held = world.granted(1, manual("a", count(1), minutes(10)));
    let expiry = held.expiry;
    held.expiry = Some(Timestamp(i64::MAX));
    assert_eq!(renew(&mut world, 1, &held), Outcome::Done);
    assert_eq!(world.held("a").expiry, expiry);
    world.pass(minutes(10));
    assert_eq!(renew(&mut world, 1, &held), Outcome::Lost { to: None });
}

#[test]
fn a_renewal_after_the_end_is_told_who_holds_the_gpus_now() {
    let mut world = World::with_gpus(1);
    let held = world.granted(1, run("a", count(1)));
    let _ = world.finish(1, "a");
    assert_eq!(renew(&mut world, 1, &held), Outcome::Lost { to: None });
    world.granted(2, run("b", count(1)));
    assert_eq!(renew(&mut world, 1, &held), Outcome::Lost { to: Some(holder(2)) });
    assert_eq!(world.pool.reservations.len(), 1);
}

#[test]
fn a_lease_that_may_have_been_ended_is_not_taken_back_while_nobody_can_tell() {
    let mut world = World::with_gpus(1);
    let held = world.granted(1, run("a", count(1)));
    let _ = world.finish(1, "a");
    // As a store does that cannot read what has ended.
    world.ended.clear();
    world.pool.damaged.insert(PoolRecord::Ended, "x".into());
    let refused = Refusal::Damaged { record: PoolRecord::Ended, why: "x".into() };
    assert_eq!(renew(&mut world, 1, &held), Outcome::Refused(refused));
    assert!(world.pool.reservations.is_empty());
    // Everything else goes on.
    world.granted(2, run("b", count(1)));
}

#[test]
fn a_store_that_lost_its_data_gets_the_lease_back_with_its_start() {
    let mut world = World::with_gpus(2);
    let held = world.granted(1, run("a", exactly(&[1])));
    world.use_gpu(1, 1, "train");
    world.pass(minutes(3));
    lose_data(&mut world);
    let Outcome::Granted(again) = renew(&mut world, 1, &held) else { panic!("not claimed again") };
    assert_eq!((again.started, again.heartbeat, &again.gpus), (held.started, world.now, &held.gpus));
    assert_eq!(world.pool.slots.len(), 2, "the pool is made again too");
    assert_eq!(renew(&mut world, 1, &held), Outcome::Done);
}

#[test]
fn what_somebody_else_holds_by_now_is_lost() {
    let mut world = World::with_gpus(2);
    let held = world.granted(1, run("a", count(2)));
    lose_data(&mut world);
    world.seated.clear();
    world.granted(2, manual("b", exactly(&[1]), minutes(5)));
    assert_eq!(renew(&mut world, 1, &held), Outcome::Lost { to: Some(holder(2)) });
    assert_eq!(world.pool.reservations.len(), 1, "nor is half of it claimed");
}

#[test]
fn without_a_pool_and_without_a_driver_nothing_is_lost_yet() {
    let mut world = World::with_gpus(1);
    let held = world.granted(1, run("a", count(1)));
    lose_data(&mut world);
    let gpus = std::mem::take(&mut world.gpus);
    let expected = Outcome::Refused(Refusal::NoGpus { reported: 0, requested: None });
    assert_eq!(renew(&mut world, 1, &held), expected);
    world.gpus = gpus;
    assert!(matches!(renew(&mut world, 1, &held), Outcome::Granted(_)));
}

#[test]
fn a_lease_is_renewed_by_its_own_account_or_an_admin() {
    let mut world = World::with_gpus(1);
    let held = world.granted(1, run("a", count(1)));
    assert_eq!(renew(&mut world, 2, &held), Outcome::Refused(Refusal::NeedsAuthority));
    let mut forged = held.clone();
    forged.holder = holder(2);
    assert_eq!(renew(&mut world, 2, &forged), Outcome::Refused(Refusal::NeedsAuthority));
    assert_eq!(world.apply(&admin(), &Verb::Renew(held)), Outcome::Done);
}

#[test]
fn a_gpu_erased_from_a_run_is_taken_back_while_it_is_free() {
    let mut world = World::with_gpus(3);
    let held = world.granted(1, run("a", count(2)));
    let erase = |world: &mut World| {
        world.pool.reservations.get_mut(&id("a")).expect("held").gpus = gpus(&[1]);
        world.pool.slots.get_mut(&GpuIndex(0)).expect("there").state =
            SlotState::Free { last_released: None, past: None };
    };
    erase(&mut world);
    assert_eq!(renew(&mut world, 1, &held), Outcome::Done);
    assert_eq!(world.held("a").gpus, gpus(&[0, 1]));
    assert_eq!(world.pool.slots[&GpuIndex(0)].state, SlotState::Held(id("a")));
    erase(&mut world);
    world.seated.clear();
    world.granted(2, run("b", exactly(&[0])));
    assert_eq!(renew(&mut world, 1, &held), Outcome::Lost { to: Some(holder(2)) });
}

#[test]
fn a_damaged_record_is_kept_and_its_run_is_not_told_that_it_lost() {
    let mut world = World::with_gpus(1);
    let held = world.granted(1, run("a", count(1)));
    world.pool.reservations.clear();
    let damaged = SlotState::Damaged { why: "not JSON".into() };
    world.pool.slots.get_mut(&GpuIndex(0)).expect("there").state = damaged.clone();
    assert_eq!(renew(&mut world, 1, &held), Outcome::Done);
    assert_eq!(world.pool.slots[&GpuIndex(0)].state, damaged);
    assert_eq!(world.apply(&admin(), &Verb::Reset(Record::OfGpu(GpuIndex(0)))), Outcome::Done);
    assert!(matches!(renew(&mut world, 1, &held), Outcome::Granted(_)));
}

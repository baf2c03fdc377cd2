//! Making the pool, changing it, and keeping its numbers and the driver's together.

use super::support::*;
use crate::model::device::{Provider, fake_devices};
use crate::model::ids::{GpuIndex, GpuUuid};
use crate::model::pool::{Slot, SlotState};
use crate::model::request::Actor;
use crate::model::reservation::Author;
use crate::model::seen::Unknown;
use crate::model::verb::{Change, Outcome, PoolSize, Refusal, Selection, Verb, Why};

fn initialise(
    world: &mut World,
    actor: &Actor,
    provider: Provider,
    size: PoolSize,
    change: Change,
) -> Outcome {
    world.apply(actor, &Verb::Initialise { provider, size, change })
}

fn nvidia(world: &mut World, size: PoolSize) -> Outcome {
    initialise(world, &user(1), Provider::Nvidia, size, Change::Refuse)
}

fn by_force(world: &mut World, actor: &Actor, size: PoolSize) -> Outcome {
    initialise(world, actor, Provider::Nvidia, size, Change::Allow)
}

fn numbers(world: &World) -> Vec<u32> {
    world.pool.slots.keys().map(|gpu| gpu.0).collect()
}

/// Gives the GPUs the driver reports other numbers: the first is the number of GPU 0 from now on.
fn count_anew(world: &mut World, numbers: &[u32]) {
    for (gpu, number) in world.gpus.iter_mut().zip(numbers) {
        gpu.device.index = GpuIndex(*number);
    }
    world.gpus.sort_by_key(|gpu| gpu.device.index);
}

#[test]
fn the_first_ones_are_taken_and_saying_so_again_is_fine() {
    let mut world = World::with_gpus(4);
    assert_eq!(nvidia(&mut world, PoolSize::First(2)), Outcome::Done);
    assert_eq!(numbers(&world), [0, 1]);
    assert_eq!(nvidia(&mut world, PoolSize::First(2)), Outcome::Done);
    world.gpus.clear();
    assert_eq!(nvidia(&mut world, PoolSize::First(2)), Outcome::Done, "no driver is needed for that");
    assert_eq!(nvidia(&mut world, PoolSize::All), Outcome::Done);
}

#[test]
fn another_size_needs_force_and_authority() {
    let mut world = World::with_gpus(4);
    assert_eq!(nvidia(&mut world, PoolSize::First(2)), Outcome::Done);
    let exists = Outcome::Refused(Refusal::PoolExists { provider: Provider::Nvidia, gpus: 2 });
    assert_eq!(nvidia(&mut world, PoolSize::First(3)), exists);
    assert_eq!(nvidia(&mut world, PoolSize::All), exists);
    let outcome = by_force(&mut world, &user(1), PoolSize::First(3));
    assert_eq!(outcome, Outcome::Refused(Refusal::NeedsAuthority));
    assert_eq!(by_force(&mut world, &admin(), PoolSize::Exactly(gpus(&[1, 3]))), Outcome::Done);
    assert_eq!(numbers(&world), [1, 3]);
    let outcome = by_force(&mut world, &admin(), PoolSize::First(9));
    assert_eq!(outcome, Outcome::Refused(Refusal::NoGpus { reported: 4, requested: Some(9) }));
    let outcome = by_force(&mut world, &admin(), PoolSize::Exactly(gpus(&[1, 9])));
    assert!(matches!(outcome, Outcome::Refused(Refusal::NotInPool { ids, .. }) if ids == gpus(&[9])));
    assert_eq!(by_force(&mut world, &user(1), PoolSize::Exactly(gpus(&[1, 3]))), Outcome::Done, "no change");
}

#[test]
fn what_is_reserved_does_not_leave_the_pool_and_the_rest_keeps_its_state() {
    let mut world = World::with_gpus(3);
    world.granted(1, manual("a", exactly(&[2]), minutes(60)));
    world.granted(1, run("b", exactly(&[0])));
    let outcome = by_force(&mut world, &admin(), PoolSize::First(2));
    assert_eq!(outcome, Outcome::Refused(Refusal::StillReserved { gpus: [GpuIndex(2)].into() }));
    assert_eq!(by_force(&mut world, &admin(), PoolSize::Exactly(gpus(&[0, 2]))), Outcome::Done);
    assert_eq!(world.pool.slots[&GpuIndex(2)].state, SlotState::Held(id("a")));
    let fake = initialise(&mut world, &admin(), Provider::Fake, PoolSize::First(2), Change::Allow);
    assert!(matches!(fake, Outcome::Refused(Refusal::StillReserved { gpus }) if gpus.len() == 2));
}

#[test]
fn simulated_gpus_carry_the_stores_id() {
    let mut world = World::with_gpus(0);
    let fake = |world: &mut World, size| initialise(world, &user(1), Provider::Fake, size, Change::Refuse);
    let no_size = Outcome::Refused(Refusal::NoGpus { reported: 0, requested: None });
    assert_eq!(fake(&mut world, PoolSize::All), no_size);
    assert!(matches!(fake(&mut world, PoolSize::First(0)), Outcome::Refused(Refusal::NoGpus { .. })));
    assert!(matches!(fake(&mut world, PoolSize::First(5000)), Outcome::Refused(Refusal::NoGpus { .. })));
    assert_eq!(fake(&mut world, PoolSize::First(3)), Outcome::Done);
    assert_eq!(world.pool.provider, Some(Provider::Fake));
    assert_eq!(world.pool.slots[&GpuIndex(2)].uuid, Some(GpuUuid("GPU-fake-s1-2".into())));
    let devices = fake_devices("s1", world.pool.slots.keys().copied());
    assert!(devices.iter().zip(world.pool.slots.values()).all(|(d, s)| s.uuid.as_ref() == Some(&d.uuid)));
    assert_eq!(fake(&mut world, PoolSize::All), Outcome::Done);
}

#[test]
fn a_pool_of_the_go_program_is_bound_to_the_gpus_with_its_numbers() {
    let mut world = World::with_gpus(3);
    world.pool.provider = Some(Provider::Nvidia);
    let unbound = || Slot { uuid: None, state: SlotState::Free { last_released: None, past: None } };
    world.pool.slots = (0..2).map(|gpu| (GpuIndex(gpu), unbound())).collect();
    world.granted(1, run("a", count(2)));
    assert_eq!(world.pool.slots[&GpuIndex(1)].uuid, Some(uuid(1)));
    assert_eq!(world.pool.slots.len(), 2);
}

#[test]
fn a_pool_of_other_gpus_is_refused_until_an_admin_makes_it_anew() {
    let mut world = World::with_gpus(2);
    world.granted(1, run("a", count(1)));
    let _ = world.finish(1, "a");
    for gpu in &mut world.gpus {
        gpu.device.uuid = GpuUuid(format!("GPU-other-{}", gpu.device.index));
    }
    assert_eq!(world.refused(1, run("b", count(1))), Refusal::OtherGpus);
    assert_eq!(by_force(&mut world, &admin(), PoolSize::All), Outcome::Done);
    world.granted(1, run("b", count(1)));
}

#[test]
fn a_gpu_that_the_driver_does_not_report_is_missing_and_the_others_go_on() {
    let mut world = World::with_gpus(2);
    world.granted(1, run("a", exactly(&[0])));
    world.gpus.remove(1);
    let standing = world.waits(2, run("b", exactly(&[1])));
    assert_eq!(standing.blocked_by[0].why, Why::Unknown(Unknown::Missing));
    let _ = world.finish(1, "a");
    world.granted(2, run("c", count(1)));
}

#[test]
fn new_numbers_are_followed_and_manual_reservations_go_with_their_gpus() {
    let mut world = World::with_gpus(3);
    world.granted(1, manual("m", exactly(&[0, 2]), minutes(60)));
    count_anew(&mut world, &[1, 2, 0]);
    let granted = world.granted(2, run("a", count(1)));
    assert_eq!(granted.gpus, gpus(&[2]));
    assert_eq!(world.pool.slots[&GpuIndex(2)].uuid, Some(uuid(1)));
    assert_eq!(world.held("m").gpus, gpus(&[0, 1]));
    assert_eq!(world.pool.slots[&GpuIndex(0)].state, SlotState::Held(id("m")));
}

#[test]
fn a_part_that_is_split_off_under_a_number_of_before_is_another_part() {
    let mut world = World::with_gpus(3);
    world.granted(1, manual("m", count(3), minutes(60)));
    let first_is = |gpu| Verb::Extend { which: Selection::Gpus(gpus(&[gpu])), lasts: minutes(5) };
    let _ = world.apply(&user(1), &first_is(1));
    assert_eq!(world.held("m/1").gpus, gpus(&[1]));
    count_anew(&mut world, &[0, 2, 1]);
    world.refused(2, nonblock("looks", count(1)));
    assert_eq!(world.held("m/1").gpus, gpus(&[2]));
    let _ = world.apply(&user(1), &first_is(1));
    let mut held: Vec<_> = world.pool.reservations.values().flat_map(|held| held.gpus.clone()).collect();
    held.sort_unstable();
    assert_eq!((held, world.pool.reservations.len()), (gpus(&[0, 1, 2]), 3));
    assert_eq!(world.held("m/1").gpus, gpus(&[2]), "it is as it was");
}

#[test]
fn while_a_live_run_knows_its_gpu_by_the_old_number_nothing_that_moved_is_granted() {
    let mut world = World::with_gpus(3);
    world.granted(1, run("a", exactly(&[0])));
    count_anew(&mut world, &[1, 0, 2]);
    let standing = world.waits(2, run("b", count(2)));
    assert_eq!(standing.available, gpus(&[2]), "its number is what it was");
    let message = "the driver counts it as GPU 0 now".to_owned();
    assert_eq!(standing.blocked_by[1].why, Why::Unknown(Unknown::Error { message }));
    let _ = world.finish(1, "a");
    assert_eq!(world.granted(2, run("b", count(2))).gpus.len(), 2);
    assert_eq!(world.pool.slots[&GpuIndex(1)].uuid, Some(uuid(0)));
}

#[test]
fn records_of_the_go_program_keep_their_numbers() {
    let mut world = World::with_gpus(2);
    world.granted(1, manual("m", exactly(&[0]), minutes(60)));
    world.pool.reservations.get_mut(&id("m")).expect("held").author = Author::Go;
    count_anew(&mut world, &[1, 0]);
    assert!(matches!(world.refused(2, nonblock("a", count(1))), Refusal::Busy { .. }));
    assert_eq!(world.held("m").gpus, gpus(&[0]));
}

#[test]
fn a_container_that_sees_a_part_of_the_gpus_renumbers_nothing() {
    let mut world = World::with_gpus(3);
    assert_eq!(nvidia(&mut world, PoolSize::All), Outcome::Done);
    let all = world.gpus.clone();
    world.gpus.drain(..2);
    count_anew(&mut world, &[0]);
    assert!(matches!(world.refused(1, nonblock("a", count(1))), Refusal::Busy { .. }));
    world.gpus = all;
    assert_eq!(world.pool.slots[&GpuIndex(2)].uuid, Some(uuid(2)));
    world.granted(1, nonblock("a", count(3)));
}

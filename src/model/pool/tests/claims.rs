//! Who gets GPUs at once, and who is refused.

use super::support::*;
use crate::model::device::Provider;
use crate::model::ids::{GpuIndex, Megabytes, Uid};
use crate::model::pool::{Pool, SlotState};
use crate::model::process::{Origin, Process};
use crate::model::record::Record;
use crate::model::request::Demand;
use crate::model::seen::{Context, GpuProcess, Reading, Unknown};
use crate::model::strategy::Strategy;
use crate::model::verb::{Outcome, Refusal, Verb, Why};

pub(super) fn blocked(refusal: &Refusal) -> Vec<(u32, &Why)> {
    let Refusal::Busy { blocked_by, .. } = refusal else { panic!("not busy: {refusal:?}") };
    blocked_by.iter().map(|blocker| (blocker.gpu.0, &blocker.why)).collect()
}

#[test]
fn the_first_claim_makes_the_pool_of_what_the_driver_reports() {
    let mut world = World::with_gpus(4);
    let granted = world.granted(1, run("a", count(2)));
    assert_eq!(granted.gpus, gpus(&[0, 1]));
    assert_eq!(granted.launcher, Some(process("a")));
    assert_eq!((granted.started, granted.expiry), (world.now, None));
    assert_eq!(world.pool.provider, Some(Provider::Nvidia));
    assert_eq!(world.pool.slots.len(), 4);
    assert_eq!(world.pool.slots[&GpuIndex(3)].uuid, Some(uuid(3)));
}

#[test]
fn without_any_gpu_there_is_no_pool_and_no_wait() {
    let mut world = World::with_gpus(0);
    let refusal = world.refused(1, run("a", count(1)));
    assert_eq!(refusal, Refusal::NoGpus { reported: 0, requested: None });
    assert_eq!(world.pool, Pool { store_id: "s1".into(), ..Pool::default() });
}

#[test]
fn a_manual_reservation_lasts_as_long_as_was_asked_and_does_not_hang_on_its_client() {
    let mut world = World::with_gpus(1);
    let granted = world.granted(1, manual("a", count(1), minutes(60)));
    assert_eq!(granted.expiry, Some(world.now.after(minutes(60))));
    world.kill("a");
    world.sweep();
    assert_eq!(world.held("a").launcher, None);
}

#[test]
fn more_than_the_pool_has_fails_at_once() {
    let mut world = World::with_gpus(2);
    assert_eq!(world.refused(1, run("a", count(3))), Refusal::TooMany { requested: 3, pool: 2 });
    let expected = Refusal::NotInPool { ids: gpus(&[2, 7]), pool: gpus(&[0, 1]) };
    assert_eq!(world.refused(1, run("b", exactly(&[1, 2, 7]))), expected);
    assert!(world.line().is_empty());
}

#[test]
fn what_is_not_free_is_named_with_its_reason() {
    let mut world = World::with_gpus(6);
    world.granted(1, run("a", exactly(&[0])));
    world.use_gpu(1, 2, "python3");
    world.lose_gpu(2);
    world.granted(1, run("d", exactly(&[3])));
    let _ = world.finish(1, "d");
    world.drain(3);
    world.seated.insert(id("stray"), (Uid(5), vec![uuid(4)]));
    let refusal = world.refused(3, nonblock("b", count(2)));
    let Refusal::Busy { available, .. } = &refusal else { panic!("{refusal:?}") };
    assert_eq!(*available, gpus(&[5]));
    let why = blocked(&refusal);
    assert!(matches!(why[0], (0, Why::Reserved { by, .. }) if *by == holder(1)));
    let (1, Why::Used { by }) = why[1] else { panic!("{why:?}") };
    assert_eq!((by[0].name.as_deref(), by[0].process.as_str()), (Some("u2"), "python3"));
    assert_eq!(why[2], (2, &Why::Unknown(Unknown::Lost)));
    assert_eq!(why[3], (3, &Why::Draining));
    assert_eq!(why[4], (4, &Why::Seat { by: Some("uid 5".into()) }));
    assert_eq!(why.len(), 5);
    world.drain(5);
    let refusal = world.refused(3, nonblock("b", exactly(&[5])));
    assert_eq!(blocked(&refusal), [(5, &Why::Used { by: Vec::new() })], "memory whose owner is not visible");
}

#[test]
fn roots_container_is_named_by_what_its_engine_told() {
    let mut world = World::with_gpus(1);
    world.use_gpu(0, 0, "python3");
    let pid = process("python3").pid;
    let mut name = |origin: Origin| {
        let known = world.owners[&pid].clone();
        world.owners.insert(pid, Process { origin, ..known });
        let refusal = world.refused(1, nonblock("a", count(1)));
        match blocked(&refusal)[0].1 {
            Why::Used { by } => by[0].name.clone().expect("named"),
            other => panic!("{other:?}"),
        }
    };
    let container = |name: Option<&str>, host_uid| Origin::Container {
        engine: "docker".into(),
        id: "0123456789abcdef".repeat(4),
        name: name.map(str::to_owned),
        host_uid,
    };
    assert_eq!(name(container(None, None)), "container 0123456789ab");
    assert_eq!(name(container(Some("web"), None)), "container web");
    assert_eq!(name(container(None, Some(Uid(1000)))), "uid 1000");
}

#[test]
fn display_servers_and_the_drivers_daemons_keep_nobody_from_a_gpu() {
    let mut world = World::with_gpus(1);
    world.use_gpu(0, 0, "Xorg");
    let Reading::Measured(measured) = &mut world.gpus[0].reading else { panic!("measured") };
    measured.used = Megabytes(200);
    measured.processes[0].context = Context::Graphics;
    let pid = process("nvidia-persistenced").pid;
    let daemon = Process { name: "nvidia-persiste".into(), uid: Some(Uid(0)), ..Process::unknown(pid) };
    measured.processes.push(GpuProcess { pid, memory: None, context: Context::Compute });
    world.owners.insert(pid, daemon);
    world.granted(1, run("a", count(1)));
}

#[test]
fn all_free_takes_every_gpu_that_is_free_and_at_least_one() {
    let mut world = World::with_gpus(3);
    world.granted(1, run("a", exactly(&[1])));
    assert_eq!(world.granted(2, run("b", Demand::AllFree)).gpus, gpus(&[0, 2]));
    assert!(matches!(world.refused(3, nonblock("c", Demand::AllFree)), Refusal::Busy { .. }));
}

#[test]
fn a_commit_that_is_tried_twice_is_one_reservation() {
    let mut world = World::with_gpus(2);
    let first = world.granted(1, run("a", count(1)));
    world.pass(seconds(1));
    assert_eq!(world.granted(1, run("a", count(1))), first);
    assert_eq!(world.pool.reservations.len(), 1);
    assert_eq!(world.refused(2, run("a", count(1))), Refusal::NeedsAuthority, "it is another's");
}

#[test]
fn an_ended_id_is_never_claimed_again() {
    let mut world = World::with_gpus(1);
    world.granted(1, run("a", count(1)));
    let _ = world.finish(1, "a");
    assert_eq!(world.refused(1, run("a", count(1))), Refusal::Ended { id: id("a") });
}

#[test]
fn the_strategy_decides_which_gpus_are_given() {
    let mut world = World::with_gpus(3);
    for (name, uid, gpu) in [("a", 1, 0), ("b", 2, 1)] {
        world.granted(uid, run(name, exactly(&[gpu])));
        world.pass(seconds(5));
        let _ = world.finish(uid, name);
    }
    assert_eq!(world.granted(1, nonblock("c", count(1))).gpus, gpus(&[2]), "never used");
    let _ = world.finish(1, "c");
    let choose = Verb::Choose(Strategy::Affinity);
    assert_eq!(world.apply(&user(1), &choose), Outcome::Refused(Refusal::NeedsAuthority));
    assert_eq!(world.apply(&admin(), &choose), Outcome::Done);
    assert_eq!(world.granted(2, nonblock("d", count(1))).gpus, gpus(&[1]), "its own of before");
    assert_eq!(world.granted(3, nonblock("e", count(2))).gpus, gpus(&[0, 2]));
}

#[test]
fn a_damaged_record_costs_one_gpu_and_an_admin_throws_it_away() {
    let mut world = World::with_gpus(2);
    world.sweep();
    world.granted(1, run("a", exactly(&[1])));
    world.pool.slots.get_mut(&GpuIndex(0)).expect("there").state = SlotState::Damaged { why: "?".into() };
    assert!(matches!(
        blocked(&world.refused(2, nonblock("b", count(1))))[..],
        [(0, Why::Damaged), (1, Why::Reserved { .. })]
    ));
    let reset = |gpu| Verb::Reset(Record::OfGpu(GpuIndex(gpu)));
    assert_eq!(world.apply(&user(2), &reset(0)), Outcome::Refused(Refusal::NeedsAuthority));
    assert!(matches!(world.apply(&admin(), &reset(1)), Outcome::Refused(Refusal::StillReserved { .. })));
    assert!(matches!(world.apply(&admin(), &reset(9)), Outcome::Refused(Refusal::NotInPool { .. })));
    assert_eq!(world.apply(&admin(), &reset(0)), Outcome::Done);
    assert_eq!(world.granted(2, nonblock("b", count(1))).gpus, gpus(&[0]));
}

#[test]
fn a_reservation_with_an_intruder_on_its_gpu_is_no_reason_to_keep_others_waiting() {
    let mut world = World::with_gpus(2);
    world.granted(1, run("h", exactly(&[0])));
    world.use_gpu(0, 9, "intruder");
    world.waits(2, run("wide", count(2)));
    assert_eq!(world.granted(3, run("b", count(1))).gpus, gpus(&[1]), "a release alone would not do for it");
}

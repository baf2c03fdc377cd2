//! Where a run belongs, case by case.

use std::num::NonZeroU32;

use super::*;
use crate::model::ids::Pid;
use crate::model::reservation::Holder;

const ME: Uid = Uid(1000);

fn process(pid: i32) -> Identity {
    Identity { boot: "b".into(), namespace: 1, pid: Pid(pid), start: 7 }
}

fn lease(id: &str, uid: Uid, kind: Kind, gpus: &[u32]) -> Reservation {
    let of_run = |pid| (kind == Kind::Run).then(|| process(pid));
    let holder = Holder { uid: Some(uid), ..Holder::account(0, "me") };
    Reservation { kind, launcher: of_run(10), child: of_run(11), ..Reservation::bare(id, holder, gpus) }
}

fn pool(leases: impl IntoIterator<Item = Reservation>) -> Pool {
    let reservations = leases.into_iter().map(|lease| (lease.id.clone(), lease)).collect();
    Pool { reservations, ..Pool::default() }
}

fn count(number: u32) -> Demand {
    Demand::Count(NonZeroU32::new(number).unwrap())
}

fn exactly(gpus: &[u32]) -> Demand {
    Demand::Exactly(gpus.iter().copied().map(GpuIndex).collect())
}

/// The place of a run below process 11, which asks for `demand` in the environment `around`.
fn found(pool: &Pool, around: &Surroundings, demand: &Demand, count: Count) -> (&'static str, Vec<u32>) {
    match place(pool, ME, around, &Asked { demand, count }, |process| process.pid == Pid(11)) {
        Place::Outside => ("outside", vec![]),
        Place::Inside { gpus, .. } => ("inside", gpus.iter().map(|gpu| gpu.0).collect()),
        Place::Beyond { .. } => ("beyond", vec![]),
    }
}

fn inside_of(id: &str) -> Surroundings {
    Surroundings { reservation: Some(LeaseId::from(id)), visible: Some(vec![GpuIndex(1), GpuIndex(3)]) }
}

#[test]
fn a_run_below_a_run_has_all_of_its_gpus_and_no_more() {
    let pool = pool([lease("run", ME, Kind::Run, &[1, 3])]);
    let around = inside_of("run");
    assert_eq!(found(&pool, &around, &count(1), Count::Default), ("inside", vec![1, 3]));
    assert_eq!(found(&pool, &around, &count(2), Count::Typed), ("inside", vec![1, 3]));
    assert_eq!(found(&pool, &around, &exactly(&[3]), Count::Default), ("inside", vec![1, 3]));
    assert_eq!(found(&pool, &around, &count(3), Count::Typed), ("beyond", vec![]));
    assert_eq!(found(&pool, &around, &exactly(&[2]), Count::Default), ("beyond", vec![]));
}

#[test]
fn what_a_commands_own_options_asked_for_is_what_it_sees_of_the_whole() {
    let pool = pool([lease("r", ME, Kind::Run, &[1, 3])]);
    let sees = |demand: &Demand| found(&pool, &inside_of("r"), demand, Count::TakenOver);
    assert_eq!(sees(&count(1)), ("inside", vec![1]));
    assert_eq!(sees(&exactly(&[3])), ("inside", vec![3]));
    assert_eq!(sees(&Demand::AllFree), ("inside", vec![1, 3]));
    assert_eq!(sees(&count(3)).0, "beyond");
    assert_eq!(sees(&exactly(&[0])).0, "beyond");
}

#[test]
fn the_id_of_a_run_that_is_not_above_proves_nothing() {
    let mut stale = lease("run", ME, Kind::Run, &[1, 3]);
    stale.launcher = Some(process(20));
    stale.child = Some(process(21));
    assert_eq!(found(&pool([stale]), &inside_of("run"), &count(1), Count::Default), ("outside", vec![]));
    assert_eq!(found(&pool([]), &inside_of("gone"), &count(1), Count::Default), ("outside", vec![]));
}

#[test]
fn ones_own_manual_reservation_is_used_by_those_who_name_only_its_gpus() {
    let pool = pool([lease("mine", ME, Kind::Manual, &[1, 3]), lease("other", Uid(7), Kind::Manual, &[2])]);
    let bare = Surroundings::default();
    assert_eq!(found(&pool, &bare, &exactly(&[3]), Count::Default), ("inside", vec![3]));
    assert_eq!(found(&pool, &bare, &exactly(&[1, 2]), Count::Default), ("outside", vec![]));
    assert_eq!(found(&pool, &bare, &count(1), Count::Default), ("outside", vec![]));
    let visible = Surroundings { reservation: None, visible: Some(vec![GpuIndex(1)]) };
    assert_eq!(found(&pool, &visible, &count(1), Count::Default), ("inside", vec![1]));
    assert_eq!(found(&pool, &visible, &count(2), Count::Typed), ("outside", vec![]), "more than is visible");
}

#[test]
fn the_store_is_asked_only_where_the_answer_can_differ() {
    let is_asked = |around: &Surroundings, demand: &Demand| {
        is_possible(around, &Asked { demand, count: Count::Default })
    };
    assert!(!is_asked(&Surroundings::default(), &count(1)));
    assert!(is_asked(&Surroundings::default(), &exactly(&[1])));
    assert!(is_asked(&inside_of("run"), &count(1)));
}

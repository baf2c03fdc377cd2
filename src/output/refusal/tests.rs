//! Every refusal names its object and the next step.

use std::num::NonZeroU32;

use super::super::blockers::tests::{blocked, run_of, used_by};
use super::super::status::scene::{NOW, holder};
use super::*;
use crate::model::device::Provider;
use crate::model::record::PoolRecord;
use crate::model::request::InUse;
use crate::model::share::Share;
use crate::model::verb::Why;

fn gpu(index: u32) -> GpuIndex {
    GpuIndex(index)
}

fn count(gpus: u32) -> Demand {
    Demand::Count(NonZeroU32::new(gpus).unwrap())
}

fn told(why: &Refusal) -> String {
    let (message, hint) = refusal(why, NOW);
    hint.map_or(message.clone(), |hint| format!("{message}\n  {hint}"))
}

#[test]
fn too_few_gpus_are_accounted_for() {
    let blocked_by = vec![
        blocked(0, run_of("alice", 10_920)),
        blocked(1, run_of("alice", 10_920)),
        blocked(2, used_by(Some("bob"))),
    ];
    let busy = Refusal::Busy {
        demand: count(3),
        in_use: InUse::Avoid,
        available: vec![gpu(3)],
        blocked_by,
        share: None,
    };
    assert_eq!(
        refusal(&busy, NOW).0,
        "requested 3, available 1: 2 reserved by alice (run, 3h 2m), 1 in use without reservation by bob"
    );
}

#[test]
fn a_gpu_asked_for_by_id_is_named_with_its_user() {
    let blocked_by = vec![blocked(1, run_of("alice", 60)), blocked(3, used_by(Some("bob")))];
    let busy = Refusal::Busy {
        demand: Demand::Exactly(vec![gpu(3)]),
        in_use: InUse::Avoid,
        available: vec![],
        blocked_by,
        share: None,
    };
    assert_eq!(
        refusal(&busy, NOW).0,
        "GPU 3 is in use without reservation by bob (PID 812, python3)",
        "of what was asked for only"
    );
}

#[test]
fn every_refusal_has_its_message() {
    let id = || LeaseId("5f1e".into());
    let share = || Some(Share { held: 3, limit: NonZeroU32::new(4).unwrap(), leases: vec![id()] });
    let reserved = || vec![blocked(0, run_of("alice", 60))];
    let exactly = |ids: &[u32]| Demand::Exactly(ids.iter().copied().map(GpuIndex).collect());
    let all = [
        Refusal::Busy {
            demand: count(1),
            in_use: InUse::Avoid,
            available: vec![],
            blocked_by: reserved(),
            share: None,
        },
        Refusal::Busy {
            demand: Demand::AllFree,
            in_use: InUse::Avoid,
            available: vec![],
            blocked_by: reserved(),
            share: None,
        },
        Refusal::Busy {
            demand: exactly(&[0]),
            in_use: InUse::Avoid,
            available: vec![],
            blocked_by: reserved(),
            share: None,
        },
        Refusal::Busy {
            demand: exactly(&[0, 2]),
            in_use: InUse::Avoid,
            available: vec![],
            blocked_by: vec![],
            share: None,
        },
        Refusal::Busy {
            demand: exactly(&[2]),
            in_use: InUse::Adopt,
            available: vec![],
            blocked_by: vec![blocked(2, used_by(Some("container web")))],
            share: None,
        },
        Refusal::GaveUp { available: vec![gpu(1)], blocked_by: vec![blocked(0, Why::Draining)], share: None },
        Refusal::Busy {
            demand: count(2),
            in_use: InUse::Avoid,
            available: vec![gpu(1)],
            blocked_by: vec![],
            share: share(),
        },
        Refusal::GaveUp { available: vec![gpu(1)], blocked_by: vec![], share: share() },
        Refusal::BeyondShare { requested: 5, limit: 4 },
        Refusal::TooMany { requested: 9, pool: 8 },
        Refusal::NotInPool { ids: vec![gpu(9)], pool: vec![gpu(0), gpu(1)] },
        Refusal::NotInPool { ids: vec![gpu(8), gpu(9)], pool: vec![] },
        Refusal::NoGpus { reported: 0, requested: None },
        Refusal::NoGpus { reported: 1, requested: Some(8) },
        Refusal::Damaged { record: PoolRecord::GpuCount, why: "not a number of GPUs".into() },
        Refusal::NothingToAdopt { gpus: vec![gpu(3)] },
        Refusal::OtherGpus,
        Refusal::PoolExists { provider: Provider::Nvidia, gpus: 8 },
        Refusal::StillReserved { gpus: [gpu(1), gpu(2)].into() },
        Refusal::NotYours { gpu: gpu(1), holder: holder("alice") },
        Refusal::NotReserved { gpus: vec![gpu(1)] },
        Refusal::LiveRun { gpu: gpu(1), id: id(), command: vec!["python3".into(), "train.py".into()] },
        Refusal::NotManual { gpu: gpu(1) },
        Refusal::NoSuchLease { id: id() },
        Refusal::NeedsAuthority,
        Refusal::Ended { id: id() },
    ];
    insta::assert_snapshot!("refusals", all.iter().map(told).collect::<Vec<_>>().join("\n"));
}

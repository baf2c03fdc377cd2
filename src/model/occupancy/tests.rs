//! Runs the scenes of tests/scenarios/occupancy.toml: one GPU, what is known of it, and the verdict in words.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::model::ids::GpuUuid;
use crate::model::pool::{Slot, SlotState};

mod scene;

use scene::{NOW, Scene, scenes};

/// The verdict as the scenes write it: claim; usage; processes.
fn in_words(pool: &Pool, seen: &Seen<'_>) -> String {
    let gpu = GpuIndex(0);
    let judged = judge(pool, seen, NOW);
    let occupancy = &judged[&gpu];
    let processes: Vec<String> = occupancy.processes.iter().map(process_in_words).collect();
    let usage = usage_in_words(&occupancy.usage);
    let claim = claim_in_words(&occupancy.claim);
    format!("{claim}; {usage}; {}", processes.join(", "))
}

fn claim_in_words(claim: &Claim) -> String {
    match claim {
        Claim::Nobody { .. } => "nobody".into(),
        Claim::Reserved { doubt: None, .. } => "reserved".into(),
        Claim::Reserved { doubt: Some(Doubt::NobodyThere), .. } => "reserved but nobody there".into(),
        Claim::Reserved { doubt: Some(Doubt::SeatOfAnother(seat)), .. } => {
            format!("reserved but {}", seat_in_words(seat))
        }
        Claim::Seated(seat) => seat_in_words(seat),
        Claim::Damaged { .. } => "damaged".into(),
    }
}

fn seat_in_words(seat: &Seat) -> String {
    match seat {
        Seat::Taken { uid, pid, .. } => format!("seat of {uid} {pid}"),
        Seat::TakenBySomebody => "seat of somebody".into(),
    }
}

fn usage_in_words(usage: &Usage) -> String {
    match usage {
        Usage::Idle { used } => format!("idle {used}"),
        Usage::Draining { used } => format!("draining {used}"),
        Usage::InUse { used } => format!("in use {used}"),
        Usage::Unknown(unknown) => format!("unknown: {unknown}"),
    }
}

fn process_in_words(judged: &Judged) -> String {
    let role = match &judged.role {
        Role::Holder => "holder".into(),
        Role::HolderOutside => "holder outside".into(),
        Role::Intruder => "intruder".into(),
        Role::Unattributed => "unattributed".into(),
        Role::System => "system".into(),
        Role::Unreserved => "unreserved".into(),
        Role::Orphan { of } => format!("orphan of {of}"),
    };
    format!("{} {role}", judged.process.pid)
}

#[test]
fn every_scene_has_its_verdict() {
    let mut wrong = String::new();
    let mut names = BTreeSet::new();
    for scene in scenes() {
        assert!(names.insert(scene.name.clone()), "two scenes are called {:?}", scene.name);
        let said = scene.with(in_words);
        if said != scene.expect {
            wrong.push_str(&format!("{}:\n  expected {}\n  got      {said}\n", scene.name, scene.expect));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(names.len() > 40, "the file of scenes was read");
}

#[test]
fn only_an_idle_gpu_of_nobody_is_available() {
    let available =
        |name: &&Scene| name.with(|pool, seen| judge(pool, seen, NOW)[&GpuIndex(0)].is_available());
    let scenes = scenes();
    let names: Vec<&str> = scenes.iter().filter(available).map(|scene| scene.name.as_str()).collect();
    let expected = [
        "an idle GPU",
        "memory at the threshold is nobody's use",
        "what the driver lists but is not there is not use",
        "a display server and a desktop",
        "the driver's daemons",
        "released, and nothing is left",
        "a daemon of the driver that root's reservation saw start is nobody's orphan",
    ];
    assert_eq!(names, expected);
}

/// Every scene once more, with each reason to keep away from the GPU put on top: none of them may be lost.
#[test]
fn nothing_makes_a_gpu_available_that_is_unknown_seated_or_damaged() {
    let never = |pool: &Pool, seen: &Seen<'_>, why: &str, scene: &Scene| {
        assert!(!judge(pool, seen, NOW)[&GpuIndex(0)].is_available(), "{}: {why}", scene.name);
    };
    for scene in scenes() {
        scene.with(|pool, seen| {
            never(pool, &Seen { gpus: &[], ..copy(seen) }, "no driver", &scene);
            let seats = BTreeMap::from([(scene::uuid(), Seat::TakenBySomebody)]);
            never(pool, &Seen { seats: &&seats, ..copy(seen) }, "seat", &scene);
            let damaged = SlotState::Damaged { why: "x".into() };
            let mut damaged_pool = pool.clone();
            damaged_pool.slots.insert(GpuIndex(0), Slot { uuid: Some(scene::uuid()), state: damaged });
            never(&damaged_pool, seen, "damaged", &scene);
        });
    }
}

const fn copy<'a>(seen: &Seen<'a>) -> Seen<'a> {
    Seen { ..*seen }
}

#[test]
fn a_slot_is_found_by_uuid_and_an_unbound_one_by_index() {
    let free = SlotState::Free { last_released: None, past: None };
    let slot = |uuid: Option<&str>| Slot { uuid: uuid.map(GpuUuid::from), state: free.clone() };
    let mut pool = Pool::default();
    pool.slots.insert(GpuIndex(0), slot(Some("GPU-B")));
    pool.slots.insert(GpuIndex(1), slot(Some("GPU-gone")));
    pool.slots.insert(GpuIndex(2), slot(None));
    pool.slots.insert(GpuIndex(3), slot(Some("GPU-D")));
    let gpus = scene::gpus(&[(0, "GPU-A"), (1, "GPU-B"), (2, "GPU-C"), (3, "GPU-D")]);
    let here = scene::here();
    let alive = |_: &crate::model::identity::Identity| crate::model::identity::Life::Alive;
    let seen = Seen {
        here: &here,
        gpus: &gpus,
        owners: &BTreeMap::new(),
        seats: &&BTreeMap::from([(GpuUuid::from("GPU-C"), Seat::TakenBySomebody)]),
        life: &alive,
        threshold: Megabytes(1024),
    };
    let found: Vec<String> = judge(&pool, &seen, NOW)
        .values()
        .map(|occupancy| {
            format!("{}; {}", claim_in_words(&occupancy.claim), usage_in_words(&occupancy.usage))
        })
        .collect();
    let expected = [
        // Granted by index, GPU-A would be used.
        "nobody; unknown: the driver counts it as GPU 1 now",
        "nobody; unknown: not reported by the driver",
        "seat of somebody; idle 0MB",
        "nobody; idle 0MB",
    ];
    assert_eq!(found, expected);
}

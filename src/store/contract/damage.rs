//! Records that make no sense, and fields that only somebody else knows.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::on_each_store;
use super::scene::{Blind, Scene, end, hold, nobody, open, reservation, uuid, waiter};
use crate::model::device::{Device, Provider};
use crate::model::identity::{Here, Life};
use crate::model::ids::{GpuIndex, LeaseId, Megabytes, Timestamp};
use crate::model::pool::{Pool, SlotState};
use crate::model::record::{PoolRecord, Record};
use crate::model::request::{Actor, Authority, Demand, InUse, OnBusy, Request};
use crate::model::reservation::{Kind, UntilExit};
use crate::model::seen::{GpuSeen, Measured, Reading, Seen};
use crate::model::verb::{Outcome, Refusal, Verb};
use crate::store::{Confirmation, Witness};

on_each_store!(
    a_damaged_record_costs_one_gpu_and_is_kept,
    a_damaged_record_can_be_thrown_away,
    a_damaged_record_of_the_whole_pool_is_named_kept_and_told_by_the_others,
    without_others_to_tell_nothing_is_granted_until_it_is_thrown_away,
    a_damaged_entry_of_the_queue_is_passed_over_and_kept,
    unknown_fields_are_kept,
    a_pool_of_chosen_gpus_keeps_its_choice,
);

fn a_damaged_record_costs_one_gpu_and_is_kept(scene: &Scene) {
    let mut client = scene.pool_of(3);
    let garbage = "{\"user\": \"bob\", ";
    scene.poke("gpu:1", garbage);
    let pool = client.look();
    assert!(matches!(pool.slots[&GpuIndex(1)].state, SlotState::Damaged { .. }));
    assert!(matches!(pool.slots[&GpuIndex(2)].state, SlotState::Free { .. }));

    client.change(|pool| hold(pool, reservation("a", &[0, 2])));
    client.change(|pool| end(pool, "a", Timestamp(1_795_445_470_000_000_000)));
    assert_eq!(scene.peek("gpu:1").as_deref(), Some(garbage), "byte for byte");
}

fn a_damaged_record_can_be_thrown_away(scene: &Scene) {
    let mut client = scene.pool_of(2);
    scene.poke("gpu:1", "[]");
    client.change(|pool| {
        pool.slots.get_mut(&GpuIndex(1)).unwrap().state = SlotState::Free { last_released: None, past: None };
    });
    assert_eq!(scene.peek("gpu:1"), None, "a GPU that was never used has no record");
    assert_eq!(client.look().slots[&GpuIndex(1)].state, SlotState::Free { last_released: None, past: None });
}

const GARBAGE: [(&str, &str); 3] = [("pool", "{half"), ("gpu_count", "many"), ("provider", "abacus")];

/// A witness of a driver with four idle GPUs.
struct Driver;

impl Witness for Driver {
    fn observe(&mut self, pool: &Pool, decide: &mut dyn FnMut(&Seen<'_>) -> Outcome) -> Outcome {
        let here = Here { boot: "b0-0t".into(), pid_namespace: 1, network_namespace: 1 };
        let (owners, seats) = (BTreeMap::new(), BTreeMap::new());
        let idle =
            Measured { used: Megabytes(4), total: Megabytes(80_000), utilization: None, processes: vec![] };
        let gpu = |index| GpuSeen {
            device: Device {
                uuid: pool
                    .slots
                    .get(&GpuIndex(index))
                    .and_then(|slot| slot.uuid.clone())
                    .unwrap_or(uuid(index)),
                index: GpuIndex(index),
                name: Some("Test GPU".into()),
                memory: Some(Megabytes(80_000)),
            },
            reading: Reading::Measured(idle.clone()),
        };
        let gpus: Vec<GpuSeen> = (0..4).map(gpu).collect();
        decide(&Seen {
            here: &here,
            gpus: &gpus,
            owners: &owners,
            seats: &&seats,
            life: &|_| Life::Alive,
            threshold: Megabytes(1024),
        })
    }

    fn confirm(&mut self, _: &mut Pool, _: &mut Outcome) -> Confirmation {
        Confirmation::Commit
    }

    fn retract(&mut self) {}
}

fn an_admin() -> Actor {
    Actor { authority: Authority::Admin, ..nobody() }
}

fn reset(scene: &Scene, key: &str) {
    let verb = Verb::Reset(Record::OfPool(PoolRecord::named(key).unwrap()));
    let done = open(&scene.url).apply(&an_admin(), &verb, &mut Blind::default()).unwrap();
    assert_eq!(done.outcome, Outcome::Done, "{key}");
}

fn claim(scene: &Scene, id: &str) -> Outcome {
    let request = Request {
        id: id.into(),
        demand: Demand::Count(NonZeroU32::MIN),
        kind: Kind::Run,
        lasts: None,
        note: None,
        command: Vec::new(),
        client: None,
        network_namespace: None,
        on_busy: OnBusy::Refuse,
        in_use: InUse::Avoid,
        until_exit: UntilExit::No,
        share: None,
        enqueued: None,
    };
    open(&scene.url).apply(&nobody(), &Verb::Claim(request), &mut Driver).unwrap().outcome
}

fn claims_and_ends(scene: &Scene, id: &str) {
    let granted = claim(scene, id);
    assert!(matches!(granted, Outcome::Granted(_)), "{id}: {granted:?}");
    scene.client().change(|pool| end(pool, id, Timestamp(1_795_445_470_000_000_000)));
}

fn a_damaged_record_of_the_whole_pool_is_named_kept_and_told_by_the_others(scene: &Scene) {
    let mut client = scene.pool_of(3);
    client.change(|pool| {
        pool.provider = Some(Provider::Nvidia);
        hold(pool, reservation("a", &[1]));
    });
    let sound = client.look();
    for (key, garbage) in GARBAGE {
        let before = scene.peek(key).unwrap();
        scene.poke(key, garbage);
        let pool = client.look();
        assert_eq!(pool.damaged.keys().map(|record| record.key()).collect::<Vec<_>>(), [key]);
        assert_eq!((pool.provider, pool.slots.len()), (Some(Provider::Nvidia), 3), "{key}");
        assert_eq!(pool.reservations, sound.reservations, "{key}");

        let id = format!("by-{key}");
        claims_and_ends(scene, &id);
        assert_eq!(scene.peek(key).as_deref(), Some(garbage), "byte for byte");

        let refused = open(&scene.url).apply(
            &nobody(),
            &Verb::Reset(Record::OfPool(PoolRecord::named(key).unwrap())),
            &mut Blind::default(),
        );
        assert_eq!(refused.unwrap().outcome, Outcome::Refused(Refusal::NeedsAuthority));
        reset(scene, key);
        let pool = client.look();
        assert!(pool.damaged.is_empty(), "{key}");
        assert_eq!((pool.provider, pool.slots.len()), (Some(Provider::Nvidia), 3), "{key}");
        assert_eq!(pool.reservations, sound.reservations, "{key}");
        claims_and_ends(scene, &format!("after-{key}"));
        if key != "pool" {
            assert_eq!(scene.peek(key), Some(before));
        }
        let pool = client.look();
        reset(scene, key);
        assert_eq!(client.look(), pool, "a record that can be read is not thrown away");
    }
}

fn without_others_to_tell_nothing_is_granted_until_it_is_thrown_away(scene: &Scene) {
    for (key, garbage) in GARBAGE {
        // Nothing but the count, as the Go program leaves it before anything was granted.
        scene.client().look();
        scene.poke("gpu_count", "2");
        scene.poke("pool", "{}");
        scene.poke("provider", "nvidia");
        scene.poke(key, garbage);
        if key != "provider" {
            scene.poke("gpu_count", garbage);
        }
        let refused = claim(scene, "a");
        assert!(matches!(refused, Outcome::Refused(Refusal::Damaged { .. })), "{key}: {refused:?}");
        for (key, _) in GARBAGE {
            reset(scene, key);
        }
        let pool = scene.client().look();
        assert!(pool.damaged.is_empty(), "{key}");
        claims_and_ends(scene, &format!("after-{key}"));
        scene.client().change(|pool| {
            pool.slots.clear();
            pool.provider = None;
        });
    }
}

fn a_damaged_entry_of_the_queue_is_passed_over_and_kept(scene: &Scene) {
    let mut client = scene.pool_of(1);
    client.change(|pool| pool.waiters.push(waiter("w1", 1_795_445_461_000_000_000)));
    scene.poke_queue("broken", 1_795_445_460_000_000_000);
    scene.poke("queue:entry:broken", "{}");
    scene.poke_queue("empty", 1_795_445_459_000_000_000);
    client.change(|pool| {
        assert_eq!(pool.waiters.iter().map(|waiter| waiter.id.as_str()).collect::<Vec<_>>(), ["w1"]);
        pool.waiters.push(waiter("w2", 1_795_445_462_000_000_000));
    });
    client.change(|pool| pool.waiters.retain(|waiter| waiter.id.as_str() == "w2"));
    assert_eq!(client.look().waiters.len(), 1);
    assert_eq!(scene.peek("queue:entry:broken").as_deref(), Some("{}"));
    assert_eq!(scene.peek("queue:entry:w1"), None);
}

/// The record under `key` with a field that this program does not know.
fn with_field(scene: &Scene, key: &str) {
    let mut record: serde_json::Value = serde_json::from_str(&scene.peek(key).unwrap()).unwrap();
    record["from_the_future"] = serde_json::json!({"deep": [1, 2]});
    scene.poke(key, &record.to_string());
}

fn has_field(scene: &Scene, key: &str) -> bool {
    let record: serde_json::Value = serde_json::from_str(&scene.peek(key).unwrap()).unwrap();
    record["from_the_future"] == serde_json::json!({"deep": [1, 2]})
}

fn unknown_fields_are_kept(scene: &Scene) {
    let mut client = scene.pool_of(2);
    client.change(|pool| {
        hold(pool, reservation("a", &[0]));
        pool.waiters.push(waiter("w", 1_795_445_461_000_000_000));
    });
    for key in ["gpu:0", "queue:entry:w", "pool"] {
        with_field(scene, key);
    }
    client.change(|pool| {
        pool.reservations.get_mut(&LeaseId::from("a")).unwrap().heartbeat =
            Timestamp(1_795_445_500_000_000_000);
        pool.waiters[0].looked = Timestamp(1_795_445_500_000_000_000);
        pool.strategy = crate::model::strategy::Strategy::Affinity;
    });
    for key in ["gpu:0", "queue:entry:w", "pool"] {
        assert!(has_field(scene, key), "{key}: {:?}", scene.peek(key));
    }
    client.change(|pool| end(pool, "a", Timestamp(1_795_445_501_000_000_000)));
    assert!(!has_field(scene, "gpu:0"), "what was said of a reservation goes with it");
}

fn a_pool_of_chosen_gpus_keeps_its_choice(scene: &Scene) {
    let mut client = scene.pool_of(4);
    client.change(|pool| pool.slots.retain(|index, _| [1, 3].contains(&index.0)));
    let chosen: Vec<u32> = scene.client().look().slots.keys().map(|index| index.0).collect();
    assert_eq!(chosen, [1, 3]);
    assert_eq!(scene.peek("gpu_count"), None, "the Go program would take others");
    client.change(|pool| hold(pool, reservation("a", &[3])));
    assert_eq!(scene.client().look().reservations.len(), 1);
    client.change(|pool| super::scene::make_pool(pool, 3));
    assert_eq!(scene.peek("gpu_count").as_deref(), Some("3"));
    assert_eq!(scene.client().look().slots.len(), 3);
}

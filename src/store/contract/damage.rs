//! Records that make no sense, and fields that only somebody else knows.

use super::on_each_store;
use super::scene::{Blind, Scene, end, hold, reservation, waiter};
use crate::model::ids::{GpuIndex, LeaseId, Timestamp};
use crate::model::pool::SlotState;
use crate::model::verb::Outcome;
use crate::store::StoreError;

on_each_store!(
    a_damaged_record_costs_one_gpu_and_is_kept,
    a_damaged_record_can_be_thrown_away,
    a_damaged_record_of_the_whole_pool_is_named,
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

fn a_damaged_record_of_the_whole_pool_is_named(scene: &Scene) {
    let mut client = scene.pool_of(2);
    scene.poke("gpu_count", "many");
    let refused = client.try_look().unwrap_err();
    assert!(matches!(&refused, StoreError::Damaged { key, .. } if key == "gpu_count"), "{refused:?}");
    scene.poke("gpu_count", "2");
    scene.poke("provider", "abacus");
    let refused = client.try_change(None, &mut Blind::default(), &mut |_, _, _| Outcome::Done);
    assert!(matches!(refused, Err(StoreError::Foreign { .. })), "{refused:?}");
    scene.poke("provider", "fake");
    assert_eq!(client.look().slots.len(), 2, "and mended");
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

//! Side by side with the Go canhazgpu: a Redis as it left one, read and written by us.

use serde_json::Value as Json;

use super::scene::{Client, Scene, end, hold, reservation};
use crate::model::device::Provider;
use crate::model::ids::{GpuIndex, LeaseId, Timestamp};
use crate::model::pool::SlotState;
use crate::model::request::Demand;
use crate::model::reservation::{Author, Kind};
use crate::store::open::Options;
use crate::store::redis::RedisStore;
use crate::store::session::Session;
use crate::store::url::StoreUrl;

/// Every key with its type and value, as the Go program wrote it while a run, a manual reservation of two GPUs and two
/// waiters, one with a partial grant, were there.
const BUSY: &str = include_str!("go-busy.json");

fn busy() -> Option<Scene> {
    let scene = Scene::redis()?;
    let keys: Json = serde_json::from_str(BUSY).unwrap();
    for (key, content) in keys.as_object().unwrap() {
        match content["type"].as_str().unwrap() {
            "string" => {
                scene.redis_says(&["SET", key, content["value"].as_str().unwrap()]);
            }
            _ => {
                for member in content["value"].as_array().unwrap() {
                    scene.redis_says(&["ZADD", key, &member[1].to_string(), member[0].as_str().unwrap()]);
                }
            }
        }
        if let Some(left) = content["ttl_ms"].as_i64().filter(|left| *left > 0) {
            scene.redis_says(&["PEXPIRE", key, &left.to_string()]);
        }
    }
    Some(scene)
}

fn record(scene: &Scene, key: &str) -> Json {
    serde_json::from_str(&scene.peek(key).unwrap()).unwrap()
}

#[test]
fn a_pool_of_the_go_program_is_understood() {
    let Some(scene) = busy() else { return };
    let pool = scene.client().look();
    assert_eq!((pool.provider, pool.slots.len()), (Some(Provider::Fake), 4));
    assert!(pool.slots.values().all(|slot| slot.uuid.is_none()), "not bound to GPUs yet");

    let run = &pool.reservations[&LeaseId::from("go:1:1795445461")];
    assert_eq!((run.author, run.kind, &run.gpus[..]), (Author::Go, Kind::Run, &[GpuIndex(1)][..]));
    assert_eq!((run.holder.account.as_str(), run.holder.label.as_deref()), ("alice", Some("Alice L.")));
    assert_eq!(run.heartbeat, Timestamp(1_795_445_461_685_440_543));
    assert_eq!(run.note.as_deref(), Some("llama ablation"));
    let partial = &pool.reservations[&LeaseId::from("go:0:1795445464")];
    assert_eq!((partial.holder.account.as_str(), partial.holder.label.as_deref()), ("carol", None));
    let manual = &pool.reservations[&LeaseId::from("go:3:1795445462")];
    assert_eq!((manual.kind, manual.expiry), (Kind::Manual, Some(Timestamp::from_seconds(1_795_618_262))));
    assert_eq!(pool.reservations.len(), 4, "one reservation a GPU");

    let [first, second] = &pool.waiters[..] else { panic!("two waiters") };
    assert_eq!(
        (&first.demand, &first.allocated[..]),
        (&Demand::Count(3.try_into().unwrap()), &[GpuIndex(0)][..])
    );
    assert_eq!(first.give_up, Some(Timestamp(1_795_446_062_191_613_754)));
    assert_eq!(first.author, Author::Go);
    assert_eq!((&second.demand, second.kind), (&Demand::Exactly(vec![GpuIndex(3)]), Kind::Manual));
    assert_eq!(second.lasts.map(|lasts| lasts.as_secs()), Some(14_399));
}

#[test]
fn its_pool_is_noticed_before_another_is_made() {
    let Some(scene) = Scene::redis() else { return };
    let StoreUrl::Redis(url) = &scene.url else { unreachable!() };
    let options = Options::default();
    let session = || Session::new(url.to_string(), options.patience).unwrap();
    assert_eq!(RedisStore::new(url.clone(), &options, session()).gpu_count(), Ok(None));
    scene.redis_says(&["SET", "canhazgpu:gpu_count", "8"]);
    assert_eq!(RedisStore::new(url.clone(), &options, session()).gpu_count(), Ok(Some("8".to_owned())));
}

#[test]
fn an_account_of_the_go_program_gets_its_uid() {
    let Some(scene) = busy() else { return };
    let text = r#"{"user":"root","actual_user":"root","start_time":1795445462,"type":"run"}"#;
    scene.poke("gpu:2", text);
    let pool = scene.client().look();
    let holder = &pool.reservations[&LeaseId::from("go:2:1795445462")].holder;
    assert_eq!(holder.uid, Some(crate::model::ids::Uid::ROOT));
}

#[test]
fn we_hold_beside_it_and_touch_nothing_of_its() {
    let Some(scene) = busy() else { return };
    scene.redis_says(&["SET", "canhazgpu:gpu_count", "6"]);
    let theirs = ["gpu:0", "gpu:1", "gpu:2", "gpu:3", "provider", "gpu_count"];
    let before: Vec<_> = theirs.map(|key| scene.peek(key)).into();
    let mut client = scene.client();
    client.change(|pool| {
        for (index, slot) in &mut pool.slots {
            slot.uuid = Some(crate::model::ids::GpuUuid(format!("GPU-{index}")));
        }
        hold(pool, reservation("ours", &[4, 5]));
    });
    let after: Vec<_> = theirs.map(|key| scene.peek(key)).into();
    assert_eq!(before, after);
    let pool = client.look();
    assert_eq!(pool.reservations[&LeaseId::from("ours")], reservation("ours", &[4, 5]));
    assert_eq!(pool.slots[&GpuIndex(0)].uuid.as_ref().unwrap().as_str(), "GPU-0", "bound now");
}

#[test]
fn what_we_write_is_as_its_scripts_want_it() {
    let Some(scene) = Scene::redis() else { return };
    let mut client = scene.pool_of(2);
    client.change(|pool| {
        let mut manual = reservation("ours", &[0]);
        manual.kind = Kind::Manual;
        manual.expiry = Some(Timestamp(1_795_618_262_500_000_000));
        hold(pool, manual);
        hold(pool, reservation("bare", &[1]));
        let bare = pool.reservations.get_mut(&LeaseId::from("bare")).unwrap();
        bare.holder.label = None;
        (bare.note, bare.launcher, bare.expiry) = (None, None, None);
    });
    let held = record(&scene, "gpu:0");
    for field in ["start_time", "last_heartbeat", "expiry_time"] {
        assert!(held[field].is_i64(), "{field}: {held}");
    }
    assert_eq!((&held["user"], &held["actual_user"]), (&"Alice L.".into(), &"alice".into()));
    assert_eq!((&held["type"], &held["note"]), (&"manual".into(), &"llama ablation".into()));
    let bare = record(&scene, "gpu:1");
    assert_eq!(bare["user"], "alice");
    let fields = bare.as_object().unwrap();
    assert!(!["note", "expiry_time", "label"].iter().any(|name| fields.contains_key(*name)), "{bare}");
    let empty = |value: &Json| value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty);
    assert!(!fields.values().any(empty), "{bare}");

    client.change(|pool| end(pool, "ours", Timestamp(1_795_445_470_000_000_042)));
    let free = record(&scene, "gpu:0");
    assert_eq!(free["last_released"], "2026-11-23T14:51:10.000000042Z");
    assert!(free.get("user").is_none(), "to its scripts a user is what makes a GPU held");
}

/// The part of the Go program's grant that decides by our records, in its own language on the server.
#[test]
fn its_scripts_see_our_gpus_as_held_and_free() {
    let Some(scene) = Scene::redis() else { return };
    let mut client = scene.pool_of(3);
    client.change(|pool| hold(pool, reservation("ours", &[0, 1])));
    client.change(|pool| end(pool, "ours", Timestamp(1_795_445_470_000_000_042)));
    client.change(|pool| hold(pool, reservation("again", &[1])));
    let script = "local free = {} \
        for i = 0, 2 do \
            local text = redis.call('GET', 'canhazgpu:gpu:' .. i) \
            if not text then table.insert(free, i .. ' never used') else \
                local state = cjson.decode(text) \
                if not state.user then \
                    table.insert(free, i .. ' ' .. string.match(state.last_released, '(%d+-%d+-%d+T%d+:%d+:%d+)')) \
                end \
            end \
        end \
        return table.concat(free, ', ')";
    let answer = scene.redis_says(&["EVAL", script, "0"]);
    assert_eq!(answer, redis::Value::BulkString(b"0 2026-11-23T14:51:10, 2 never used".to_vec()));
}

/// A record that passed through its scripts' JSON has whole numbers still.
#[test]
fn our_record_survives_being_rewritten_by_its_scripts() {
    let Some(scene) = Scene::redis() else { return };
    let mut client = scene.pool_of(2);
    let done = client.change(|pool| hold(pool, reservation("ours", &[0])));
    let script = "redis.call('SET', KEYS[1], cjson.encode(cjson.decode(redis.call('GET', KEYS[1]))))";
    scene.redis_says(&["EVAL", script, "1", "canhazgpu:gpu:0"]);
    assert_eq!(client.look().reservations, done.pool.reservations);
}

#[test]
fn its_fields_survive_our_rewriting() {
    let Some(scene) = busy() else { return };
    let mut client = scene.client();
    client.change(|pool| {
        let later = Timestamp::from_seconds(1_795_700_000);
        pool.reservations.get_mut(&LeaseId::from("go:2:1795445462")).unwrap().expiry = Some(later);
        let partial = pool.reservations.get_mut(&LeaseId::from("go:0:1795445464")).unwrap();
        partial.note = Some("seen".into());
        pool.waiters[0].looked = later;
    });
    let manual = record(&scene, "gpu:2");
    assert_eq!(manual["expiry_time"], 1_795_700_000);
    assert_eq!((&manual["user"], &manual["start_time"]), (&"bob".into(), &1_795_445_462.into()));
    assert!(manual.get("id").is_none() && manual.get("uid").is_none(), "still its own: {manual}");
    assert_eq!(record(&scene, "gpu:0")["partial_queue_id"], "107024fc-c42e-4668-86af-a4586cc60a29");
    let entry = record(&scene, "queue:entry:107024fc-c42e-4668-86af-a4586cc60a29");
    assert_eq!(entry["requested_count"], 3);
    assert_eq!(entry["allocated_gpus"], serde_json::json!([0]));
    assert!(entry.get("demand").is_none(), "still its own: {entry}");
    assert_eq!(client.look().waiters[0].author, Author::Go);
}

#[test]
fn the_history_is_shared_and_lives_on() {
    let Some(scene) = busy() else { return };
    let mut client = scene.client();
    let theirs = client.history();
    assert_eq!(theirs.len(), 2);
    assert_eq!(theirs[0].reservation.holder.account, "alice");
    assert_eq!(theirs[0].at, Timestamp(1_795_445_460_618_770_377));
    assert_eq!(theirs[1].reservation.author, Author::Go);

    let now = crate::store::session::system_time();
    client.change(|pool| {
        let ids: Vec<LeaseId> = pool.reservations.keys().cloned().collect();
        ids.iter().for_each(|id| end(pool, id.as_str(), now));
        hold(pool, reservation("ours", &[0]));
    });
    client.change(|pool| end(pool, "ours", Timestamp(now.0 + 1_000_000_000)));
    assert_eq!(scene.redis_says(&["PTTL", "canhazgpu:usage_history_sorted"]), redis::Value::Int(-1));
    assert!(matches!(client.look().slots[&GpuIndex(0)].state, SlotState::Free { .. }));

    let lines = scene.redis_says(&["ZRANGE", "canhazgpu:usage_history_sorted", "-1", "-1"]);
    let lines: Vec<String> = redis::from_redis_value(lines).unwrap();
    let line: Json = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((&line["user"], &line["gpu_id"]), (&"Alice L.".into(), &0.into()));
    assert!(line["start_time"].is_string() && line["end_time"].is_string());
    assert!(line["duration_seconds"].is_f64());
    assert_eq!(line["reservation_type"], "run");
}

#[test]
fn a_pool_resized_by_its_admin_is_followed() {
    let Some(scene) = Scene::redis() else { return };
    let mut client: Client = scene.pool_of(2);
    client.change(|pool| pool.slots.retain(|index, _| index.0 == 1));
    scene.redis_says(&["SET", "canhazgpu:gpu_count", "12"]);
    let pool = client.look();
    assert_eq!(pool.slots.len(), 12, "more than were watched before");
    assert!(pool.slots[&GpuIndex(1)].uuid.is_some());
    client.change(|pool| hold(pool, reservation("a", &[11])));
    assert_eq!(scene.client().look().reservations.len(), 1);
}

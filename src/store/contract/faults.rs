//! What a Redis server may refuse, and what the reader is told then.

use std::time::Duration;

use super::scene::{Blind, Client, Scene, Server, end, hold, reservation, waiter};
use super::wait_until;
use crate::model::ids::{GpuIndex, LeaseId, Timestamp};
use crate::model::pool::SlotState;
use crate::model::record::PoolRecord;
use crate::model::verb::Outcome;
use crate::store::url::StoreUrl;
use crate::store::{Options, StoreError, open};

fn url_with(scene: &Scene, more: &str) -> StoreUrl {
    let socket = scene.server.as_ref().unwrap().socket.display();
    StoreUrl::parse(&format!("redis+unix://{socket}?db=0{more}")).unwrap()
}

#[test]
fn accounts_and_passwords_are_used_and_never_shown() {
    let Some(scene) = Scene::redis() else { return };
    scene.redis_says(&["ACL", "SETUSER", "ann", "on", ">s@cret", "~canhazgpu:*", "+@all"]);
    scene.redis_says(&["ACL", "SETUSER", "eve", "on", ">s@cret", "~canhazgpu:*", "+@read"]);
    scene.redis_says(&["CONFIG", "SET", "requirepass", "hunter2"]);

    Client::of(&url_with(&scene, "&user=ann&pass=s%40cret")).change(|pool| super::scene::make_pool(pool, 1));
    assert_eq!(Client::of(&url_with(&scene, "&pass=hunter2")).look().slots.len(), 1);

    let file = scene.path().join("password");
    std::fs::write(&file, "hunter2\n").unwrap();
    let options = Options { password_file: Some(file), ..Options::default() };
    open(&url_with(&scene, ""), &options).unwrap().snapshot().unwrap();
    let nowhere = Options { password_file: Some(scene.path().join("none")), ..Options::default() };
    let mut pending = open(&url_with(&scene, ""), &nowhere).unwrap();
    assert!(matches!(pending.snapshot(), Err(StoreError::Denied { .. })));
    std::fs::write(scene.path().join("none"), "hunter2\n").unwrap();
    pending.snapshot().unwrap();

    for account in ["", "&pass=wrong-s%40cret", "&user=eve&pass=s%40cret", "&user=nobody&pass=hunter2"] {
        let url = url_with(&scene, account);
        let refused = Client::of(&url).try_look().unwrap_err();
        assert!(matches!(refused, StoreError::Denied { .. }), "{account}: {refused:?}");
        for shown in [refused.to_string(), format!("{refused:?}"), format!("{url:?}"), url.to_string()] {
            assert!(!shown.contains("s@cret") && !shown.contains("hunter2"), "{shown}");
        }
    }
}

#[test]
fn a_password_that_the_server_does_not_want_is_told() {
    let Some(scene) = Scene::redis() else { return };
    let refused = Client::of(&url_with(&scene, "&pass=hunter2")).try_look().unwrap_err();
    assert!(matches!(refused, StoreError::Denied { .. }), "{refused:?}");
}

#[test]
fn a_server_that_cannot_write_is_told_and_the_grant_is_retracted() {
    let Some(scene) = Scene::redis() else { return };
    let mut client = scene.pool_of(1);
    for (set, unset) in [
        (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]),
        (["CONFIG", "SET", "min-replicas-to-write", "1"], ["CONFIG", "SET", "min-replicas-to-write", "0"]),
    ] {
        scene.redis_says(&set);
        let witness = &mut Blind::default();
        let refused = client.try_change(None, witness, &mut |pool, _, _| {
            hold(pool, reservation("a", &[0]));
            Outcome::Done
        });
        assert!(matches!(refused, Err(StoreError::NotWritable { .. })), "{refused:?}");
        assert_eq!((witness.confirmed.get(), witness.retracted.get()), (1, 1));
        assert!(client.look().reservations.is_empty(), "looking goes on");
        scene.redis_says(&unset);
    }
    scene.redis_says(&["REPLICAOF", "127.0.0.1", "1"]);
    let refused = client.try_change(None, &mut Blind::default(), &mut |pool, _, _| {
        hold(pool, reservation("a", &[0]));
        Outcome::Done
    });
    assert!(matches!(refused, Err(StoreError::NotWritable { .. } | StoreError::Busy { .. })), "{refused:?}");
}

#[test]
fn keys_of_another_type_are_damage() {
    let Some(scene) = Scene::redis() else { return };
    let mut client = scene.pool_of(2);
    scene.redis_says(&["LPUSH", "canhazgpu:gpu:0", "x"]);
    assert!(matches!(client.look().slots[&GpuIndex(0)].state, SlotState::Damaged { .. }));
    client.change(|pool| hold(pool, reservation("a", &[1])));
    assert_eq!(scene.redis_says(&["LLEN", "canhazgpu:gpu:0"]), redis::Value::Int(1), "kept");
    scene.redis_says(&["SET", "canhazgpu:queue", "x"]);
    let pool = client.look();
    assert!(pool.damaged.contains_key(&PoolRecord::Queue) && pool.reservations.len() == 1, "{pool:?}");
    client.change(|pool| pool.damaged.clear());
    client.change(|pool| pool.waiters.push(super::scene::waiter("w", 1_795_445_461_000_000_000)));
    assert_eq!(client.look().waiters.len(), 1, "thrown away");
}

#[test]
fn what_is_known_of_the_past_may_be_damaged_and_costs_no_more_than_that() {
    let Some(scene) = Scene::redis() else { return };
    let mut client = scene.pool_of(2);
    let both = ["canhazgpu:ended", "canhazgpu:usage_history_sorted"];
    for key in both {
        scene.redis_says(&["SET", key, "x"]);
    }
    client.change(|pool| hold(pool, reservation("a", &[0])));
    client.change(|pool| end(pool, "a", crate::store::session::system_time()));
    let pool = client.look();
    assert!(pool.reservations.is_empty(), "its end is committed");
    let named: Vec<PoolRecord> = pool.damaged.keys().copied().collect();
    assert_eq!(named, [PoolRecord::Ended, PoolRecord::History]);
    let kept = both.map(|key| scene.redis_says(&["GET", key]));
    assert!(kept.iter().all(|value| *value == redis::Value::BulkString(b"x".to_vec())), "{kept:?}");

    client.change(|pool| pool.damaged.clear());
    client.change(|pool| hold(pool, reservation("b", &[0])));
    client.change(|pool| end(pool, "b", crate::store::session::system_time()));
    assert_eq!(client.history().len(), 1, "thrown away");
    assert!(client.look().damaged.is_empty());
}

#[test]
fn prefixes_and_database_numbers_keep_pools_apart() {
    let Some(scene) = Scene::redis() else { return };
    scene.pool_of(2);
    let other = Options { prefix: "host-b:".to_owned(), ..Options::default() };
    let mut elsewhere = Client::with(&scene.url, &other);
    assert!(elsewhere.look().slots.is_empty());
    elsewhere.change(|pool| super::scene::make_pool(pool, 3));
    assert_eq!(scene.client().look().slots.len(), 2);
    let socket = scene.server.as_ref().unwrap().socket.display();
    let third = StoreUrl::parse(&format!("redis+unix://{socket}?db=3")).unwrap();
    assert!(Client::of(&third).look().slots.is_empty());
    let no_such = StoreUrl::parse(&format!("redis+unix://{socket}?db=99")).unwrap();
    assert!(Client::of(&no_such).try_look().is_err());
}

#[test]
fn a_lock_of_the_go_program_is_waited_for() {
    let Some(scene) = Scene::redis() else { return };
    let mut client = scene.pool_of(2);
    scene.redis_says(&["SET", "canhazgpu:allocation_lock", "locked", "PX", "120"]);
    let begun = std::time::Instant::now();
    client.change(|pool| hold(pool, reservation("a", &[0])));
    assert!(begun.elapsed() >= Duration::from_millis(80), "{:?}", begun.elapsed());

    scene.redis_says(&["SET", "canhazgpu:allocation_lock", "locked"]);
    assert_eq!(client.look().reservations.len(), 1, "looking does not wait");
    let options = Options { patience: Duration::from_millis(100), ..Options::default() };
    let mut hasty = Client::with(&scene.url, &options);
    let witness = &mut Blind::default();
    let refused = hasty.try_change(None, witness, &mut |pool, _, _| {
        hold(pool, reservation("b", &[1]));
        Outcome::Done
    });
    assert!(matches!(refused, Err(StoreError::Busy { .. })), "{refused:?}");
    assert_eq!(witness.confirmed.get(), 0, "no seat is taken for a grant that has to wait");
}

/// A client of the Go program that asks a slow driver under its lock, and takes it again at once.
#[test]
fn a_lock_that_is_hardly_ever_free_is_had_in_between() {
    let Some(scene) = Scene::redis() else { return };
    let mut client = scene.pool_of(1);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let is_over = || over.load(std::sync::atomic::Ordering::SeqCst);
            while !is_over() {
                let taken =
                    scene.redis_says(&["SET", "canhazgpu:allocation_lock", "locked", "NX", "EX", "10"]);
                if taken == redis::Value::Okay {
                    std::thread::sleep(Duration::from_millis(150));
                    scene.redis_says(&["DEL", "canhazgpu:allocation_lock"]);
                }
            }
        });
        for turn in 0..5 {
            let id = format!("turn-{turn}");
            let witness = &mut Blind::default();
            let done = client.try_change(None, witness, &mut |pool, _, _| {
                hold(pool, reservation(&id, &[0]));
                Outcome::Done
            });
            let done =
                done.map(|_| client.change(|pool| end(pool, &id, Timestamp(1_795_445_470_000_000_000))));
            if done.is_err() || turn == 4 {
                over.store(true, std::sync::atomic::Ordering::SeqCst);
            }
            assert!(done.is_ok(), "{turn}: {done:?}");
        }
    });
    assert_eq!(
        scene.redis_says(&["EXISTS", "canhazgpu:allocation_lock"]),
        redis::Value::Int(0),
        "given back"
    );
}

/// The Go program takes what it reads as free, and nothing else: what is given back meanwhile is nothing to it.
#[test]
fn what_takes_no_gpu_does_not_wait_for_the_lock() {
    let Some(scene) = Scene::redis() else { return };
    let mut client = scene.pool_of(2);
    client.change(|pool| hold(pool, reservation("a", &[0])));
    scene.redis_says(&["SET", "canhazgpu:allocation_lock", "locked"]);
    let begun = std::time::Instant::now();
    let renewed = Timestamp::from_seconds(1_795_700_000);
    client.change(|pool| {
        let held = pool.reservations.get_mut(&LeaseId::from("a")).unwrap();
        held.heartbeat = renewed;
        pool.waiters.push(waiter("w", 1));
    });
    let pool = client.look();
    assert_eq!((pool.reservations[&LeaseId::from("a")].heartbeat, pool.waiters.len()), (renewed, 1));
    client.change(|pool| {
        pool.waiters.clear();
        end(pool, "a", Timestamp(1_795_700_001_000_000_000));
    });
    let pool = client.look();
    assert!(pool.reservations.is_empty() && pool.waiters.is_empty());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_lock_that_appears_meanwhile_aborts_the_commit() {
    let Some(scene) = Scene::redis() else { return };
    let mut client = scene.pool_of(1);
    scene.disturbs(&mut client, &["SET", "canhazgpu:allocation_lock", "locked", "PX", "50"]);
}

#[test]
fn a_server_that_is_not_there_or_does_not_answer_is_told_in_time() {
    let place = tempfile::tempdir().unwrap();
    let nowhere =
        StoreUrl::parse(&format!("redis+unix://{}/none.sock?db=0", place.path().display())).unwrap();
    assert!(matches!(Client::of(&nowhere).try_look(), Err(StoreError::Unreachable { .. })));

    let mute = std::os::unix::net::UnixListener::bind(place.path().join("mute.sock")).unwrap();
    let url = StoreUrl::parse(&format!("redis+unix://{}/mute.sock?db=0", place.path().display())).unwrap();
    let options = Options { answer_timeout: Duration::from_millis(100), ..Options::default() };
    let begun = std::time::Instant::now();
    let refused = Client::with(&url, &options).try_look().unwrap_err();
    assert!(matches!(refused, StoreError::Unreachable { .. }), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(3));
    drop(mute);
}

#[test]
fn something_else_than_redis_is_told_apart() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let web = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let refused = Client::of(&StoreUrl::redis_at("127.0.0.1", port, 0)).try_look().unwrap_err();
    assert!(matches!(refused, StoreError::Foreign { .. }), "{refused:?}");
    web.join().unwrap();
}

#[test]
fn a_loading_server_is_waited_for() {
    let Some(mut scene) = Scene::redis() else { return };
    scene.pool_of(2);
    // Enough that loading takes a moment, which key-load-delay stretches.
    for n in 0..200 {
        scene.redis_says(&["SET", &format!("filler:{n}"), "x"]);
    }
    assert_eq!(scene.redis_says(&["SAVE"]), redis::Value::Okay);
    scene.server.as_mut().unwrap().kill();
    let slow = [
        "--dbfilename",
        "dump.rdb",
        "--key-load-delay",
        "2000",
        "--loading-process-events-interval-bytes",
        "1024",
    ];
    scene.server = Server::start(scene.path(), &slow);
    let mut client = scene.client();
    wait_until("the pool is back", || client.try_look().is_ok_and(|seen| seen.pool.slots.len() == 2));
}

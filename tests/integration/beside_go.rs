//! Beside the Go canhazgpu on one Redis: what it wrote is shown as it shows it, and both grant at the same time. The Go
//! program itself is played: the commands that it sends, in their order, with its locks and without them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use serde_json::{Map, Value, json};

use crate::support::host::{Host, Store, me};
use crate::support::redis::Server;
use crate::support::wait::wait_until;

/// All keys with their types and values, as the Go program wrote them at [`WRITTEN`].
const BUSY: &str = include_str!("../../src/store/contract/go-busy.json");
const WRITTEN: &str = "2026-11-23T14:51:08.2Z";

/// A host with the pool of the Go program, which knows nothing of UUIDs.
fn host_of_go(gpus: u32) -> Host {
    let host = Host::on(Store::Redis, gpus);
    let server = host.redis.as_ref().unwrap();
    server.ask(&["SET", "canhazgpu:gpu_count", &gpus.to_string()]);
    server.ask(&["SET", "canhazgpu:provider", "nvidia"]);
    host
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn rfc3339(at: Duration) -> String {
    humantime::format_rfc3339_nanos(UNIX_EPOCH + at).to_string()
}

/// Everything in a value that is a time of that day, this much later.
fn later(value: &Value, by: Duration) -> Value {
    match value {
        Value::String(text) => match humantime::parse_rfc3339(text) {
            Ok(at) => json!(humantime::format_rfc3339_nanos(at + by).to_string()),
            Err(_) => value.clone(),
        },
        Value::Number(number) => match number.as_u64() {
            Some(seconds @ 1_795_000_000..1_796_000_000) => json!(seconds + by.as_secs()),
            _ => value.clone(),
        },
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, field)| (name.clone(), later(field, by))).collect())
        }
        other => other.clone(),
    }
}

/// Puts the records of the fixture into the server, as if they had been written just now.
fn fill(server: &Server) {
    let written = humantime::parse_rfc3339(WRITTEN).unwrap();
    // Whole seconds, so that whole seconds stay whole.
    let by = Duration::from_secs(SystemTime::now().duration_since(written).unwrap().as_secs());
    let shifted = |text: &str| later(&serde_json::from_str(text).unwrap_or(json!(text)), by).to_string();
    let keys: Map<String, Value> = serde_json::from_str(BUSY).unwrap();
    for (key, content) in &keys {
        match &content["value"] {
            Value::String(text) if text.starts_with('{') => drop(server.ask(&["SET", key, &shifted(text)])),
            Value::String(text) => drop(server.ask(&["SET", key, text])),
            members => {
                for member in members.as_array().unwrap() {
                    let (name, score) = (member[0].as_str().unwrap(), member[1].as_f64().unwrap());
                    let by = if score > 1e18 { by.as_secs_f64() * 1e9 } else { by.as_secs_f64() };
                    let name = if name.starts_with('{') { shifted(name) } else { name.to_owned() };
                    server.ask(&["ZADD", key, &format!("{}", score + by), &name]);
                }
            }
        }
    }
    server.ask(&["SET", "canhazgpu:provider", "nvidia"]);
}

/// What the Go program printed of the fixture, without what depends on the second.
fn fields(of: &Value, names: &[&str]) -> Value {
    Value::Array(
        of.as_array()
            .unwrap()
            .iter()
            .map(|one| {
                let kept =
                    names.iter().filter_map(|name| Some(((*name).to_owned(), one.get(*name)?.clone())));
                Value::Object(kept.collect())
            })
            .collect(),
    )
}

#[test]
fn what_it_wrote_is_shown_as_it_shows_it() {
    let host = Host::on(Store::Redis, 4);
    fill(host.redis.as_ref().unwrap());

    let status = host.json(&["status"]);
    let expected = json!([
        {"gpu_id": 0, "status": "IN_USE", "user": "carol", "type": "RUN", "validation": "no usage detected"},
        {"gpu_id": 1, "status": "IN_USE", "user": "alice (Alice L.)", "type": "RUN", "note": "llama ablation",
         "validation": "no usage detected"},
        {"gpu_id": 2, "status": "IN_USE", "user": "bob", "type": "MANUAL", "note": "demo",
         "validation": "no usage detected"},
        {"gpu_id": 3, "status": "IN_USE", "user": "bob", "type": "MANUAL", "note": "demo",
         "validation": "no usage detected"},
    ]);
    assert_eq!(fields(&status, &["gpu_id", "status", "user", "type", "note", "validation"]), expected);
    let details = |gpu: usize| status[gpu]["details"].as_str().unwrap();
    assert!(details(0).starts_with("heartbeat 0h 0m ") && details(0).ends_with(" ago"), "{}", details(0));
    assert!(details(2).starts_with("expires in 47h 59m "), "{}", details(2));
    assert!(status[0]["last_heartbeat"].is_string() && status[3]["expiry_time"].is_string(), "{status}");

    let queue = host.json(&["queue"]);
    let expected = json!([
        {"id": "107024fc-c42e-4668-86af-a4586cc60a29", "user": "carol", "actual_user": "carol",
         "requested_count": 3, "allocated_gpus": [0], "reservation_type": "run"},
        {"id": "8fd4c49d-9599-454f-bf73-5db9c33516f8", "user": "dave", "actual_user": "dave",
         "requested_count": 1, "requested_ids": [3], "allocated_gpus": [], "reservation_type": "manual",
         "expiry_duration": 14_399_999_376_851_u64, "note": "later"},
    ]);
    let names = ["id", "user", "actual_user", "requested_count", "requested_ids", "allocated_gpus"];
    let names = [&names[..], &["reservation_type", "expiry_duration", "note"]].concat();
    assert_eq!(fields(&queue["entries"], &names), expected);
    let in_the_way = queue["entries"][0]["blocked_by"].as_array().unwrap().iter();
    let in_the_way: Vec<&Value> = in_the_way.map(|blocker| &blocker["gpu_id"]).collect();
    assert_eq!(in_the_way, [1, 2, 3], "not the GPU that it has been given already");
    let totals =
        ["total_waiting", "total_gpus_requested", "total_gpus_allocated"].map(|name| queue[name].clone());
    assert_eq!(totals, [json!(2), json!(4), json!(1)]);

    let report = host.json(&["report"]);
    let mut users: Vec<Value> = report["users"].as_array().unwrap().clone();
    users.sort_by_key(|user| user["name"].as_str().unwrap().to_owned());
    let expected = json!([
        {"name": "alice", "run_count": 0, "manual_count": 1},
        {"name": "alice (Alice L.)", "run_count": 1, "manual_count": 0},
        {"name": "bob", "run_count": 1, "manual_count": 2},
        {"name": "carol", "run_count": 1, "manual_count": 0},
    ]);
    assert_eq!(fields(&Value::Array(users), &["name", "run_count", "manual_count"]), expected);
    assert_eq!((&report["total_reservations"], &report["unique_users"]), (&json!(6), &json!(4)));
}

/// A client of the Go program, as far as Redis sees it.
struct Go<'a> {
    server: &'a Server,
    user: String,
}

/// The first GPU without a holder, in one step on the server.
const GRANT: &str = "
    local now = tonumber(ARGV[1])
    for gpu = 0, tonumber(redis.call('GET', 'canhazgpu:gpu_count')) - 1 do
        local key = 'canhazgpu:gpu:' .. gpu
        local text = redis.call('GET', key)
        if not text or not cjson.decode(text).user then
            local record = { user = ARGV[2], actual_user = ARGV[2], start_time = now, last_heartbeat = now, type = 'run' }
            redis.call('SET', key, cjson.encode(record))
            return gpu
        end
    end
    return redis.error_reply('Not enough GPUs available')";

impl Go<'_> {
    fn key(gpu: u32) -> String {
        format!("canhazgpu:gpu:{gpu}")
    }

    /// Under the lock; `None` when another holds it or no GPU is free.
    fn grant(&self) -> Option<u32> {
        let lock = ["SET", "canhazgpu:allocation_lock", "locked", "EX", "10", "NX"];
        if self.server.ask(&lock) != "OK" {
            return None;
        }
        let (seconds, user) = (now().as_secs().to_string(), &self.user);
        let granted = self.server.ask(&["EVAL", GRANT, "0", &seconds, user]);
        self.server.ask(&["DEL", "canhazgpu:allocation_lock"]);
        granted.parse().ok()
    }

    /// What it reads of its own: it keeps only the fields that it knows.
    fn own(&self, gpu: u32) -> Option<Map<String, Value>> {
        let record: Value = serde_json::from_str(&self.server.ask(&["GET", &Self::key(gpu)])).ok()?;
        (record["user"] == json!(self.user) && record["type"] == "run").then_some(())?;
        let known = ["user", "actual_user", "start_time", "last_heartbeat", "type", "note"];
        let record = record.as_object()?.clone();
        Some(record.into_iter().filter(|(name, _)| known.contains(&name.as_str())).collect())
    }

    /// Without any lock: reads, then writes.
    fn beat(&self, gpu: u32) {
        if let Some(mut record) = self.own(gpu) {
            record.insert("last_heartbeat".into(), json!(rfc3339(now())));
            self.server.ask(&["SET", &Self::key(gpu), &Value::Object(record).to_string()]);
        }
    }

    /// Without any lock: reads, then writes.
    fn release(&self, gpu: u32) {
        let Some(record) = self.own(gpu) else { return };
        let ended = now();
        let line = json!({
            "user": self.user, "gpu_id": gpu, "start_time": record["start_time"], "end_time": rfc3339(ended),
            "duration_seconds": 0.1, "reservation_type": "run",
        });
        let history = "canhazgpu:usage_history_sorted";
        self.server.ask(&["ZADD", history, &ended.as_secs().to_string(), &line.to_string()]);
        self.server.ask(&["EXPIRE", history, "7776000"]);
        self.free(gpu);
    }

    fn free(&self, gpu: u32) {
        let free = json!({ "last_released": rfc3339(now()) });
        self.server.ask(&["SET", &Self::key(gpu), &free.to_string()]);
    }
}

const GUARD: &str = r#"
mkdir "$HERE/hands/$CUDA_VISIBLE_DEVICES" || { echo "GPU $CUDA_VISIBLE_DEVICES is in two hands"; exit 99; }
sleep 0.02
rmdir "$HERE/hands/$CUDA_VISIBLE_DEVICES"
"#;

#[test]
fn both_grant_at_the_same_time_and_no_gpu_is_ever_in_two_hands() {
    let host = host_of_go(3);
    let hands = host.path("hands");
    fs::create_dir(&hands).unwrap();
    fs::set_permissions(&hands, Permissions::from_mode(0o777)).unwrap();
    let server = host.redis.as_ref().unwrap();
    let until = Instant::now() + Duration::from_secs(6);
    let mut granted = [0; 2];
    thread::scope(|scope| {
        let go = (0..3).map(|number| {
            let hands = &hands;
            scope.spawn(move || {
                let go = Go { server, user: format!("gopher{number}") };
                let mut grants = 0;
                while Instant::now() < until {
                    // It stands back in between, and longer than this when it did not get the lock.
                    thread::park_timeout(Duration::from_millis(20));
                    let Some(gpu) = go.grant() else { continue };
                    let hand = hands.join(gpu.to_string());
                    fs::create_dir(&hand)
                        .unwrap_or_else(|error| panic!("GPU {gpu} is in two hands: {error}"));
                    go.beat(gpu);
                    fs::remove_dir(&hand).unwrap();
                    go.release(gpu);
                    grants += 1;
                }
                grants
            })
        });
        let ours = (0..3).map(|_| {
            let host = &host;
            scope.spawn(move || {
                let mut grants = 0;
                while Instant::now() < until {
                    let ended = host.me().runs(&["--", "sh", "-c", GUARD]);
                    assert_eq!(ended.code, Some(0), "{ended}");
                    grants += 1;
                }
                grants
            })
        });
        let (go, ours): (Vec<_>, Vec<_>) = (go.collect(), ours.collect());
        granted = [go, ours].map(|side| side.into_iter().map(|one| one.join().unwrap()).sum::<u32>());
    });
    assert!(granted.iter().all(|grants| *grants >= 3), "{granted:?}");
    host.me().does(&["--", "true"]);
    for gpu in 0..3 {
        host.shows(gpu, "AVAILABLE (last released");
    }
    let report = host.json(&["report"]);
    assert_eq!(report["total_reservations"], json!(granted[0] + granted[1] + 1), "each in the history once");
    assert_eq!(server.ask(&["PTTL", "canhazgpu:usage_history_sorted"]), "-1", "which lives on");
}

#[test]
fn a_record_that_it_erases_is_claimed_again_while_its_run_goes_on() {
    let host = host_of_go(2);
    let server = host.redis.as_ref().unwrap();
    let go = Go { server, user: "gopher".into() };
    let its = go.grant().expect("nobody else is there");
    let run = host.me().holds(&["-n", "ours"]);
    let ours = 1 - its;
    let id = host.json(&["status"])[ours as usize]["reservation"]["id"].clone();
    assert!(id.is_string());
    // A second after the grant, then every five.
    for within in [Duration::from_secs(4), Duration::from_secs(9)] {
        let erased = Instant::now();
        go.free(ours);
        wait_until("the record is back", || {
            server.ask(&["GET", &Go::key(ours)]).contains(id.as_str().unwrap())
        });
        assert!(erased.elapsed() < within, "{:?}", erased.elapsed());
        assert!(host.line(ours as usize).contains("[note: ours]"), "{}", host.line(ours as usize));
    }
    assert!(go.own(its).is_some(), "and its own is as it was");
    run.stops();
    go.release(its);
    host.shows(ours as usize, "AVAILABLE");
}

#[test]
fn its_lock_is_waited_for_and_a_waiter_of_its_keeps_its_turn() {
    let host = host_of_go(1);
    let server = host.redis.as_ref().unwrap();
    server.ask(&["SET", "canhazgpu:allocation_lock", "locked", "PX", "700"]);
    let begun = Instant::now();
    host.me().does(&["--nonblock", "--", "true"]);
    assert!(begun.elapsed() >= Duration::from_millis(600), "{:?}", begun.elapsed());

    // In line before ours, and alive by its heartbeat: the free GPU is its.
    let at = now();
    let entry = json!({
        "id": "a1", "user": "gopher", "actual_user": "gopher", "requested_count": 1, "allocated_gpus": [],
        "reservation_type": "run", "enqueue_time": rfc3339(at), "last_heartbeat": rfc3339(at),
    });
    server.ask(&["SET", "canhazgpu:queue:entry:a1", &entry.to_string()]);
    server.ask(&["ZADD", "canhazgpu:queue", &at.as_nanos().to_string(), "a1"]);
    let waiter = host.me().waits(&["--", "echo", "served"]);
    waiter.says("set aside for gopher (ahead in line)");
    let go = Go { server, user: "gopher".into() };
    let gpu = go.grant().unwrap();
    server.ask(&["ZREM", "canhazgpu:queue", "a1"]);
    server.ask(&["DEL", "canhazgpu:queue:entry:a1"]);
    waiter.says("GPU 0 reserved by gopher");
    go.release(gpu);
    assert_eq!(waiter.finish().stdout, "served\n");
    assert!(host.line(0).contains("AVAILABLE"), "{} for {}", host.line(0), me());
}

#[test]
fn what_is_given_back_is_recorded_while_it_holds_its_lock() {
    let host = host_of_go(1);
    let server = host.redis.as_ref().unwrap();
    let holder = host.me().holds(&[]);
    let waiter = host.me().waits(&["--", "true"]);
    // A client of its asks a slow driver under the lock.
    server.ask(&["SET", "canhazgpu:allocation_lock", "locked"]);
    waiter.gets(Signal::SIGINT);
    assert_eq!(waiter.finish().signal, Some(2));
    assert_eq!(server.ask(&["ZCARD", "canhazgpu:queue"]), "0", "the place is given up");
    let ended = holder.stops();
    assert!(!ended.stderr.contains("not recorded"), "{ended}");
    host.shows(0, "AVAILABLE");
    // What would take a GPU has its place in line, or waits.
    let newcomer = host.me().starts(&["--", "echo", "served"]);
    server.ask(&["DEL", "canhazgpu:allocation_lock"]);
    assert_eq!(newcomer.finish().stdout, "served\n");
}

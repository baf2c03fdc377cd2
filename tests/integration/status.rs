//! What `status` and `queue` show, to people and to programs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::host::{Host, Store, ageless, can_be_others, me};
use crate::support::job::Job;
use crate::support::wait::wait_until;

mod grammar;

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A moment as Go writes it in JSON.
fn is_moment(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() >= 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T')
}

#[test]
fn the_json_of_status_has_the_fields_of_the_go_program_and_more() {
    let host = Host::with_gpus(4);
    host.me().does(&["-G", "0", "--", "true"]);
    let run = host.me().holds(&["-G", "1", "-n", "llama ablation", "-u", "ann"]);
    host.me().does(&["reserve", "-G", "2", "-n", "demo"]);
    let worker = host.me().takes_without_asking(&[3], "python3");
    let status = host.json(&["status"]);
    let [free, held, manual, used] = [0, 1, 2, 3].map(|gpu| &status[gpu]);

    let always = [
        "gpu_id",
        "status",
        "details",
        "gpu_model",
        "uuid",
        "memory_used_mb",
        "memory_total_mb",
        "utilization",
        "processes",
    ];
    let with = |more: &[&'static str]| always.iter().chain(more).copied().collect::<BTreeSet<&str>>();
    assert_eq!(keys(free), with(&["validation", "last_released"]));
    let held_fields = ["user", "duration", "type", "note", "validation", "reservation"];
    assert_eq!(keys(held), with(&[&held_fields[..], &["last_heartbeat"]].concat()));
    assert_eq!(keys(manual), with(&[&held_fields[..], &["expiry_time"]].concat()));
    assert_eq!(keys(used), with(&["unreserved_users", "process_info"]));

    assert_eq!((&free["gpu_id"], &free["status"]), (&json!(0), &json!("AVAILABLE")));
    assert!(is_moment(&free["last_released"]), "{free}");
    assert_eq!(free["uuid"].as_str().unwrap(), host.gpus.uuid(0));
    assert_eq!(
        (&held["status"], &held["type"], &held["user"]),
        (&json!("IN_USE"), &json!("RUN"), &json!(format!("{} (ann)", me())))
    );
    assert_eq!(held["note"], "llama ablation");
    assert!(is_moment(&held["last_heartbeat"]), "{held}");
    let reservation = &held["reservation"];
    assert_eq!(keys(reservation), ["id", "uid", "command", "pid", "started"].into());
    assert_eq!(reservation["command"], json!(["sh", "-c", "echo up; exec sleep 1000"]));
    assert_eq!((&manual["type"], &manual["note"]), (&json!("MANUAL"), &json!("demo")));
    assert!(is_moment(&manual["expiry_time"]), "{manual}");
    assert_eq!((&used["status"], &used["unreserved_users"]), (&json!("UNRESERVED"), &json!([me()])));
    assert_eq!(used["process_info"], format!("1028MB used by PID {} (python3)", worker.pid()));
    let process = &used["processes"][0];
    for field in ["pid", "uid", "user", "name", "command", "memory_mb", "started", "origin", "role"] {
        assert!(process.get(field).is_some(), "{field} in {process}");
    }
    assert_eq!((&process["pid"], &process["memory_mb"]), (&json!(worker.pid()), &json!(1024)));
    run.stops();
}

#[test]
fn the_queue_tells_who_waits_for_what_and_what_blocks_it() {
    for store in [Store::Sqlite, Store::Redis] {
        let host = Host::on(store, 2);
        assert_eq!(host.me().does(&["queue"]).stdout, "Nobody is waiting.\n");
        let _holder = host.me().holds(&["-g", "2"]);
        let _first = host.me().waits(&["-g", "2", "-n", "big", "--wait", "1h", "--", "true"]);
        host.has_waiters(1);
        let _second = host.me().waits(&["reserve", "-G", "1", "-d", "4h", "-u", "ann"]);
        host.has_waiters(2);
        let queue = host.json(&["queue"]);
        assert_eq!(
            keys(&queue),
            ["entries", "total_waiting", "total_gpus_requested", "total_gpus_allocated"].into()
        );
        assert_eq!((&queue["total_waiting"], &queue["total_gpus_requested"]), (&json!(2), &json!(3)));
        let [first, second] = [&queue["entries"][0], &queue["entries"][1]];
        assert_eq!(first["user"], me());
        assert_eq!((&first["requested_count"], &first["reservation_type"]), (&json!(2), &json!("run")));
        assert_eq!((&first["note"], &first["position"]), (&json!("big"), &json!(1)));
        for moment in ["enqueue_time", "last_heartbeat", "wait_timeout"] {
            assert!(is_moment(&first[moment]), "{moment} in {first}");
        }
        let blocked = json!([
            {"gpu_id": 0, "reason": "reserved", "users": [me()]},
            {"gpu_id": 1, "reason": "reserved", "users": [me()]},
        ]);
        assert_eq!(first["blocked_by"], blocked);
        assert_eq!((&second["user"], &second["actual_user"]), (&json!("ann"), &json!(me())));
        assert_eq!((&second["requested_ids"], &second["reservation_type"]), (&json!([1]), &json!("manual")));
        assert_eq!((&second["position"], &second["allocated_gpus"]), (&json!(2), &json!([])));
        let hours = second["expiry_duration"].as_f64().unwrap() / 3600e9;
        assert!((3.9..=4.0).contains(&hours), "{second}");

        let text = host.me().does(&["queue"]).stdout;
        assert!(text.contains(&format!("GPU 0, 1 reserved by {} (run", me())), "{text}");
        assert!(text.contains("2 waiting for 3 GPU(s)"), "{text}");
    }
}

#[test]
fn other_forms_of_status_show_the_same() {
    let host = Host::with_gpus(2);
    let _holder = host.me().holds(&["-n", "demo"]);
    let table = host.me().does(&["status", "-o", "table"]).stdout;
    assert!(table.lines().any(|line| line.contains(&me()) && line.contains("demo")), "{table}");
    let summary = host.me().does(&["status", "--summary"]).stdout;
    assert!(summary.contains("NVIDIA H100 80GB HBM3"), "{summary}");
    assert_eq!(host.me().runs(&["status", "--summary", "--json"]).code, Some(2));
}

#[test]
fn what_others_wrote_cannot_reach_the_terminal_and_is_exact_in_json() {
    let host = Host::with_gpus(1);
    let note = "\u{1b}[31mred\u{7} \u{202e}desrever\nGPU 9: AVAILABLE (never used)";
    let _holder = host.me().holds(&["-n", note, "-u", "a\u{1b}]0;x\u{7}b"]);
    let _waiter = host.me().waits(&["-n", note, "--", "true"]);
    for words in [
        &["status"][..],
        &["status", "-o", "table"],
        &["status", "--summary"],
        &["queue"],
        &["report"],
        &["status", "--json"],
        &["queue", "--json"],
    ] {
        let shown = host.me().does(words).stdout;
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{words:?}: {shown:?}");
        assert!(!shown.lines().any(|line| line.starts_with("GPU 9")), "{words:?}: {shown}");
    }
    assert_eq!(host.status().len(), 1);
    assert_eq!(host.json(&["status"])[0]["note"], note);
    let refused = host.me().runs(&["--nonblock", "--", "true"]).stderr;
    assert!(!refused.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{refused:?}");
}

#[test]
fn colour_is_for_terminals_only() {
    let host = Host::with_gpus(1);
    for (name, value) in [("TERM", "xterm-256color"), ("COLORTERM", "truecolor")] {
        let ended = Job::start(host.me().chg(&["status"]).env(name, value)).finish();
        assert!(!ended.stdout.contains('\u{1b}'), "{ended}");
    }
    assert_eq!(host.me().runs(&["reserve", "-d", "x"]).stderr.matches('\u{1b}').count(), 0);
}

#[test]
fn a_long_note_makes_no_line_longer_than_it_must() {
    let host = Host::with_gpus(1);
    let note = "long ".repeat(400);
    host.me().does(&["reserve", "-n", &note]);
    assert!(host.line(0).len() < 400, "{}", host.line(0));
    assert_eq!(host.json(&["status"])[0]["note"], note);
}

#[test]
fn a_driver_that_does_not_answer_keeps_nobody_waiting() {
    let host = Host::with_gpus(2);
    host.me().does(&["--", "true"]);
    host.gpus.hang("nvmlDeviceGetMemoryInfo_v2", Some(1), fakenvml::Hang::Killable);
    host.gpus.hang("nvmlDeviceGetMemoryInfo", Some(1), fakenvml::Hang::Killable);
    let ended = Job::start(host.me().chg(&["status"]).env("CANHAZGPU_SCAN_DEADLINE", "500ms")).finish();
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("GPU 0: AVAILABLE"), "{ended}");
    assert!(lines[1].starts_with("GPU 1: UNKNOWN (no answer from the driver in "), "{ended}");
    host.gpus.clear_faults();
    host.shows(1, "AVAILABLE");
}

#[test]
fn a_run_that_asks_for_nothing_of_the_driver_leaves_it_alone() {
    let host = Host::with_gpus(1);
    let holder = host.me().holds(&[]);
    let helper_of = |pid: i32| {
        let children = format!("/proc/{pid}/task/{pid}/children");
        std::fs::read_to_string(children).unwrap_or_default().split_whitespace().count()
    };
    wait_until("the command is the launcher's only child", || helper_of(holder.pid()) == 1);
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", holder.pid())).unwrap();
    assert!(!maps.contains("libnvidia-ml"), "the launcher never loads the driver's library");
}

#[test]
fn a_record_that_another_account_forged_is_shown_as_false() {
    if !can_be_others() {
        return;
    }
    let host = Host::on(Store::Redis, 1);
    let honest = host.user(1).holds(&[]);
    let server = host.redis.as_ref().unwrap();
    let record = server.ask(&["GET", "canhazgpu:gpu:0"]);
    server.ask(&["SET", "canhazgpu:gpu:0", &record.replace("23001", "23002")]);
    let line = ageless(&host.line(0));
    assert!(line.contains("[false record: seat held by uid 23001]"), "{line}");
    let refused = host.user(2).runs(&["--nonblock", "--", "true"]);
    assert_eq!(refused.code, Some(75), "{refused}");
    drop(honest);
}

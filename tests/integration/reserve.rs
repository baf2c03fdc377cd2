//! `reserve`, `release`, `extend`: their answers, their statuses, and who may do what.

use serde_json::Value;

use crate::support::host::{BOTH_STORES, Host, can_be_others, me};
use crate::support::job::Job;

#[test]
fn the_answer_comes_in_the_form_that_was_asked_for() {
    let host = Host::with_gpus(4);
    let ended = host.me().does(&["reserve", "-g", "2", "-d", "4h"]);
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("Reserved 2 GPU(s): [0, 1] for 4h 0m 0s\n", "")
    );
    host.me().does(&["release"]);

    assert_eq!(host.me().does(&["reserve", "-G", "1,3", "--short"]).stdout, "1,3\n");
    host.me().does(&["release"]);

    let exported = host.me().does(&["reserve", "-G", "0-1", "--export"]).stdout;
    let shell = format!("{exported}\n\"$CHG\" -q -- sh -c 'echo $CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER'");
    let inside = Job::start(&mut host.me().shell(&shell)).finish();
    assert_eq!(inside.stdout, "0,1 PCI_BUS_ID\n", "{inside}\n{exported}");
    assert!(host.line(2).contains("AVAILABLE (never used)"), "it ran inside the reservation");
    host.me().does(&["release"]);

    let json: Value =
        serde_json::from_str(&host.me().does(&["reserve", "-G", "3", "--json"]).stdout).unwrap();
    assert_eq!(json["gpus"], serde_json::json!([3]));
    let shown = &host.json(&["status"])[3];
    assert_eq!(json["id"], shown["reservation"]["id"]);
    assert_eq!(json["started"], shown["reservation"]["started"]);
    assert_eq!(json["expires"], shown["expiry_time"]);
}

#[test]
fn a_release_gives_back_what_was_named_and_nothing_else() {
    for store in BOTH_STORES {
        let host = Host::on(store, 4);
        host.me().does(&["reserve", "-G", "0,1"]);
        host.me().does(&["reserve", "-G", "3"]);
        assert_eq!(host.me().does(&["release", "-G", "1"]).stdout, "Released 1 GPU(s): [1]\n", "{store:?}");
        assert!(host.line(0).contains(&format!("IN USE by {}", me())), "{}", host.line(0));
        assert!(host.line(1).contains("AVAILABLE (last released"), "{}", host.line(1));
        assert_eq!(host.me().does(&["release"]).stdout, "Released 2 GPU(s): [0, 3]\n");
        assert_eq!(host.me().does(&["release"]).stdout, "Nothing to release\n");
        let refused = host.me().runs(&["release", "-G", "0"]);
        assert_eq!(refused.code, Some(1), "{refused}");
        assert!(refused.stderr.starts_with("error: GPU 0 is not reserved\n"), "{refused}");
        assert_eq!(host.me().runs(&["release", "-G", "9"]).code, Some(2));
    }
}

#[test]
fn a_live_run_is_released_by_force_only_and_then_asked_to_end() {
    let host = Host::with_gpus(2);
    let run = host.me().holds(&["-G", "0"]);
    assert_eq!(host.me().does(&["release"]).stdout, "Nothing to release\n");
    let refused = host.me().runs(&["release", "-G", "0"]);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains("GPU 0 is held by a run that is alive"), "{refused}");
    assert!(refused.stderr.contains("--force ends it now"), "{refused}");
    assert_eq!(host.me().does(&["release", "-G", "0", "--force"]).stdout, "Released 1 GPU(s): [0]\n");
    assert_eq!(run.finish().signal, Some(15));
    host.me().does(&["-G", "0", "--nonblock", "--", "true"]);
}

#[test]
fn an_extension_sets_the_end_anew() {
    for store in BOTH_STORES {
        let host = Host::on(store, 2);
        let nothing = host.me().runs(&["extend", "-d", "1h"]);
        assert_eq!(nothing.code, Some(1), "{nothing}");
        assert!(nothing.stderr.contains("you have no manual reservation to extend"), "{nothing}");
        host.me().does(&["reserve", "-g", "2", "-d", "1h"]);
        let longer = host.me().does(&["extend", "-d", "5h 30m"]).stdout;
        assert_eq!(longer, "Extended 2 GPU(s): [0, 1] (expires in 5h 30m 0s)\n", "{store:?}");
        let shorter = host.me().does(&["extend", "-G", "1", "-d", "10m"]).stdout;
        assert!(shorter.contains("(expires in 0h 10m 0s)"), "{shorter}");
        assert!(
            host.line(1).contains("expires in 0h 9m 5") || host.line(1).contains("expires in 0h 10m 0s"),
            "{}",
            host.line(1)
        );
    }
    let host = Host::with_gpus(1);
    let _run = host.me().holds(&[]);
    let refused = host.me().runs(&["extend", "-G", "0", "-d", "1h"]);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains("GPU 0 is held by a run, which has no expiry to change"), "{refused}");
}

#[test]
fn only_those_in_charge_touch_what_is_others() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(2);
    host.user(1).does(&["reserve"]);
    let run = host.user(1).holds(&[]);
    for words in [
        &["release", "-G", "0"][..],
        &["release", "-G", "1", "--force"],
        &["extend", "-G", "0", "-d", "1h"],
        &["admin", "--gpus", "1", "--force"],
        &["admin", "--strategy", "affinity"],
        &["admin", "--reset", "gpu:0"],
    ] {
        let refused = host.user(2).runs(words);
        assert_eq!(refused.code, Some(1), "{words:?}: {refused}");
    }
    let ids = [0, 1].map(|gpu| host.json(&["status"])[gpu]["reservation"]["id"].as_str().unwrap().to_owned());
    for id in &ids {
        assert_eq!(host.user(2).runs(&["admin", "--release", id]).code, Some(1));
        host.me().does(&["admin", "--release", id]);
    }
    assert!(host.line(0).contains("AVAILABLE"), "{}", host.line(0));
    run.stops();
}

#[test]
fn a_reservation_outlives_whoever_made_it_and_ends_at_its_expiry() {
    let host = Host::with_gpus(1);
    host.me().does(&["reserve", "-d", "700ms"]);
    assert!(
        host.line(0).contains(&format!("IN USE by {}", me()))
            || host.line(0).contains("AVAILABLE (last released")
    );
    host.shows(0, "AVAILABLE (last released");
}

#[test]
fn the_pool_is_made_of_what_the_driver_reports_and_admin_agrees() {
    let host = Host::with_gpus(3);
    assert_eq!(host.status().len(), 3);
    host.me().does(&["--", "true"]);
    host.me().does(&["admin", "--gpus", "3"]);
    let refused = host.me().runs(&["admin", "--gpus", "2"]);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains("'chg admin --force' changes it"), "{refused}");
    host.me().does(&["admin", "--gpus", "2", "--force"]);
    assert_eq!(host.status().len(), 2);
    assert_eq!(host.me().runs(&["-g", "3", "--", "true"]).code, Some(125));
    let more = host.me().runs(&["admin", "--gpus", "4", "--force"]);
    assert_eq!(more.code, Some(1), "{more}");
    assert!(more.stderr.contains("requested a pool of 4, but the driver reports 3 GPUs"), "{more}");
}

#[test]
fn the_least_recently_used_gpu_is_handed_out_or_the_one_used_last() {
    let host = Host::with_gpus(3);
    let next =
        || host.me().does(&["-q", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES"]).stdout.trim().to_owned();
    assert_eq!([next(), next(), next(), next()], ["0", "1", "2", "0"]);
    host.me().does(&["admin", "--strategy", "affinity"]);
    assert_eq!([next(), next()], ["0", "0"]);
}

#[test]
fn durations_are_written_as_people_write_them() {
    let host = Host::with_gpus(1);
    for (written, read) in [
        ("90s", "0h 1m 30s"),
        ("1h30m", "1h 30m 0s"),
        ("1h 30m", "1h 30m 0s"),
        ("1.5m", "0h 1m 30s"),
        ("0.5h", "0h 30m 0s"),
        ("3.5d", "84h 0m 0s"),
    ] {
        let reserved = host.me().does(&["reserve", "-d", written]).stdout;
        assert_eq!(reserved, format!("Reserved 1 GPU(s): [0] for {read}\n"), "{written}");
        host.me().does(&["release"]);
    }
}

//! Four accounts on one host.

use std::time::Instant;

use crate::support::host::{BOTH_STORES, Host, STAY, ageless, can_be_others, me};

#[test]
fn everybody_sees_who_uses_what_and_is_served_in_order() {
    if !can_be_others() {
        return;
    }
    for store in BOTH_STORES {
        play(&Host::on(store, 4));
    }
}

fn play(host: &Host) {
    let [first, second, third, fourth] = [1, 2, 3, 4].map(|number| host.user(number));
    host.gpus.worker("python3");

    let training = first.starts(&["-g", "2", "--", "python3", "train.py", "--memory", "8448"]);
    training.says("chg: reserved GPU 0, 1\n");
    host.processes_on(1, 1);
    let reserved = second.does(&["reserve", "-g", "1", "-d", "4h"]);
    assert_eq!(reserved.stdout, "Reserved 1 GPU(s): [2] for 4h 0m 0s\n");
    let intruder = third.takes_without_asking(&[3], "jupyter");

    let expected = [
        "GPU 0: IN USE by uid 23001 for T (run, last heartbeat T ago) [validated: 8452MB, 1 processes]"
            .to_owned(),
        "GPU 1: IN USE by uid 23001 for T (run, last heartbeat T ago) [validated: 8452MB, 1 processes]"
            .to_owned(),
        "GPU 2: IN USE by uid 23002 for T (manual, expires in T) [validated: no actual usage detected]"
            .to_owned(),
        format!(
            "GPU 3: IN USE WITHOUT RESERVATION by user uid 23003 - 1028MB used by PID {} (jupyter)",
            intruder.pid()
        ),
    ];
    for anybody in [first, second, third, fourth, host.me()] {
        let shown = anybody.does(&["status"]);
        let lines: Vec<String> = shown.stdout.lines().map(ageless).collect();
        assert_eq!(lines, expected, "as {} sees it", anybody.name());
        assert_eq!(shown.stderr, "");
    }

    let eager = fourth.waits(&["-g", "2", "--", "echo", "served"]);
    let told = eager.stderr();
    for part in [
        "waiting: first in line, none free; ",
        "GPU 0, 1 reserved by uid 23001 (run",
        "GPU 2 reserved by uid 23002 (manual, 3h 59m left)",
        "GPU 3 in use without reservation by uid 23003",
    ] {
        assert!(told.contains(part), "{part:?} in {told:?}");
    }
    let behind = third.waits(&["-g", "2", "--", "echo", "served"]);
    behind.says("waiting: position 2 in line, none free; ");

    let released = second.does(&["release"]);
    assert_eq!(released.stdout, "Released 1 GPU(s): [2]\n");
    eager.says("first in line, free: GPU 2; GPU 0, 1 reserved by uid 23001");
    behind.says("GPU 2 set aside for uid 23004 (ahead in line)");
    assert_eq!(eager.stdout() + &behind.stdout(), "");

    let freed = Instant::now();
    assert_eq!(training.stops().signal, Some(15));
    let eager = eager.finishes_soon_after(freed);
    let behind = behind.finishes_soon_after(freed);
    assert_eq!([eager.stdout, behind.stdout], ["served\n", "served\n"]);
}

#[test]
fn the_account_decides_whose_a_reservation_is_and_not_what_it_is_called() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(2);
    let (owner, other) = (host.user(1), host.user(2));
    owner.does(&["reserve", "-u", "ann"]);
    let run = owner.holds(&["-u", "ann"]);

    let claim_to_be = "USER=ann LOGNAME=ann SUDO_USER=ann SUDO_UID=23001";
    let tried = |what: &str| {
        let mut command = other.shell(&format!("{claim_to_be} exec \"$CHG\" {what}"));
        crate::support::job::Job::start(&mut command).finish()
    };
    let refused = tried("release -u ann -G 0");
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains("GPU 0 is reserved by uid 23001 (ann), not by you"), "{refused}");
    assert_eq!(tried("release --force -u ann -G 1").code, Some(1));
    assert_eq!(tried("extend -u ann -d 1h -G 0").code, Some(1));
    assert_eq!(tried("release -u ann").stdout, "Nothing to release\n");

    let id = host.json(&["status"])[1]["reservation"]["id"].as_str().unwrap().to_owned();
    let refused = tried(&format!("admin --release {id}"));
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(host.line(0).contains("IN USE by uid 23001 (ann)"), "{}", host.line(0));
    assert!(host.line(1).contains("IN USE by uid 23001 (ann)"), "{}", host.line(1));
    run.stops();
}

#[test]
fn people_who_share_an_account_are_told_apart_by_their_labels() {
    let host = Host::with_gpus(2);
    host.me().does(&["reserve", "-u", "ann"]);
    host.me().does(&["reserve", "-u", "ben"]);
    assert_eq!(host.me().does(&["release"]).stdout, "Nothing to release\n");
    assert_eq!(host.me().does(&["release", "-u", "ben"]).stdout, "Released 1 GPU(s): [1]\n");
    assert!(host.line(0).contains("(ann) for "), "{}", host.line(0));
    assert_eq!(host.me().does(&["release", "-G", "0"]).stdout, "Released 1 GPU(s): [0]\n");
}

#[test]
fn an_intruder_on_a_reserved_gpu_is_named_beside_its_holder() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(1);
    host.user(1).does(&["reserve"]);
    let intruder = host.user(2).takes_without_asking(&[0], "python3");
    let line = ageless(&host.shows(0, "WITHOUT RESERVATION"));
    let expected = format!(
        "GPU 0: IN USE by uid 23001 for T (manual, expires in T) [validated: 1028MB, 1 processes] + \
         IN USE WITHOUT RESERVATION by user uid 23002 - 1024MB used by PID {} (python3)",
        intruder.pid()
    );
    assert_eq!(line, expected);
}

#[test]
fn a_job_started_by_hand_is_waited_for_and_its_owner_named() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(1);
    let mut intruder = host.user(1).takes_without_asking(&[0], "python3");
    let pid = intruder.pid();
    let refused = host.user(2).runs(&["-G", "0", "--nonblock", "--", "true"]);
    assert_eq!(refused.code, Some(75), "{refused}");
    let expected = format!("error: GPU 0 is in use without reservation by uid 23001 (PID {pid}, python3)");
    assert!(refused.stderr.contains(&expected), "{refused}");

    let waiter = host.user(2).waits(&STAY);
    waiter.says("GPU 0 in use without reservation by uid 23001");
    intruder.child().kill().unwrap();
    waiter.prints("up");
}

#[test]
fn memory_of_processes_that_cannot_be_seen_is_use_all_the_same() {
    let host = Host::with_gpus(2);
    host.gpus.set_used(0, 30_000);
    let line = host.line(0);
    let expected =
        "GPU 0: IN USE WITHOUT RESERVATION by an unknown user - 30000MB used by no process that can be seen";
    assert_eq!(line, expected);
    let granted = host.me().does(&["--nonblock", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES"]);
    assert_eq!(granted.stdout, "1\n");
    let refused = host.me().runs(&["-G", "0", "--nonblock", "--", "true"]);
    assert_eq!(refused.code, Some(75), "{refused}");
    // Where that much is nobody's business, an option says so.
    host.me().does(&["--memory-threshold", "40000", "-G", "0", "--nonblock", "--", "true"]);
}

#[test]
fn a_run_of_a_mistaken_store_is_shown_by_the_account_that_sits_there() {
    let host = Host::with_gpus(2);
    let mistaken = host.other_store();
    let mine = host.me().with_store(&mistaken).holds(&["-G", "0"]);
    let seated = |gpu, name: &str, pid| {
        format!("GPU {gpu}: IN USE WITHOUT RESERVATION by user {name} - seat held by PID {pid}")
    };
    assert_eq!(host.line(0), seated(0, &me(), mine.pid()));
    assert_eq!(host.json(&["status"])[0]["unreserved_users"], serde_json::json!([me()]));
    if !can_be_others() {
        return;
    }
    let theirs = host.user(1).with_store(&mistaken).holds(&["-G", "1"]);
    assert_eq!(host.line(1), seated(1, "uid 23001", theirs.pid()));
    let refused = host.user(2).runs(&["-G", "0", "--nonblock", "--", "true"]);
    assert_eq!(refused.code, Some(75), "{refused}");
    let waiter = host.user(2).waits(&["-g", "2", "--", "true"]);
    let blocked = &host.queue()[0]["blocked_by"];
    assert_eq!(
        *blocked,
        serde_json::json!([
            {"gpu_id": 0, "reason": "seat", "users": [me()]},
            {"gpu_id": 1, "reason": "seat", "users": ["uid 23001"]},
        ])
    );
    drop(waiter);
}

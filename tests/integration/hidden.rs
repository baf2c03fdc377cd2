//! What somebody sees from whom /proc hides processes, or who lives in a pid namespace: as much as can be known, and
//! never that a GPU is free.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::host::{Host, ageless, can_be_others};
use crate::support::job::{Ended, Job};
use crate::support::skip;

/// Runs `chg` as the second account with a /proc of its own, mounted with these options.
fn with_proc(host: &Host, options: &str, words: &[&str]) -> Ended {
    let mut sees = host.me().command("unshare");
    let text = format!(
        "mount -t proc -o {options} proc /proc && exec setpriv --reuid=23002 --regid=23002 --clear-groups \"$CHG\" \"$@\""
    );
    sees.args(["--mount", "sh", "-c", &text, "sh"]).args(words).stdin(Stdio::null());
    Job::start(&mut sees).finish()
}

/// Whether these words can run a program here; says so if not.
fn can(words: &[&str]) -> bool {
    let tried = Command::new(words[0]).args(&words[1..]).arg("true").output();
    let failed = match tried {
        Ok(ended) if ended.status.success() => return true,
        Ok(ended) => String::from_utf8_lossy(&ended.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    skip(&format!("this scene needs '{}': {failed}", words.join(" ")));
    false
}

fn can_mount_proc(options: &str) -> bool {
    let text = format!("mount -t proc -o {options} proc /proc && exec \"$@\"");
    can_be_others() && can(&["unshare", "--mount", "sh", "-c", &text, "sh"])
}

/// What the second account sees, with a /proc like this, of the first one's process on GPU 0, which nobody reserved; on
/// GPU 1, which the first one runs on; and on GPU 2, which the third one reserved.
fn seen_through(options: &str, expected: [&str; 3]) {
    if !can_mount_proc(options) {
        return;
    }
    let host = Host::with_gpus(3);
    host.user(3).does(&["reserve", "-G", "2"]);
    let worker = host.user(1).takes_without_asking(&[0, 2], "python3");
    let run = host.user(1).starts(&["-G", "1", "--", "python3"]);
    let inside = host.processes_on(1, 1)[0];

    let shown = with_proc(&host, options, &["status"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""), "{shown}");
    let lines: Vec<String> = shown.stdout.lines().map(ageless).collect();
    let expected = expected.map(|line| line.replace("{PID}", &worker.pid().to_string()));
    assert_eq!(lines, expected, "hidepid: {options}");

    let json = with_proc(&host, options, &["status", "--json"]).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    let process = &json[0]["processes"][0];
    assert_eq!(process["user"].is_null(), expected[0].contains("an unknown user"), "{process}");
    assert_eq!(process["started"].is_null(), !expected[0].contains("python3"), "{process}");
    assert_eq!(json[1]["processes"][0]["pid"], json!(inside));
    for gpu in ["0", "1", "2"] {
        let refused = with_proc(&host, options, &["-G", gpu, "--nonblock", "--", "true"]);
        assert_eq!(refused.code, Some(75), "{refused}");
    }
    drop(run);
}

const RUN: &str =
    "GPU 1: IN USE by uid 23001 for T (run, last heartbeat T ago) [validated: 1028MB, 1 processes]";
const HELD: &str = "GPU 2: IN USE by uid 23003 for T (manual, expires in T) [validated: 1028MB, 1 processes]";

#[test]
fn an_open_proc_shows_everything() {
    seen_through(
        "hidepid=0",
        [
            "GPU 0: IN USE WITHOUT RESERVATION by user uid 23001 - 1028MB used by PID {PID} (python3)",
            RUN,
            &format!(
                "{HELD} + IN USE WITHOUT RESERVATION by user uid 23001 - 1024MB used by PID {{PID}} (python3)"
            ),
        ],
    );
}

#[test]
fn hidepid_1_hides_what_a_process_is_and_not_whose() {
    seen_through(
        "hidepid=1",
        [
            "GPU 0: IN USE WITHOUT RESERVATION by user uid 23001 - 1028MB used by PID {PID}",
            RUN,
            &format!("{HELD} + IN USE WITHOUT RESERVATION by user uid 23001 - 1024MB used by PID {{PID}}"),
        ],
    );
}

#[test]
fn hidepid_2_hides_whose_a_process_is_and_nobody_is_accused() {
    // 4 is newer: as 2, for whom one may not trace. The group tells all the same that a process is its run's.
    for options in ["hidepid=2", "hidepid=4"] {
        seen_through(
            options,
            [
                "GPU 0: IN USE WITHOUT RESERVATION by an unknown user - 1028MB used by PID {PID}",
                RUN,
                &format!("{HELD} [unattributed: PID {{PID}}]"),
            ],
        );
    }
}

#[test]
fn in_a_pid_namespace_others_show_as_memory_and_as_reservations() {
    let inside = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    if !can_be_others() || !can(&inside) {
        return;
    }
    for wrapper in [&inside[..], &inside[..4]] {
        let host = Host::with_gpus(3);
        let chg = |words: &[&str]| {
            let mut chg = host.me().command(wrapper[0]);
            chg.args(&wrapper[1..]).arg(host.program()).args(words).stdin(Stdio::null());
            chg
        };
        let run = host.user(1).holds(&["-G", "1"]);
        // What the driver leaves out of its lists is in its sum.
        host.gpus.set_used(0, 9000);
        let shown = Job::start(&mut chg(&["status"])).finish();
        let lines: Vec<String> = shown.stdout.lines().map(ageless).collect();
        assert_eq!(
            lines,
            [
                "GPU 0: IN USE WITHOUT RESERVATION by an unknown user - 9000MB used by no process that can be seen",
                "GPU 1: IN USE by uid 23001 for T (run, last heartbeat T ago) [validated: no actual usage detected]",
                "GPU 2: AVAILABLE (never used) [validated: 4MB used]",
            ],
            "{shown}"
        );
        for gpu in ["0", "1"] {
            let refused = Job::start(&mut chg(&["-G", gpu, "--nonblock", "--", "true"])).finish();
            assert_eq!(refused.code, Some(75), "{refused}");
        }
        // A run from in there is seen from out here, and nobody here calls it dead.
        let held = Job::start(&mut chg(&["--", "sh", "-c", "echo up; exec sleep 1000"]));
        held.prints("up");
        let line = ageless(&host.line(2));
        assert_eq!(
            line,
            format!(
                "GPU 2: IN USE by {} for T (run, last heartbeat T ago) [validated: no actual usage detected]",
                host.me().name()
            )
        );
        assert_eq!(host.me().runs(&["-G", "2", "--nonblock", "--", "true"]).code, Some(75));
        drop((held, run));
    }
}

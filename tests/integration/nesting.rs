//! `chg` inside `chg`, and inside one's own manual reservation.

use crate::support::host::{Host, can_be_others};
use crate::support::job::{Ended, Job};

/// Runs a script that finds `chg` as `$CHG`, inside a run on two GPUs.
fn inside_of_two(host: &Host, script: &str) -> Ended {
    host.me().runs(&["-q", "-G", "0,1", "--", "sh", "-c", script])
}

const SHOW: &str = "sh -c 'echo $CUDA_VISIBLE_DEVICES $CANHAZGPU_RESERVATION'";

#[test]
fn a_run_inside_a_run_gets_the_same_gpus_and_no_reservation_of_its_own() {
    let host = Host::with_gpus(4);
    for options in ["", "-g 1", "-g 2", "-G 1", "-t 1h", "--timeout 1h --grace 5s"] {
        let script = format!("{SHOW}; \"$CHG\" {options} -- {SHOW}; \"$CHG\" status --json > status");
        let ended = inside_of_two(&host, &script);
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(ended.code, Some(0), "{options}: {ended}");
        assert_eq!(ended.stderr, "", "{options}");
        assert_eq!(lines.len(), 2, "{ended}");
        assert_eq!(lines[0], lines[1], "{options}: the whole set, unchanged");
        let status = std::fs::read_to_string(host.path("status")).unwrap();
        assert_eq!(status.matches("\"status\": \"IN_USE\"").count(), 2, "{options}: {status}");
    }
}

#[test]
fn the_end_of_a_run_inside_a_run_is_told_as_it_is() {
    let host = Host::with_gpus(2);
    assert_eq!(inside_of_two(&host, "\"$CHG\" -- sh -c 'exit 7'").code, Some(7));
    assert_eq!(inside_of_two(&host, "\"$CHG\" -t 1h -- sh -c 'exit 7'").code, Some(7));
    assert_eq!(inside_of_two(&host, "exec \"$CHG\" -- sh -c 'kill -KILL $$'").signal, Some(9));
    assert_eq!(inside_of_two(&host, "\"$CHG\" -- nosuchcmd").code, Some(127));
    assert_eq!(inside_of_two(&host, "\"$CHG\" -t 50ms -- sleep 1000").code, Some(124));
}

#[test]
fn more_than_the_reservation_has_is_refused_at_once_and_new_ones_can_be_had() {
    let host = Host::with_gpus(4);
    for options in ["-g 3", "-G 2", "-G 0,2"] {
        let ended = inside_of_two(&host, &format!("\"$CHG\" {options} -- true"));
        assert_eq!(ended.code, Some(125), "{options}: {ended}");
        assert!(ended.stderr.contains("inside a reservation of GPU 0, 1"), "{ended}");
        assert!(ended.stderr.contains("--new"), "{ended}");
    }
    let ended = inside_of_two(&host, "\"$CHG\" --new -q -G 3 -- sh -c 'echo $CUDA_VISIBLE_DEVICES'");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "3\n"), "{ended}");
}

#[test]
fn an_id_that_is_left_over_in_the_environment_means_nothing() {
    let host = Host::with_gpus(2);
    let holder = host.me().holds(&["-G", "0"]);
    let id = host.json(&["status"])[0]["reservation"]["id"].as_str().unwrap().to_owned();
    // Alive, but not above us: as in a tmux that was started inside.
    let stranger = |id: &str| {
        let mut chg = host.me().chg(&["-q", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES"]);
        Job::start(chg.env("CANHAZGPU_RESERVATION", id).env("CUDA_VISIBLE_DEVICES", "0")).finish()
    };
    assert_eq!(stranger(&id).stdout, "1\n");
    holder.stops();
    let after = stranger(&id);
    assert_eq!(after.code, Some(0), "{after}");
}

#[test]
fn a_run_on_gpus_that_one_has_reserved_runs_inside_that_reservation() {
    let host = Host::with_gpus(3);
    host.me().does(&["reserve", "-G", "1,2"]);
    let show = ["--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES"];
    let named = host.me().does(&[&["-G", "1"], &show[..]].concat());
    assert_eq!((named.stdout.as_str(), named.stderr.as_str()), ("1\n", ""));
    let mut inherited = host.me().chg(&show);
    let inherited = Job::start(inherited.env("CUDA_VISIBLE_DEVICES", "1,2")).finish();
    assert_eq!(inherited.stdout, "1,2\n", "{inherited}");

    // Several may, and the reservation outlives them.
    let both = [host.me().holds(&["-G", "1", "-t", "1h"]), host.me().holds(&["-G", "1", "-t", "1h"])];
    assert!(host.line(1).contains("(manual, expires in"), "{}", host.line(1));
    for job in both {
        assert_eq!(job.stops().signal, Some(15));
    }
    assert!(host.line(1).contains("(manual, expires in"), "{}", host.line(1));

    // A GPU beside it is none of it.
    let partly = host.me().runs(&["-G", "0,1", "--nonblock", "--", "true"]);
    assert_eq!(partly.code, Some(75), "{partly}");
}

#[test]
fn nobody_runs_inside_somebody_elses_reservation() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(1);
    host.user(1).does(&["reserve"]);
    let refused = host.user(2).runs(&["-G", "0", "--nonblock", "--", "true"]);
    assert_eq!(refused.code, Some(75), "{refused}");
    assert!(refused.stderr.contains("GPU 0 is reserved by uid 23001 (manual"), "{refused}");
    host.user(1).does(&["-G", "0", "--nonblock", "--", "true"]);
}

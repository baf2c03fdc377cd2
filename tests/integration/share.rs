//! `max_gpus_per_user`: how many GPUs one person may hold at once on a host that sets a limit.

use std::time::Instant;

use nix::sys::signal::Signal;

use crate::support::elsewhere::{can_be_elsewhere, logged_in};
use crate::support::host::{BOTH_STORES, Host, STAY, User};
use crate::support::job::{Ended, Job};

const TWO: &str = "[policy]\nmax_gpus_per_user = 2\n";

struct Limited {
    host: Host,
    etc: String,
}

impl Limited {
    fn start(&self, user: User<'_>, words: &[&str]) -> Job {
        Job::start(user.elsewhere(&["--mount"], &self.etc, words).stdin(std::process::Stdio::null()))
    }

    fn holds(&self, user: User<'_>, options: &[&str]) -> Job {
        let job = self.start(user, &[options, &STAY].concat());
        job.prints("up");
        job
    }

    fn runs(&self, user: User<'_>, words: &[&str]) -> Ended {
        self.start(user, words).finish()
    }
}

fn limited(host: Host) -> Limited {
    let etc = host.configured(TWO);
    Limited { host, etc }
}

#[test]
fn a_person_holds_no_more_than_the_host_allows_and_waits_for_an_own_release() {
    if !can_be_elsewhere() {
        return;
    }
    for store in BOTH_STORES {
        let scene = limited(Host::on(store, 4));
        let (ann, ben) = (scene.host.user(1), scene.host.user(2));
        let never = scene.runs(ann, &["-g", "3", "--", "true"]);
        assert_eq!(never.code, Some(2), "{never}");
        assert!(never.stderr.contains("3 GPUs is more than this host allows: 2 (/etc/canhazgpu"), "{never}");

        let run = scene.holds(ann, &[]);
        assert_eq!(scene.runs(ann, &["reserve", "--user", "other label"]).code, Some(0));
        let refused = scene.runs(ann, &["--nonblock", "--user", "third label", "--", "true"]);
        assert_eq!(refused.code, Some(75), "{refused}");
        let why = "you hold 2 of the 2 GPUs that one user may hold at once";
        assert!(refused.stderr.starts_with(&format!("error: {why}\nhint: ")), "{refused}");

        let waiter = scene.start(ann, &["--", "echo", "served"]);
        waiter.says(&format!("chg: waiting: first in line, free: GPU 2, 3; {why}\n"));
        assert_eq!(scene.host.queue()[0]["over_share"], serde_json::json!({"held": 2, "limit": 2}));
        let table = scene.host.me().does(&["queue"]).stdout;
        assert!(table.contains("holds 2 of the 2 GPUs that one user may hold at once"), "{table}");
        // Nobody else waits for what she may not have.
        assert_eq!(scene.runs(ben, &["--nonblock", "-g", "2", "--", "true"]).code, Some(0));

        let released = Instant::now();
        run.stops();
        assert_eq!(waiter.finishes_soon_after(released).stdout, "served\n", "{store:?}");
    }
}

#[test]
fn the_death_of_an_own_run_lets_the_next_in_at_once() {
    if !can_be_elsewhere() {
        return;
    }
    let scene = limited(Host::with_gpus(4));
    let ann = scene.host.user(1);
    // On GPUs that the waiter does not ask for.
    let mut run = scene.holds(ann, &["-G", "0,1"]);
    let waiter = scene.start(ann, &["-G", "2", "--", "echo", "served"]);
    waiter.says("you hold 2 of the 2 GPUs");
    let killed = Instant::now();
    run.child().kill().unwrap();
    assert_eq!(waiter.finishes_soon_after(killed).stdout, "served\n");
}

#[test]
fn whoever_gives_up_waiting_hears_that_it_was_the_limit() {
    if !can_be_elsewhere() {
        return;
    }
    let scene = limited(Host::with_gpus(4));
    let ann = scene.host.user(1);
    let _run = scene.holds(ann, &["-g", "2"]);
    let ended = scene.runs(ann, &["--wait", "200ms", "--", "true"]);
    assert_eq!(ended.code, Some(75), "{ended}");
    assert!(ended.stderr.contains("error: not free in time: you hold 2 of the 2 GPUs"), "{ended}");
}

#[test]
fn behind_sudo_the_person_who_logged_in_is_counted() {
    if !can_be_elsewhere() {
        return;
    }
    let Some(log_in) = logged_in() else { return };
    let scene = limited(Host::with_gpus(4));
    let run = scene.holds(scene.host.user(1), &["-g", "2"]);
    let prepare = format!("{}; {log_in}", scene.etc);
    let sudo = || scene.host.me().elsewhere(&["--mount"], &prepare, &["--nonblock", "--", "true"]);
    let refused = Job::start(&mut sudo()).finish();
    assert_eq!(refused.code, Some(75), "{refused}");
    assert!(refused.stderr.contains("you hold 2 of the 2 GPUs"), "{refused}");
    assert_eq!(
        scene.runs(scene.host.me(), &["--nonblock", "--", "true"]).code,
        Some(0),
        "root itself is not"
    );
    run.gets(Signal::SIGTERM);
    run.finish();
    assert_eq!(Job::start(&mut sudo()).finish().code, Some(0));
}

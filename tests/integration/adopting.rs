//! `reserve --force` on a GPU that one uses already: the reservation is bound to those processes.

use std::process::Stdio;
use std::time::Instant;

use crate::support::host::{BOTH_STORES, Host, ageless, can_be_others, me};
use crate::support::job::Job;
use crate::support::skip;

const ADOPT: [&str; 7] = ["reserve", "-G", "0", "--force", "--until-exit", "-d", "8h"];

#[test]
fn a_job_of_ones_own_is_adopted_and_the_reservation_ends_with_it() {
    for store in BOTH_STORES {
        let host = Host::on(store, 1);
        let jobs = [(); 2].map(|()| host.me().takes_without_asking(&[0], "python3"));
        let refused = host.me().runs(&["reserve", "--nonblock"]);
        assert_eq!(refused.code, Some(75), "{refused}");
        host.me().does(&ADOPT);
        let held = format!("GPU 0: IN USE by {} for T (manual, expires in T) [validated: ", me());
        assert_eq!(ageless(&host.line(0)), format!("{held}2052MB, 2 processes]"));
        let waiter = host.me().waits(&["--", "echo", "served"]);
        let [first, last] = jobs;
        drop(first);
        assert_eq!(ageless(&host.line(0)), format!("{held}1028MB, 1 processes]"), "one is left");
        let ended = Instant::now();
        drop(last);
        assert_eq!(waiter.finishes_soon_after(ended).stdout, "served\n", "{store:?}");
    }
}

#[test]
fn without_until_exit_it_lasts_to_its_expiry() {
    for store in BOTH_STORES {
        let host = Host::on(store, 1);
        let job = host.me().takes_without_asking(&[0], "python3");
        host.me().does(&["reserve", "-G", "0", "--force", "-d", "3s"]);
        drop(job);
        assert!(host.line(0).contains(&format!("IN USE by {} for ", me())), "{}", host.line(0));
        host.shows(0, "AVAILABLE (last released");
    }
}

#[test]
fn with_until_exit_it_ends_at_its_expiry_all_the_same_and_the_job_goes_on() {
    let host = Host::with_gpus(1);
    let job = host.me().takes_without_asking(&[0], "python3");
    host.me().does(&["reserve", "-G", "0", "--force", "--until-exit", "-d", "1s"]);
    let line = host.shows(0, "WITHOUT RESERVATION");
    let unreserved = format!(
        "GPU 0: IN USE WITHOUT RESERVATION by user {} - 1028MB used by PID {} (python3",
        me(),
        job.pid()
    );
    assert!(line.starts_with(&unreserved), "{line}");
    assert_eq!(host.gpus.pids_on(0), [job.pid()]);
}

#[test]
fn a_gpu_that_others_use_too_is_waited_for_until_one_is_alone_there() {
    if !can_be_others() {
        return;
    }
    for store in BOTH_STORES {
        let host = Host::on(store, 1);
        let own = host.user(1).takes_without_asking(&[0], "python3");
        let others = host.user(2).takes_without_asking(&[0], "jupyter");
        let refused = host.user(1).runs(&[&ADOPT[..], &["--nonblock"]].concat());
        let expected = format!(
            "error: GPU 0 is in use without reservation by uid 23001 (PID {}, python3) and uid 23002 (PID {}, jupyter)\n\
             hint: --force adopts jobs of your own and takes a GPU from nobody else; without --nonblock you wait in line\n",
            own.pid(),
            others.pid()
        );
        assert_eq!((refused.code, sorted(&refused.stderr)), (Some(75), sorted(&expected)), "{store:?}");
        // Where nothing runs of one's own there is nothing to end with, and nothing to wait for.
        let refused = host.user(3).runs(&ADOPT);
        assert_eq!(refused.code, Some(1), "{refused}");
        assert!(refused.stderr.starts_with("error: no process of yours runs on GPU 0\n"), "{refused}");
        let waiter = host.user(1).waits(&ADOPT);
        let left = Instant::now();
        drop(others);
        waiter.finishes_soon_after(left);
        let line = ageless(&host.line(0));
        assert_eq!(
            line, "GPU 0: IN USE by uid 23001 for T (manual, expires in T) [validated: 1028MB, 1 processes]",
            "{store:?}"
        );
        // Who comes later is adopted by nobody, and called what he is.
        let others = host.user(2).takes_without_asking(&[0], "jupyter");
        let line = ageless(&host.line(0));
        assert!(
            line.ends_with(&format!(
                " + IN USE WITHOUT RESERVATION by user uid 23002 - 1024MB used by PID {} (jupyter)",
                others.pid()
            )),
            "{line}"
        );
        // Its end is that of the holder's own: the other's process holds nothing.
        drop(own);
        let line = host.shows(0, "GPU 0: IN USE WITHOUT RESERVATION by user uid 23002 - ");
        assert!(line.contains(&format!("PID {} (jupyter)", others.pid())), "{line}");
    }
}

/// The words of a text, in whatever order those who took as much memory are told.
fn sorted(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    words.sort_unstable();
    words
}

#[test]
fn by_number_until_exit_finds_the_gpu_that_the_job_is_on() {
    let host = Host::with_gpus(3);
    let job = host.me().takes_without_asking(&[2], "python3");
    let reserved = host.me().does(&["reserve", "--force", "--until-exit", "--short"]);
    assert_eq!(reserved.stdout, "2\n");
    drop(job);
    host.shows(2, "AVAILABLE");
}

#[test]
fn what_exits_while_it_is_adopted_ends_the_reservation_at_once() {
    let host = Host::with_gpus(1);
    // The driver goes on listing it, while the commit waits: the second answer is slow.
    let job = host.me().takes_without_asking(&[0], "python3");
    let pid = job.pid();
    host.gpus.delay("nvmlDeviceGetUtilizationRates", Some(0), 1500);
    host.gpus.log_calls();
    let adopting = host.me().starts(&ADOPT);
    crate::support::wait::wait_until("the list of processes to be told", || {
        host.gpus.calls().iter().any(|call| call.function == "nvmlDeviceGetUtilizationRates")
    });
    drop(job);
    let ended = adopting.finish();
    host.gpus.clear_faults();
    // It was seen by the driver, and is no more: either it is found gone before the commit, or by whoever looks next.
    match ended.code {
        Some(1) => assert!(ended.stderr.starts_with("error: no process of yours runs on GPU 0\n"), "{ended}"),
        _ => assert_eq!(ended.code, Some(0), "{ended}"),
    }
    let line = host.shows(0, "AVAILABLE");
    assert!(!line.contains(&pid.to_string()), "{line}");
    host.me().does(&["-G", "0", "--nonblock", "--", "true"]);
}

#[test]
fn a_number_that_is_used_again_keeps_no_reservation_alive() {
    // A namespace of one's own, in which the next number can be chosen.
    let text = r#"
"$WORKER" >/dev/null 2>&1 & pid=$!
until "$CHG" status | grep -q "PID $pid "; do :; done
"$CHG" reserve -G 0 --force --until-exit >/dev/null || exit 1
kill -KILL $pid; wait $pid 2>/dev/null
i=0
while [ $i -lt 200 ]; do
    i=$((i + 1))
    echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid || exit 77
    "$WORKER" >/dev/null 2>&1 & again=$!
    [ $again = $pid ] && break
    kill -KILL $again; wait $again 2>/dev/null
done
[ $again = $pid ] || exit 77
until "$CHG" status | grep -q "PID $again "; do :; done
"$CHG" status
kill -KILL $again"#;
    let host = Host::with_gpus(1);
    let worker = host.gpus.worker("python3");
    let mut inside = host.me().command("unshare");
    inside.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", text]);
    let ended =
        Job::start(inside.env("WORKER", worker).env("CUDA_VISIBLE_DEVICES", "0").stdin(Stdio::null()))
            .finish();
    if ended.code != Some(0) && (ended.code == Some(77) || ended.stderr.contains("unshare")) {
        skip(&format!("numbers of processes cannot be chosen here: {}", ended.stderr.trim()));
        return;
    }
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stdout.starts_with("GPU 0: IN USE WITHOUT RESERVATION by user "), "{ended}");
}

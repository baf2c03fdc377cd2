//! Launchers and commands that are killed: the GPU is free the moment both are gone, and not a moment earlier.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::host::{BOTH_STORES, Host, STAY, Store, User, can_be_others, me};
use crate::support::job::Job;
use crate::support::process::{Stray, await_end_of, await_state, lives};
use crate::support::wait::wait_until;

fn end(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

/// The pid of the command that runs on this GPU, from the store.
fn command_on(host: &Host, gpu: usize) -> i32 {
    let pid = host.json(&["status"])[gpu]["reservation"]["pid"].as_i64().unwrap();
    i32::try_from(pid).unwrap()
}

fn is_refused(user: User<'_>) {
    let ended = user.runs(&["--nonblock", "--", "true"]);
    assert_eq!(ended.code, Some(75), "{ended}");
}

#[test]
fn a_killed_launcher_and_command_free_their_gpu_for_the_waiter() {
    for store in BOTH_STORES {
        let host = Host::on(store, 1);
        for _ in 0..3 {
            let holder = host.me().holds(&[]);
            let waiter = host.me().waits(&["--", "echo", "served"]);
            let command = command_on(&host, 0);
            let killed = Instant::now();
            end(holder.pid());
            // It may have ended already, of the signal that the kernel sends when its parent dies.
            let _ = kill(Pid::from_raw(command), Signal::SIGKILL);
            assert_eq!(waiter.finishes_soon_after(killed).stdout, "served\n", "{store:?}");
            assert!(host.line(0).contains("AVAILABLE (last released"), "{}", host.line(0));
        }
    }
}

#[test]
fn a_gpu_whose_holder_was_killed_is_free_without_anybody_waiting_for_it() {
    for store in BOTH_STORES {
        let host = Host::on(store, 1);
        let holder = host.me().holds(&["-n", "doomed"]);
        let command = command_on(&host, 0);
        drop(holder);
        await_end_of(command);
        assert!(host.line(0).contains("AVAILABLE (last released"), "{}", host.line(0));
        host.me().does(&["--nonblock", "--", "true"]);
        assert_eq!(host.json(&["report"])["total_reservations"], 2, "the killed one is in the history");
    }
}

#[test]
fn a_command_that_outlives_its_launcher_keeps_its_gpu() {
    let host = Host::with_gpus(1);
    host.gpus.worker("python3");
    let holder = host.me().starts(&["--", "python3", "--ignore", "TERM"]);
    let worker = host.processes_on(0, 1)[0];
    drop(holder);
    assert!(lives(worker));
    is_refused(host.me());
    assert!(host.line(0).contains(&format!("IN USE by {} for ", me())), "{}", host.line(0));

    let waiter = host.me().waits(&["--", "echo", "served"]);
    let ended = Instant::now();
    end(worker);
    assert_eq!(waiter.finishes_soon_after(ended).stdout, "served\n");
}

#[test]
fn workers_that_outlive_launcher_and_command_keep_the_gpu_and_are_shown_as_orphans() {
    let host = Host::with_gpus(1);
    host.gpus.worker("python3");
    let holder = host.me().starts(&["--", "python3", "--daemons", "1", "--ignore", "TERM"]);
    let both = host.processes_on(0, 2);
    let command = command_on(&host, 0);
    let worker = *both.iter().find(|pid| **pid != command).unwrap();
    let id = host.json(&["status"])[0]["reservation"]["id"].as_str().unwrap().to_owned();
    drop(holder);
    end(command);
    await_end_of(command);

    let line = host.line(0);
    let expected = format!(
        "GPU 0: IN USE WITHOUT RESERVATION by user {me} - 1028MB used by PID {worker} (python3, orphan of {id})",
        me = me()
    );
    assert_eq!(line, expected);
    let process = &host.json(&["status"])[0]["processes"][0];
    assert_eq!(
        (process["role"].as_str(), process["orphan_of"].as_str()),
        (Some("orphan"), Some(id.as_str()))
    );
    is_refused(host.me());

    let waiter = host.me().waits(&["--", "echo", "served"]);
    let ended = Instant::now();
    end(worker);
    assert_eq!(waiter.finishes_soon_after(ended).stdout, "served\n");
}

#[test]
fn a_command_that_became_another_account_keeps_its_gpu_though_nobody_may_signal_it() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(1);
    let program = host.path("rooted");
    fs::copy("/bin/sleep", &program).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o4755)).unwrap();
    let holder = host.user(1).starts(&["--", "./rooted", "1000"]);
    holder.says("reserved GPU 0");
    wait_until("the command's identity", || command_on(&host, 0) != holder.pid());
    let mut command = Stray(command_on(&host, 0));
    let runs =
        || fs::read(format!("/proc/{}/cmdline", command.0)).is_ok_and(|line| line.starts_with(b"./rooted"));
    wait_until("the command runs", runs);
    is_refused(host.user(2));
    // It became root: the signal that the kernel sends it at its parent's death is cleared with that.
    drop(holder);
    is_refused(host.user(1));
    is_refused(host.user(2));
    assert!(host.line(0).contains("IN USE by uid 23001"), "{}", host.line(0));
    end(command.0);
    await_end_of(command.0);
    command.0 = 0;
    host.user(2).does(&["--nonblock", "--", "true"]);
}

#[test]
fn an_interrupt_at_any_moment_of_the_start_leaks_nothing() {
    for store in BOTH_STORES {
        let host = Host::on(store, 2);
        host.me().does(&["--", "true"]);
        for (number, signal) in
            (0..24).zip([Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL].into_iter().cycle())
        {
            let job = host.me().starts(&["-g", "2", "--", "sleep", "1000"]);
            let exe = format!("/proc/{}/exe", job.pid());
            wait_until("chg itself", || {
                fs::read_link(&exe).is_ok_and(|exe| exe.file_name() == host.program().file_name())
            });
            // The moment is what is tried out here.
            std::thread::sleep(Duration::from_millis(number * 2));
            job.gets(signal);
            let ended = job.finish();
            assert_eq!(ended.signal, Some(signal as i32), "{ended}");
        }
        let next = host.me().does(&["-g", "2", "--", "echo", "served"]);
        assert_eq!(next.stdout, "served\n");
        assert!(host.status().iter().all(|line| line.contains("AVAILABLE")), "{:?}", host.status());
    }
}

#[test]
fn a_launcher_that_is_the_first_process_of_a_container_releases() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(1);
    let mut unshare = host.me().command("unshare");
    unshare.args(["--pid", "--fork", "--mount-proc"]).arg(host.program());
    let ended = Job::start(unshare.args(["--", "sh", "-c", "echo $PPID"])).finish();
    if ended.stderr.contains("unshare: ") {
        crate::support::skip("this scene needs pid namespaces");
        return;
    }
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "1\n"), "{ended}");
    assert!(host.line(0).contains("AVAILABLE (last released"), "{}", host.line(0));
}

#[test]
fn a_stopped_launcher_keeps_its_gpu() {
    let host = Host::with_gpus(1);
    let holder = host.me().holds(&[]);
    holder.gets(Signal::SIGSTOP);
    is_refused(host.me());
    assert!(host.line(0).contains(&format!("IN USE by {}", me())), "{}", host.line(0));
    holder.gets(Signal::SIGCONT);
    holder.stops();
}

#[test]
fn a_launcher_that_was_stopped_for_longer_than_any_heartbeat_keeps_its_gpu_and_renews_first() {
    let host = Host::on(Store::Redis, 1);
    let redis = host.redis.as_ref().unwrap();
    let holder = host.me().holds(&[]);
    holder.gets(Signal::SIGSTOP);
    await_state(holder.pid(), 'T');
    let heartbeat = || {
        let record: serde_json::Value =
            serde_json::from_str(&redis.ask(&["get", "canhazgpu:gpu:0"])).unwrap();
        let at = record["last_heartbeat"].as_i64().unwrap();
        (record, at)
    };
    // As after a night.
    let (mut record, now) = heartbeat();
    let long_ago = now - 12 * 3600;
    record["last_heartbeat"] = long_ago.into();
    record["start_time"] = long_ago.into();
    assert_eq!(redis.ask(&["set", "canhazgpu:gpu:0", &record.to_string()]), "OK");
    is_refused(host.me());
    assert!(host.line(0).contains(&format!("IN USE by {} for 12h", me())), "{}", host.line(0));
    assert_eq!(heartbeat().1, long_ago, "nobody renews for it");
    holder.gets(Signal::SIGCONT);
    wait_until("a renewal", || heartbeat().1 >= now);
    assert!(host.line(0).contains(&format!("IN USE by {} for 12h", me())), "{}", host.line(0));
    let ended = holder.stops();
    assert!(!ended.stderr.contains("lost"), "{ended}");
    assert!(host.line(0).contains("AVAILABLE (last released"), "{}", host.line(0));
}

#[test]
fn workers_of_a_failed_command_are_ended_before_its_gpu_is_given_to_the_next() {
    let host = Host::with_gpus(1);
    host.gpus.worker("VLLM::Worker_TP0");
    let script = "VLLM::Worker_TP0 --ignore TERM --children 1 & sleep 1000";
    let holder = host.me().starts(&["--grace", "100ms", "--", "sh", "-c", script]);
    let workers = host.processes_on(0, 2);
    let still_there = format!("for pid in {} {}; do ! kill -0 $pid || exit 9; done", workers[0], workers[1]);
    let waiter = host.me().waits(&["--", "sh", "-c", &still_there]);
    holder.gets(Signal::SIGTERM);
    let ended = holder.finish();
    assert_eq!(ended.signal, Some(15), "{ended}");
    assert!(workers.iter().all(|pid| !lives(*pid)), "{workers:?}");
    let next = waiter.finish();
    assert_eq!(next.code, Some(0), "{next}");
}

#[test]
fn what_a_dead_launcher_left_behind_is_ended_on_request_by_its_own_account() {
    let host = Host::with_gpus(1);
    host.gpus.worker("python3");
    let holder = host.me().starts(&["--", "python3", "--daemons", "1"]);
    host.processes_on(0, 2);
    drop(holder);
    let left = host.processes_on(0, 1);
    let refused = host.me().runs(&["release", "-G", "0"]);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains("left over from a run whose launcher is dead"), "{refused}");
    assert!(refused.stderr.contains("hint: --force ends them"), "{refused}");
    for pid in &left {
        assert!(refused.stderr.contains(&format!("PID {pid} (python3)")), "{refused}");
    }
    if can_be_others() {
        let refused = host.user(1).runs(&["release", "-G", "0", "--force"]);
        assert_eq!(refused.code, Some(1), "{refused}");
        assert!(left.iter().all(|pid| lives(*pid)), "others leave them alone");
    }
    host.me().does(&["release", "-G", "0", "--force"]);
    assert!(left.iter().all(|pid| !lives(*pid)), "{left:?}");
    host.shows(0, "AVAILABLE (last released");
}

#[test]
fn a_revoked_run_keeps_its_gpu_until_it_ends_and_then_frees_nobody_elses() {
    let host = Host::with_gpus(1);
    let revoked = host.me().holds(&[]);
    let id = host.json(&["status"])[0]["reservation"]["id"].as_str().unwrap().to_owned();
    host.me().does(&["admin", "--release", &id]);
    is_refused(host.me());
    assert!(!host.line(0).contains("AVAILABLE"), "{}", host.line(0));
    let next = host.me().starts(&STAY);
    next.says("waiting: ");
    revoked.stops();
    next.prints("up");
    assert!(host.line(0).contains(&format!("IN USE by {}", me())), "{}", host.line(0));
    is_refused(host.me());
}

#[test]
fn release_ends_all_of_a_run_whose_launcher_is_dead_and_whose_command_lives() {
    let host = Host::with_gpus(1);
    host.gpus.worker("python3");
    let holder = host.me().starts(&["--", "python3", "--daemons", "1", "--ignore", "TERM"]);
    let both = host.processes_on(0, 2);
    drop(holder);
    let refused = host.me().runs(&["release", "-G", "0"]);
    assert_eq!(refused.code, Some(1), "{refused}");
    for pid in &both {
        assert!(lives(*pid) && refused.stderr.contains(&format!("PID {pid} (")), "{pid}: {refused}");
    }
    host.me().does(&["release", "-G", "0", "--force"]);
    assert!(both.iter().all(|pid| !lives(*pid)), "{both:?}");
    host.shows(0, "AVAILABLE (last released");
}

#[test]
fn a_store_that_cannot_be_written_is_still_shown_without_what_is_over() {
    let host = Host::with_gpus(1);
    // So that the next commit lies beyond the limit below.
    (0..3).for_each(|_| drop(host.me().does(&["--nonblock", "--", "true"])));
    let holder = host.me().holds(&[]);
    let command = command_on(&host, 0);
    drop(holder);
    await_end_of(command);
    // No file may grow beyond 32 KB: as on a full disk.
    let text = format!("trap '' XFSZ; ulimit -f 64; exec {} status", host.program().display());
    let shown = host.me().shell(&text).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&shown.stderr));
    assert!(shown.status.success() && out.contains("GPU 0: AVAILABLE (last released"), "{out}{err}");
    assert_eq!(host.json(&["report"])["total_reservations"], 4, "and recorded when it can be");
}

/// How long from a holder's death, all of it, to the start of the waiter's command, which says when that was; and how long
/// a run from its start to that of its command, on this machine at that moment.
fn from_death_to_start(host: &Host) -> (Duration, Duration) {
    let holder = host.me().holds(&["-G", "0"]);
    let waiter = host.me().waits(&["-G", "0", "--", "date", "+%s%N"]);
    let command = command_on(host, 0);
    let killed = SystemTime::now();
    end(holder.pid());
    let _ = kill(Pid::from_raw(command), Signal::SIGKILL);
    let begun = SystemTime::now();
    let bare = host.me().does(&["--nonblock", "-G", "1", "--", "date", "+%s%N"]);
    let ended = waiter.finish();
    assert_eq!(ended.code, Some(0), "{ended}");
    let since = |moment: SystemTime, said: &str| {
        let at = UNIX_EPOCH + Duration::from_nanos(said.trim().parse().unwrap());
        at.duration_since(moment).unwrap_or_default()
    };
    (since(killed, &ended.stdout), since(begun, &bare.stdout))
}

#[test]
fn a_hundred_times_out_of_a_hundred_the_next_command_starts_moments_after_the_death() {
    let mut late = Vec::new();
    for store in BOTH_STORES {
        let host = Host::on(store, 2);
        for round in 0..50 {
            let (took, start) = from_death_to_start(&host);
            // On a machine that is busy with other things everything takes longer.
            if took > Duration::from_millis(50).max(start * 10) {
                late.push((store, round, took, start));
            }
        }
    }
    assert!(late.is_empty(), "{late:?}");
}

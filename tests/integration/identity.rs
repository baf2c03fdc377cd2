//! Who counts as alive: every row of the table of identities, seen from outside by whoever wants the GPU.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::elsewhere::can_be_elsewhere;
use crate::support::host::{Host, Store, User, can_be_others, is_in_charge, me};
use crate::support::job::Job;
use crate::support::process::{await_end_of, await_state};
use crate::support::wait::wait_until;

/// The record that a run wrote, whose launcher and command are dead since.
struct Left {
    host: Host,
    record: Value,
}

impl Left {
    fn behind() -> Self {
        let host = Host::on(Store::Redis, 1);
        let holder = host.me().holds(&[]);
        let text = host.redis.as_ref().unwrap().ask(&["GET", "canhazgpu:gpu:0"]);
        let record: Value = serde_json::from_str(&text).unwrap();
        let child = i32::try_from(record["child"]["pid"].as_i64().unwrap()).unwrap();
        drop(holder);
        await_end_of(child);
        host.me().does(&["--nonblock", "--", "true"]);
        Self { host, record }
    }

    /// The same run with this identity of its launcher, and no command.
    fn launched_by(&self, identity: &Value) -> Value {
        let mut record = self.record.clone();
        record["launcher"] = identity.clone();
        record.as_object_mut().unwrap().remove("child");
        record["last_heartbeat"] = json!(seconds_now());
        record
    }

    fn put(&self, record: &Value) {
        self.host.redis.as_ref().unwrap().ask(&["SET", "canhazgpu:gpu:0", &record.to_string()]);
    }

    /// Whether `user` gets the GPU though this is its record.
    fn is_granted(&self, record: &Value, user: User<'_>) -> bool {
        self.put(record);
        let ended = user.runs(&["--nonblock", "--", "true"]);
        assert!(matches!(ended.code, Some(0 | 75)), "{ended}");
        ended.code == Some(0)
    }

    /// A process as this program names it, at this boot and in this pid namespace.
    fn identity(&self, pid: u32) -> Value {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let mut identity = self.record["launcher"].clone();
        identity["pid"] = json!(pid);
        identity["start"] = json!(fields[19].parse::<u64>().unwrap());
        identity
    }
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn with(identity: &Value, field: &str, value: Value) -> Value {
    let mut other = identity.clone();
    other[field] = value;
    other
}

struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn every_row_of_the_table_has_its_verdict() {
    if !is_in_charge() {
        return;
    }
    let left = Left::behind();
    let granted = |identity: &Value| left.is_granted(&left.launched_by(identity), left.host.me());
    let mut sleeper = Sleeper::start();
    let alive = left.identity(sleeper.0.id());

    assert!(!granted(&alive), "the same process");
    let start = alive["start"].as_u64().unwrap();
    assert!(granted(&with(&alive, "start", json!(start + 1))), "its number was used again");
    assert!(granted(&with(&alive, "boot", json!("00000000-0000-4000-8000-000000000000"))), "another boot");
    assert!(!granted(&with(&alive, "namespace", json!(1))), "cannot be tested from here");

    sleeper.0.kill().unwrap();
    await_state(sleeper.0.id().cast_signed(), 'Z');
    assert!(granted(&alive), "a zombie");
    sleeper.0.wait().unwrap();
    assert!(granted(&alive), "gone");
}

#[test]
fn a_stopped_process_lives_and_so_does_one_that_nobody_may_signal() {
    if !is_in_charge() || !can_be_others() {
        return;
    }
    let left = Left::behind();
    let sleeper = Sleeper::start();
    let alive = left.launched_by(&left.identity(sleeper.0.id()));
    let user = left.host.user(1);
    let refused = user.command("kill").args(["-0", &sleeper.0.id().to_string()]).output().unwrap();
    assert!(!refused.status.success(), "kill(pid, 0) fails with EPERM");
    assert!(!left.is_granted(&alive, user));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(sleeper.0.id().cast_signed()), Signal::SIGSTOP)
        .unwrap();
    await_state(sleeper.0.id().cast_signed(), 'T');
    assert!(!left.is_granted(&alive, user));
    drop(sleeper);
    assert!(left.is_granted(&alive, user));
}

#[test]
fn where_proc_hides_the_others_a_silent_pidfd_is_life_and_a_vanished_process_is_dead() {
    if !can_be_elsewhere() {
        return;
    }
    let left = Left::behind();
    let sleeper = Sleeper::start();
    let identity = left.identity(sleeper.0.id());
    let hidden = "mount -t proc -o hidepid=invisible proc /proc";
    let from_there = |record: &Value| {
        left.put(record);
        let words = ["--nonblock", "--", "true"];
        let ended = Job::start(&mut left.host.user(1).elsewhere(&["--mount"], hidden, &words)).finish();
        assert!(matches!(ended.code, Some(0 | 75)), "{ended}");
        ended.code == Some(0)
    };
    assert!(!from_there(&left.launched_by(&identity)));
    // Its start time cannot be read: doubt is no death.
    assert!(!from_there(&left.launched_by(&with(&identity, "start", json!(1)))));
    drop(sleeper);
    assert!(from_there(&left.launched_by(&identity)));
}

#[test]
fn a_number_that_is_really_used_again_is_no_life() {
    if !can_be_elsewhere() {
        return;
    }
    let host = Host::with_gpus(1);
    let script = r#"
        cd "$HERE"
        "$CHG" -- sh -c 'echo up; exec sleep 1000' > out 2> err & launcher=$!
        until grep -q up out; do sleep 0.01; done
        read -r child rest < /proc/$launcher/task/$launcher/children
        started=$(cut -d' ' -f22 /proc/$child/stat)
        kill -KILL $launcher $child
        wait $launcher
        while test -e /proc/$child; do sleep 0.01; done
        # What starts in the same clock tick under the same number looks the same.
        until test "$(cut -d' ' -f22 /proc/self/stat)" -gt $started; do :; done
        for pid in $launcher $child; do
            echo $((pid - 1)) > /proc/sys/kernel/ns_last_pid
            sleep 1000 & test $! = $pid || { echo "no process $pid but $!"; exit 9; }
        done
        "$CHG" --nonblock -- echo granted
    "#;
    let mut command = host.me().command("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script]);
    let ended = Job::start(&mut command).finish();
    assert_eq!(ended.stdout, "granted\n", "{ended}");
}

/// A container that shares the store and the network with its host.
#[test]
fn a_run_in_another_pid_namespace_is_judged_by_its_heartbeat_and_by_what_the_driver_sees() {
    if !can_be_elsewhere() || !is_in_charge() {
        return;
    }
    let host = Host::on(Store::Redis, 1);
    let server = host.redis.as_ref().unwrap();
    let namespaces = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    let stay = ["--", "sh", "-c", "echo up; exec sleep 1000"];
    let container = Job::start(&mut host.me().elsewhere(&namespaces, "true", &stay));
    container.prints("up");
    let is_refused = || {
        let ended = host.me().runs(&["--nonblock", "--", "true"]);
        assert_eq!(ended.code, Some(75), "{ended}");
    };
    is_refused();
    assert!(host.line(0).contains(&format!("IN USE by {} for ", me())), "{}", host.line(0));

    // All of it at once, as when its engine is killed. Nobody here can tell.
    drop(container);
    wait_until("its seat is free", || {
        !fs::read_to_string("/proc/net/unix").unwrap().contains(&host.gpus.uuid(0))
    });
    is_refused();
    let age = |seconds: u64| {
        let mut record: Value = serde_json::from_str(&server.ask(&["GET", "canhazgpu:gpu:0"])).unwrap();
        record["last_heartbeat"] = json!(seconds_now() - seconds);
        record["start_time"] = json!(seconds_now() - 1000);
        server.ask(&["SET", "canhazgpu:gpu:0", &record.to_string()]);
    };
    age(280);
    is_refused();
    age(320);
    host.gpus.set_used(0, 40_000);
    is_refused();
    host.gpus.set_used(0, 4);
    host.me().does(&["--nonblock", "--", "true"]);
    assert_eq!(host.json(&["report"])["total_reservations"], 2, "and its end is in the history");
}

/// The other way round: whoever looks from a container cannot test the processes of the host.
#[test]
fn from_another_pid_namespace_nobody_takes_the_gpu_of_a_living_run() {
    if !can_be_elsewhere() {
        return;
    }
    let host = Host::with_gpus(1);
    let holder = host.me().holds(&[]);
    let namespaces = ["--pid", "--fork", "--mount-proc"];
    let refused =
        Job::start(&mut host.me().elsewhere(&namespaces, "true", &["--nonblock", "--", "true"])).finish();
    assert_eq!(refused.code, Some(75), "{refused}");
    holder.stops();
    let served =
        Job::start(&mut host.me().elsewhere(&namespaces, "true", &["--nonblock", "--", "true"])).finish();
    assert_eq!(served.code, Some(0), "{served}");
}

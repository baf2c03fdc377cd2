//! The line: who is served when, and how one leaves it.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::host::{BOTH_STORES, Host, STAY, Store, me};
use crate::support::job::{Job, WITHOUT_A_TIMER};
use crate::support::process::{await_state, state, voluntary_switches};
use crate::support::wait::wait_until;

#[test]
fn those_who_wait_are_served_in_the_order_in_which_they_came() {
    for store in BOTH_STORES {
        let host = Host::on(store, 1);
        let holder = host.me().holds(&[]);
        let waiters: Vec<_> = (1..=5)
            .map(|number| {
                let waiter = host.me().waits(&["--", "sh", "-c", &format!("echo {number} >> order")]);
                host.has_waiters(number);
                waiter
            })
            .collect();
        holder.stops();
        for waiter in waiters {
            assert_eq!(waiter.finish().code, Some(0));
        }
        assert_eq!(std::fs::read_to_string(host.path("order")).unwrap(), "1\n2\n3\n4\n5\n", "{store:?}");
    }
}

#[test]
fn a_release_serves_the_waiter_at_once() {
    for store in BOTH_STORES {
        let host = Host::on(store, 2);
        for _ in 0..3 {
            let holder = host.me().holds(&["-g", "2"]);
            let waiter = host.me().waits(&["-g", "2", "--", "echo", "served"]);
            let released = Instant::now();
            holder.stops();
            let ended = waiter.finishes_soon_after(released);
            assert_eq!(ended.stdout, "served\n");
            assert!(ended.stderr.contains("chg: reserved GPU 0, 1"), "{ended}");
        }
    }
}

#[test]
fn a_newcomer_does_not_overtake_whether_it_waits_or_not() {
    let host = Host::with_gpus(2);
    let holder = host.me().holds(&["-G", "0"]);
    let waiter = host.me().waits(&["-g", "2", "--", "sh", "-c", "echo 1 >> order"]);
    for _ in 0..10 {
        let newcomer = host.me().runs(&["--nonblock", "--", "true"]);
        assert_eq!(newcomer.code, Some(75), "{newcomer}");
        assert!(newcomer.stderr.contains(&format!("1 set aside for {} (ahead in line)", me())), "{newcomer}");
    }
    let behind = host.me().waits(&["--", "sh", "-c", "echo 2 >> order"]);
    holder.stops();
    assert_eq!(waiter.finish().code, Some(0));
    assert_eq!(behind.finish().code, Some(0));
    assert_eq!(std::fs::read_to_string(host.path("order")).unwrap(), "1\n2\n");
}

#[test]
fn what_a_waiter_cannot_use_is_for_those_behind_it() {
    let host = Host::with_gpus(2);
    let _holder = host.me().holds(&["-G", "0"]);
    let _waiter = host.me().waits(&[&["-G", "0"], &STAY[..]].concat());
    let newcomer = host.me().does(&["--nonblock", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES"]);
    assert_eq!(newcomer.stdout, "1\n");
}

#[test]
fn a_dead_head_of_the_line_blocks_nobody() {
    for store in BOTH_STORES {
        let host = Host::on(store, 2);
        let _holder = host.me().holds(&["-G", "0"]);
        // It wants both, so that the free one is set aside for it.
        let mut head = host.me().waits(&["-g", "2", "--", "true"]);
        let next = host.me().waits(&["--", "echo", "served"]);
        next.says(&format!("set aside for {} (ahead in line)", me()));
        let killed = Instant::now();
        head.child().kill().unwrap();
        assert_eq!(next.finishes_soon_after(killed).stdout, "served\n", "{store:?}");
        assert_eq!(host.queue().len(), 0, "the dead one is in nobody's way any more");
    }
}

#[test]
fn a_signal_while_in_line_leaves_it_at_once() {
    for store in BOTH_STORES {
        let host = Host::on(store, 1);
        let _holder = host.me().holds(&[]);
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
            for verb in [&["--", "touch", "ran"][..], &["reserve"]] {
                let waiter = host.me().waits(verb);
                host.has_waiters(1);
                waiter.gets(signal);
                let ended = waiter.finish();
                assert_eq!(ended.signal, Some(signal as i32), "{verb:?}: {ended}");
                assert_eq!(ended.stdout, "");
                // By itself, not because somebody found it dead.
                assert_eq!(raw_queue(&host), 0, "{store:?}, {verb:?}, {signal}");
            }
        }
        assert!(!host.path("ran").exists());
    }
}

/// How many entries the store holds, without anybody sweeping it.
fn raw_queue(host: &Host) -> usize {
    match &host.redis {
        Some(server) => server.ask(&["ZCARD", "canhazgpu:queue"]).parse().unwrap(),
        None => host.queue().len(),
    }
}

#[test]
fn a_stopped_waiter_is_passed_over_and_keeps_its_place() {
    let host = Host::with_gpus(1);
    let holder = host.me().holds(&[]);
    let head = host.me().waits(&["--", "sh", "-c", "echo head >> order"]);
    host.has_waiters(1);
    let second = host.me().waits(&STAY);
    host.has_waiters(2);
    let third = host.me().waits(&["--", "sh", "-c", "echo third >> order"]);
    host.has_waiters(3);
    head.gets(Signal::SIGSTOP);
    await_state(head.pid(), 'T');

    let released = Instant::now();
    holder.stops();
    second.prints("up");
    assert!(released.elapsed() < WITHOUT_A_TIMER, "{:?}", released.elapsed());
    assert_eq!(state(head.pid()), Some('T'));
    let line = host.queue();
    assert_eq!(line.len(), 2);
    assert_eq!(line[0]["position"], 1);

    head.gets(Signal::SIGCONT);
    second.stops();
    assert_eq!(head.finish().code, Some(0));
    assert_eq!(third.finish().code, Some(0));
    assert_eq!(std::fs::read_to_string(host.path("order")).unwrap(), "head\nthird\n");
}

#[test]
fn a_waiter_that_was_stopped_when_its_gpu_came_free_takes_it_when_it_goes_on() {
    let host = Host::with_gpus(1);
    let holder = host.me().holds(&[]);
    let waiter = host.me().waits(&["--", "echo", "served"]);
    waiter.gets(Signal::SIGSTOP);
    await_state(waiter.pid(), 'T');
    holder.stops();
    host.shows(0, "AVAILABLE");
    let continued = Instant::now();
    waiter.gets(Signal::SIGCONT);
    assert_eq!(waiter.finishes_soon_after(continued).stdout, "served\n");
}

#[test]
fn whoever_waits_for_a_while_only_gives_up_in_time_and_leaves_the_line() {
    let host = Host::with_gpus(1);
    let _holder = host.me().holds(&["-n", "long"]);
    for verb in [&["--", "true"][..], &["reserve"]] {
        let words = [verb, &[]].concat();
        let (options, rest) =
            if verb[0] == "reserve" { (&words[1..], &words[..1]) } else { (&words[..], &[][..]) };
        let ended = host.me().runs(&[rest, &["--wait", "300ms"], options].concat());
        assert_eq!(ended.code, Some(75), "{ended}");
        assert!(ended.stderr.contains("error: not free in time"), "{ended}");
        assert!(ended.stderr.contains(&format!("1 reserved by {} (run", me())), "{ended}");
        let other = host.me().runs(&[rest, &["--wait", "1ms", "-E", "9"], options].concat());
        assert_eq!(other.code, Some(9), "{other}");
        let other = host.me().runs(&[rest, &["--nonblock", "-E", "9"], options].concat());
        assert_eq!(other.code, Some(9), "{other}");
    }
    assert_eq!(host.queue().len(), 0);
}

#[test]
fn a_reservation_that_expires_serves_the_waiter() {
    for store in BOTH_STORES {
        let host = Host::on(store, 1);
        host.me().does(&["reserve", "-d", "1500ms"]);
        let waiter = host.me().waits(&["--", "echo", "served"]);
        let waiting = Instant::now();
        let ended = waiter.finish();
        assert_eq!(ended.stdout, "served\n", "{ended}");
        assert!(waiting.elapsed() < WITHOUT_A_TIMER + WITHOUT_A_TIMER, "{:?}", waiting.elapsed());
    }
}

#[test]
fn memory_that_a_job_has_not_given_back_yet_is_waited_for() {
    let host = Host::with_gpus(1);
    let holder = host.me().holds(&[]);
    host.gpus.set_used(0, 40_000);
    holder.stops();
    host.shows(0, "GPU 0: DRAINING (last released ");
    let mut waiter = host.me().waits(&["--", "echo", "served"]);
    waiter.says("GPU 0 still giving memory back");
    assert!(!waiter.has_ended());
    host.gpus.set_used(0, 4);
    assert_eq!(waiter.finish().stdout, "served\n");
}

#[test]
fn more_than_can_ever_be_had_fails_at_once_and_never_waits() {
    let host = Host::with_gpus(2);
    let _holder = host.me().holds(&[]);
    for (words, status) in [
        (&["-g", "3", "--", "true"][..], 125),
        (&["reserve", "-g", "3"], 1),
        (&["-G", "7", "--", "true"], 2),
        (&["reserve", "-G", "0,7"], 2),
    ] {
        let ended = host.me().runs(words);
        assert_eq!(ended.code, Some(status), "{words:?}: {ended}");
        assert!(!ended.stderr.contains("waiting"), "{ended}");
    }
    assert_eq!(host.queue().len(), 0);
}

#[test]
fn off_a_terminal_a_line_is_told_once_for_each_change() {
    let host = Host::with_gpus(1);
    let _holder = host.me().holds(&[]);
    let first = host.me().waits(&["--", "true"]);
    host.has_waiters(1);
    let second = host.me().waits(&["--", "true"]);
    host.has_waiters(2);
    // Whoever is continued looks again, and there is nothing new.
    for _ in 0..5 {
        let looked = host.queue()[1]["last_heartbeat"].clone();
        second.gets(Signal::SIGCONT);
        wait_until("another look", || host.queue()[1]["last_heartbeat"] != looked);
    }
    let told = |job: &Job| job.stderr().lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(told(&second).len(), 1, "{:?}", told(&second));
    assert!(told(&second)[0].starts_with("chg: waiting: position 2 in line, none free; GPU 0 reserved by "));
    first.gets(Signal::SIGINT);
    second.says("first in line");
    assert_eq!(told(&second).len(), 2, "{:?}", told(&second));
    let quiet = host.me().starts(&["--quiet", "--", "true"]);
    host.has_waiters(2);
    assert_eq!(quiet.stderr(), "");
}

#[test]
fn a_waiter_that_cannot_be_looked_at_is_passed_over_when_it_falls_silent_and_keeps_its_place() {
    let host = Host::on(Store::Redis, 1);
    let server = host.redis.as_ref().unwrap();
    let holder = host.me().holds(&[]);
    let model = host.me().waits(&["--", "true"]);
    host.has_waiters(1);
    let id = host.queue()[0]["id"].as_str().unwrap().to_owned();
    let mut entry: Value =
        serde_json::from_str(&server.ask(&["GET", &format!("canhazgpu:queue:entry:{id}")])).unwrap();
    model.gets(Signal::SIGINT);
    model.finish();
    holder.stops();
    // In another pid namespace of this machine, and first in line.
    entry["id"] = json!("elsewhere");
    entry["client"]["namespace"] = json!(1);
    let silent_for = |seconds: u64| {
        let at = SystemTime::now() - Duration::from_secs(seconds);
        let mut entry = entry.clone();
        entry["last_heartbeat"] = json!(humantime::format_rfc3339_nanos(at).to_string());
        server.ask(&["SET", "canhazgpu:queue:entry:elsewhere", &entry.to_string()]);
        server.ask(&["ZADD", "canhazgpu:queue", "1795445462191613754", "elsewhere"]);
    };
    let newcomer = |status| {
        let ended = host.me().runs(&["--nonblock", "--", "true"]);
        assert_eq!(ended.code, Some(status), "{ended}");
    };
    silent_for(1);
    newcomer(75);
    silent_for(20);
    newcomer(0);
    assert_eq!(host.queue()[0]["id"], "elsewhere", "it keeps its place");
    silent_for(1);
    newcomer(75);
    silent_for(400);
    newcomer(0);
    assert!(host.queue().is_empty(), "dead");
}

#[test]
fn a_waiter_whose_driver_is_away_asks_now_and_then_and_is_served_when_it_is_back() {
    let host = Host::with_gpus(1);
    let holder = host.me().holds(&[]);
    let waiter = host.me().waits(&["--", "echo", "mine"]);
    let driver = host.gpus.dir().join("driver.json");
    let loaded = fs::read(&driver).unwrap();
    host.gpus.unload_driver();
    let begun = Instant::now();
    holder.stops();
    waiter.says("the place in line is kept");
    // A question takes a handful of sleeps and wake-ups; five of them a second are enough.
    let before = voluntary_switches(waiter.pid());
    wait_until("it to ask again and again", || voluntary_switches(waiter.pid()) >= before + 60);
    let (times, most) =
        (voluntary_switches(waiter.pid()) - before, 12 * (begun.elapsed().as_millis() / 200 + 2));
    assert!(u128::from(times) <= most, "{times} wake-ups within {:?}", begun.elapsed());
    fs::write(&driver, loaded).unwrap();
    assert_eq!(waiter.finish().stdout, "mine\n");
}

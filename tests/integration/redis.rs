//! A Redis server that goes away, comes back without its data, or is shared by several hosts.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::host::{Host, Store, is_in_charge, me};
use crate::support::job::Job;
use crate::support::process::await_state;
use crate::support::redis::Server;
use crate::support::wait::wait_until;

/// How soon a run that notices the server's return has its record in it again: it asks five times a second.
const RECORDED_AGAIN: Duration = Duration::from_secs(3);

fn server(host: &mut Host) -> &mut Server {
    host.redis.as_mut().unwrap()
}

fn reservation(host: &Host, gpu: usize) -> Value {
    host.json(&["status"])[gpu]["reservation"].clone()
}

#[test]
fn runs_are_recorded_again_on_a_server_that_lost_its_data() {
    let mut host = Host::on(Store::Redis, 3);
    let first = host.me().holds(&["-g", "2", "-n", "long"]);
    let second = host.me().holds(&[]);
    let before = [0, 1, 2].map(|gpu| reservation(&host, gpu));
    server(&mut host).dies();
    first.says("cannot reach the store");
    first.says("the command goes on, and is recorded again when the store is back");
    server(&mut host).returns();
    let returned = Instant::now();
    first.says("the store is back, and has the reservation again");
    second.says("the store is back, and has the reservation again");
    assert!(returned.elapsed() < RECORDED_AGAIN, "{:?}", returned.elapsed());
    // The same reservations, since the same moment.
    assert_eq!([0, 1, 2].map(|gpu| reservation(&host, gpu)), before);
    assert!(host.line(0).contains("[note: long]"), "{}", host.line(0));

    first.stops();
    assert!(host.line(0).contains("AVAILABLE (last released"), "{}", host.line(0));
    assert!(host.line(2).contains(&format!("IN USE by {}", me())), "{}", host.line(2));
    assert_eq!(second.stops().signal, Some(15));
}

#[test]
fn nobody_gets_a_held_gpu_from_a_server_that_has_just_lost_its_data() {
    let mut host = Host::on(Store::Redis, 1);
    let holder = host.me().holds(&[]);
    // Stopped, it cannot put its record back: the seat alone speaks for it.
    holder.gets(Signal::SIGSTOP);
    server(&mut host).dies();
    server(&mut host).returns();
    let refused = host.me().runs(&["--nonblock", "--", "true"]);
    assert_eq!(refused.code, Some(75), "{refused}");
    let seated =
        format!("GPU 0: IN USE WITHOUT RESERVATION by user {} - seat held by PID {}", me(), holder.pid());
    assert_eq!(host.line(0), seated);
    holder.gets(Signal::SIGCONT);
    host.shows(0, &format!("IN USE by {} for ", me()));
    holder.stops();
}

#[test]
fn what_was_released_never_comes_back() {
    if !is_in_charge() {
        return;
    }
    let mut host = Host::on(Store::Redis, 2);
    let ends = host.me().starts(&["-G", "0", "--", "sh", "-c", "echo up; read line; exit 7"]);
    ends.prints("up");
    assert_eq!(ends.finish().code, Some(7), "its input is at its end");

    let revoked = host.me().holds(&["-G", "1"]);
    let id = reservation(&host, 1)["id"].as_str().unwrap().to_owned();
    host.me().does(&["admin", "--release", &id]);
    // Whoever loses its connection renews at once.
    server(&mut host).ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    revoked.says("the reservation is lost: it was ended in the store; the command goes on without it");
    assert!(!host.line(1).contains(&format!("IN USE by {}", me())), "{}", host.line(1));
    assert_eq!(revoked.stops().signal, Some(15));
    let line = host.line(1);
    assert!(line.contains("AVAILABLE (last released"), "{line}");
    assert_eq!(host.json(&["report"])["total_reservations"], 2);
}

#[test]
fn a_lost_lease_ends_the_command_if_that_was_asked_for() {
    if !is_in_charge() {
        return;
    }
    let mut host = Host::on(Store::Redis, 1);
    let holder = host.me().holds(&["--on-lost", "terminate"]);
    let id = reservation(&host, 0)["id"].as_str().unwrap().to_owned();
    host.me().does(&["admin", "--release", &id]);
    server(&mut host).ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    let ended = holder.finish();
    assert!(
        ended.stderr.contains("the reservation is lost: it was ended in the store; ending the command"),
        "{ended}"
    );
    assert_eq!(ended.signal, Some(15), "{ended}");
}

#[test]
fn a_command_that_ends_while_the_server_is_away_ends_as_it_would_and_frees_its_gpu() {
    let mut host = Host::on(Store::Redis, 1);
    let mut chg = host.me().chg(&["--", "sh", "-c", "echo up; read line; exit 7"]);
    let mut job = Job::start(chg.stdin(std::process::Stdio::piped()));
    job.prints("up");
    server(&mut host).dies();
    drop(job.child().stdin.take());
    let ended = job.finish();
    assert_eq!(ended.code, Some(7), "{ended}");
    assert!(ended.stderr.contains("the release is not recorded"), "{ended}");
    server(&mut host).returns();
    host.me().does(&["--nonblock", "--", "true"]);
}

#[test]
fn waiters_keep_their_place_when_the_server_loses_its_data() {
    let mut host = Host::on(Store::Redis, 1);
    let holder = host.me().holds(&[]);
    // More than those at the head, who look every few seconds anyway.
    let line: Vec<Job> = (1..=6)
        .map(|place| {
            let job = host.me().waits(&["--", "sh", "-c", &format!("echo {place} >> order")]);
            host.has_waiters(place);
            job
        })
        .collect();
    let places = |host: &Host| host.queue().iter().map(|entry| entry["id"].clone()).collect::<Vec<_>>();
    let before = places(&host);
    server(&mut host).dies();
    server(&mut host).returns();
    wait_until("all stand in line again", || places(&host) == before);
    holder.stops();
    line.into_iter().for_each(|job| assert_eq!(job.finish().code, Some(0)));
    assert_eq!(std::fs::read_to_string(host.path("order")).unwrap(), "1\n2\n3\n4\n5\n6\n");
}

#[test]
fn a_waiter_can_be_interrupted_while_the_server_is_away() {
    let mut host = Host::on(Store::Redis, 1);
    let _holder = host.me().holds(&[]);
    let unaware = host.me().waits(&["--", "true"]);
    let aware = host.me().waits(&["--", "true"]);
    server(&mut host).dies();
    unaware.gets(Signal::SIGINT);
    assert_eq!(unaware.finish().signal, Some(2));
    aware.says("the place in line is kept");
    aware.gets(Signal::SIGTERM);
    assert_eq!(aware.finish().signal, Some(15));
}

#[test]
fn a_client_that_is_stopped_while_the_server_takes_its_time_asks_on() {
    let mut host = Host::on(Store::Redis, 1);
    host.me().does(&["--", "true"]);
    server(&mut host).gets(Signal::SIGSTOP);
    let job = host.me().starts(&["--nonblock", "--", "sh", "-c", "exit 7"]);
    // poll: it has asked, and waits for the answer.
    let asks = || std::fs::read_to_string(format!("/proc/{}/syscall", job.pid())).unwrap().starts_with("7 ");
    wait_until("it waits for the server", asks);
    for _ in 0..20 {
        job.gets(Signal::SIGSTOP);
        await_state(job.pid(), 'T');
        job.gets(Signal::SIGCONT);
        wait_until("it waits for the server again", asks);
    }
    server(&mut host).gets(Signal::SIGCONT);
    let ended = job.finish();
    assert_eq!(ended.code, Some(7), "{ended}");
}

#[test]
fn hosts_that_share_a_server_are_kept_apart_by_their_prefixes() {
    let host = Host::on(Store::Redis, 1);
    let other = Host::with_gpus(1);
    let with_prefix = |host: &Host, store: &str, prefix: &str, words: &[&str]| {
        let mut chg = host.me().with_store(store).chg(words);
        Job::start(chg.env("CANHAZGPU_REDIS_PREFIX", prefix)).finish()
    };
    let here = with_prefix(&host, &host.store, "a:", &["reserve"]);
    let there = with_prefix(&other, &host.store, "b:", &["reserve", "--nonblock"]);
    assert_eq!((here.code, there.code), (Some(0), Some(0)), "{here} {there}");
    let keys = host.redis.as_ref().unwrap().ask(&["KEYS", "*"]);
    assert!(keys.lines().all(|key| key.starts_with("a:") || key.starts_with("b:")), "{keys}");
    assert!(keys.contains("a:gpu:0") && keys.contains("b:gpu:0"), "{keys}");

    // Without one of its own, the pool of another machine is not taken for this one's.
    let mistaken = with_prefix(&other, &host.store, "a:", &["reserve", "--nonblock"]);
    assert_eq!(mistaken.code, Some(1), "{mistaken}");
    assert!(mistaken.stderr.contains("made of other GPUs than this machine's"), "{mistaken}");
}

#[test]
fn no_password_is_seen_in_the_environment_of_the_command_or_on_any_command_line() {
    let host = Host::with_gpus(1);
    let server = Server::start(host.directory(), &["--requirepass", "s3cret"]);
    let file = host.path("password");
    std::fs::write(&file, "s3cret\n").unwrap();
    let mut chg = host.me().with_store("").chg(&["-v", "--store", &server.url(), "--", "env"]);
    let ended = Job::start(chg.env("CANHAZGPU_REDIS_PASSWORD_FILE", &file)).finish();
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(!ended.stdout.contains("s3cret") && !ended.stderr.contains("s3cret"), "{ended}");
}

/// Eight runs, twenty waiters, and a server that is killed and comes back empty.
#[test]
fn a_full_house_is_as_it_was_within_a_second_of_an_empty_servers_return() {
    let mut host = Host::on(Store::Redis, 8);
    let mut holders: Vec<Job> = (0..8).map(|gpu| host.me().holds(&["-G", &gpu.to_string()])).collect();
    let line: Vec<Job> = (1..=20)
        .map(|place| {
            let job = host.me().waits(&["--", "sh", "-c", &format!("echo {place} >> order")]);
            host.has_waiters(place);
            job
        })
        .collect();
    let ids = |host: &Host| host.queue().iter().map(|entry| entry["id"].clone()).collect::<Vec<_>>();
    let records = |host: &Host| (0..8).map(|gpu| reservation(host, gpu)["id"].clone()).collect::<Vec<_>>();
    let (places, leases) = (ids(&host), records(&host));

    server(&mut host).dies();
    server(&mut host).returns();
    let returned = Instant::now();
    let held = |server: &Server| {
        let records = server.ask(&[
            "MGET",
            "canhazgpu:gpu:0",
            "canhazgpu:gpu:1",
            "canhazgpu:gpu:2",
            "canhazgpu:gpu:3",
            "canhazgpu:gpu:4",
            "canhazgpu:gpu:5",
            "canhazgpu:gpu:6",
            "canhazgpu:gpu:7",
        ]);
        leases.iter().filter(|id| records.contains(id.as_str().unwrap())).count()
    };
    wait_until("every holder's record", || held(host.redis.as_ref().unwrap()) == 8);
    let took = returned.elapsed();
    // On a machine that is busy with other things everything takes longer: as long as looking does.
    let looking = Instant::now();
    assert_eq!(records(&host), leases);
    let allowed = Duration::from_secs(1).max(looking.elapsed() * 3);
    assert!(took < allowed, "{took:?} of {allowed:?}");

    wait_until("everybody in line again", || ids(&host) == places);
    assert!(!host.path("order").exists(), "nobody was served a GPU that is held");
    // One GPU serves them all, one after the other.
    holders.remove(3).stops();
    for job in line {
        let ended = job.finish();
        assert_eq!(ended.code, Some(0), "{ended}");
    }
    let order: String = (1..=20).map(|place| format!("{place}\n")).collect();
    assert_eq!(std::fs::read_to_string(host.path("order")).unwrap(), order);
    for holder in holders {
        // Not at all, where the server was back before anybody asked it.
        let said = holder.stops().stderr;
        assert!(said.matches("warning: the store is back").count() <= 1, "{said}");
    }
}

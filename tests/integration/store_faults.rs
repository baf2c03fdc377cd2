//! Stores that fail while runs and waiters depend on them: the command goes on, everybody is told once, nobody turns to
//! another store, and all is recorded again when the store is back.

mod embedded;
mod unreachable;

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::host::{BOTH_STORES, Host, Store, is_in_charge, me};
use crate::support::job::Job;
use crate::support::process::await_state;
use crate::support::redis::Server;
use crate::support::wait::wait_until;

/// A release is tried for two seconds; a busy machine needs some more.
const SOON: Duration = Duration::from_secs(8);
const GOES_ON: &str = "; the command goes on, and is recorded again when the store is back";
const BACK: &str = "the store is back, and has the reservation again";
const KEPT: &str = "; the place in line is kept";

fn server(host: &Host) -> &Server {
    host.redis.as_ref().unwrap()
}

/// Whoever is continued renews at once.
fn renews(run: &Job) {
    run.gets(Signal::SIGSTOP);
    await_state(run.pid(), 'T');
    run.gets(Signal::SIGCONT);
}

/// Cuts every connection: whoever has one asks again at once.
fn cuts_connections(host: &Host) {
    server(host).ask(&["CLIENT", "KILL", "TYPE", "normal"]);
}

fn said_once(text: &str, what: &str) {
    assert_eq!(text.matches(what).count(), 1, "{what:?} in {text}");
}

/// A run whose command ends with its input.
fn waits_for_its_end(host: &Host) -> Job {
    let mut run = host.me().chg(&["--", "sh", "-c", "echo up; read line; exit 7"]);
    let run = Job::start(run.stdin(Stdio::piped()));
    run.prints("up");
    run
}

/// Its command ends now, which the store hears nothing of; the run says why, and ends soon and as the command did.
fn ends_unrecorded(mut run: Job, why: &str) {
    let since = Instant::now();
    drop(run.child().stdin.take());
    let ended = run.finish();
    assert_eq!(ended.code, Some(7), "{ended}");
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    assert!(ended.stderr.contains(&format!("the release is not recorded: {why}")), "{ended}");
}

/// A run that holds the only GPU and a waiter, through a fault that `breaks` and `mends` make.
fn is_lived_through(host: &Host, cause: &str, breaks: impl FnOnce(&Host), mends: impl FnOnce(&Host)) {
    let holder = host.me().holds(&[]);
    let waiter = host.me().waits(&["--", "echo", "served"]);
    let record = host.json(&["status"])[0]["reservation"].clone();
    breaks(host);
    renews(&holder);
    renews(&waiter);
    holder.says(GOES_ON);
    waiter.says(KEPT);
    for job in [&holder, &waiter] {
        assert!(job.stderr().contains(cause), "{cause:?} in {}", job.stderr());
    }
    let newcomer = host.me().runs(&["--nonblock", "--", "true"]);
    assert!(matches!(newcomer.code, Some(125 | 75)), "{newcomer}");
    mends(host);
    holder.says(BACK);
    wait_until("the waiter in its place again", || host.queue().len() == 1);
    assert_eq!(host.json(&["status"])[0]["reservation"]["id"], record["id"]);
    said_once(&holder.stderr(), GOES_ON);
    said_once(&waiter.stderr(), KEPT);
    holder.stops();
    assert_eq!(waiter.finish().stdout, "served\n");
}

#[test]
fn a_store_that_is_not_there_fails_the_start_and_nothing_takes_its_place() {
    let host = Host::with_gpus(1);
    let nowhere = format!("redis+unix://{}/none.sock?db=0", host.directory().display());
    let before = fs::read_dir(host.directory()).unwrap().count();
    for words in [&["--", "touch", "ran"][..], &["status"], &["reserve"]] {
        let ended = host.me().with_store(&nowhere).runs(words);
        assert!(matches!(ended.code, Some(125 | 1)), "{ended}");
        assert!(ended.stderr.starts_with(&format!("error: cannot reach the store {nowhere}: ")), "{ended}");
    }
    assert_eq!(fs::read_dir(host.directory()).unwrap().count(), before, "no command, and no other store");
}

#[test]
fn a_server_out_of_memory_is_lived_through() {
    is_lived_through(
        &Host::on(Store::Redis, 1),
        "cannot be written: OOM",
        |host| drop(server(host).ask(&["CONFIG", "SET", "maxmemory", "1"])),
        |host| drop(server(host).ask(&["CONFIG", "SET", "maxmemory", "0"])),
    );
}

#[test]
fn a_server_that_became_a_replica_is_lived_through() {
    is_lived_through(
        &Host::on(Store::Redis, 1),
        "cannot be written: READONLY",
        |host| drop(server(host).ask(&["REPLICAOF", "127.0.0.1", "1"])),
        |host| drop(server(host).ask(&["REPLICAOF", "NO", "ONE"])),
    );
}

#[test]
fn a_server_that_cannot_save_is_lived_through() {
    let mut host = Host::with_gpus(1);
    let redis = Server::start(host.directory(), &["--enable-protected-configs", "yes"]);
    (host.store, host.redis) = (redis.url(), Some(redis));
    let saved = |how: &str| {
        server(&host).ask(&["BGSAVE"]);
        let wanted = format!("rdb_last_bgsave_status:{how}");
        wait_until(&wanted, || server(&host).ask(&["INFO", "persistence"]).contains(&wanted));
    };
    // A directory that is gone takes no file, from root neither.
    let gone = host.path("gone");
    is_lived_through(
        &host,
        "cannot be written: MISCONF",
        |host| {
            fs::create_dir(&gone).unwrap();
            server(host).ask(&["CONFIG", "SET", "dir", gone.to_str().unwrap()]);
            fs::remove_dir(&gone).unwrap();
            server(host).ask(&["CONFIG", "SET", "save", "3600 1"]);
            saved("err");
        },
        |host| {
            server(host).ask(&["CONFIG", "SET", "dir", host.directory().to_str().unwrap()]);
            saved("ok");
        },
    );
}

#[test]
fn a_right_that_is_taken_away_is_lived_through() {
    is_lived_through(
        &Host::on(Store::Redis, 1),
        "NOPERM this user has no permissions",
        |host| drop(server(host).ask(&["ACL", "SETUSER", "default", "-exec"])),
        |host| drop(server(host).ask(&["ACL", "SETUSER", "default", "+exec"])),
    );
}

#[test]
fn a_store_that_does_not_take_the_reservation_back_is_told_of_once() {
    let host = Host::on(Store::Redis, 1);
    let holder = host.me().holds(&[]);
    let id = host.json(&["status"])[0]["reservation"]["id"].as_str().unwrap().to_owned();
    // Somebody else's pool in its place.
    server(&host).ask(&["FLUSHALL"]);
    server(&host).ask(&["SET", "canhazgpu:gpu_count", "1"]);
    server(&host).ask(&["SET", "canhazgpu:pool", r#"{"id": "other", "gpus": {"0": "GPU-other"}}"#]);
    renews(&holder);
    let not_taken = "the store does not take the reservation: the pool in this store is made of other GPUs than this \
                     machine's; the command goes on, and it is offered again every few seconds";
    holder.says(not_taken);
    renews(&holder);
    server(&host).ask(&["FLUSHALL"]);
    holder.says(BACK);
    assert_eq!(host.json(&["status"])[0]["reservation"]["id"], id.as_str());
    said_once(&holder.stderr(), not_taken);
    holder.stops();
}

#[test]
fn a_password_that_is_changed_is_read_again_from_its_file() {
    let mut host = Host::with_gpus(1);
    let server = Server::start(host.directory(), &["--requirepass", "first"]);
    let file = host.path("password");
    fs::write(&file, "first\n").unwrap();
    host.store = server.url();
    let start = |words: &[&str]| {
        let mut chg = host.me().chg(words);
        Job::start(chg.env("CANHAZGPU_REDIS_PASSWORD_FILE", &file).stdin(Stdio::null()))
    };
    let ask = |password: &str, words: &[&str]| {
        server.ask(&[&["--no-auth-warning", "-a", password], words].concat())
    };
    let holder = start(&["--", "sh", "-c", "echo up; exec sleep 1000"]);
    holder.prints("up");
    let waiter = start(&["--", "echo", "served"]);
    waiter.says("waiting: ");
    ask("first", &["CONFIG", "SET", "requirepass", "second"]);
    ask("second", &["CLIENT", "KILL", "TYPE", "normal"]);
    holder.says(GOES_ON);
    renews(&waiter);
    waiter.says(KEPT);
    for job in [&holder, &waiter] {
        let said = job.stderr();
        assert!(
            said.contains("refuses access: ") && !said.contains("first\n") && !said.contains("second"),
            "{said}"
        );
    }
    fs::write(&file, "second\n").unwrap();
    holder.says(BACK);
    holder.stops();
    assert_eq!(waiter.finish().stdout, "served\n");
}

#[test]
fn a_server_with_too_many_clients_is_waited_for() {
    let host = Host::on(Store::Redis, 1);
    let holder = host.me().holds(&[]);
    let ids = server(&host).ask(&["CLIENT", "LIST", "TYPE", "normal"]);
    let id = ids.lines().find(|line| !line.contains("cmd=client")).unwrap();
    let id = id.split(' ').next().unwrap().strip_prefix("id=").unwrap();
    // Two more than the run's: one that is idle, and one to ask with.
    let idle = UnixStream::connect(server(&host).socket()).unwrap();
    let mut asks = UnixStream::connect(server(&host).socket()).unwrap();
    asks.write_all(format!("CONFIG SET maxclients 2\r\nCLIENT KILL ID {id}\r\n").as_bytes()).unwrap();
    wait_until("the server to be full", || {
        server(&host).ask(&["PING"]).contains("max number of clients reached")
    });
    let newcomer = host.me().starts(&["--nonblock", "--", "true"]);
    // There is room again: whoever came meanwhile was not turned away.
    drop((idle, asks));
    let newcomer = newcomer.finish();
    assert_eq!(newcomer.code, Some(75), "{newcomer}");
    host.shows(0, &format!("IN USE by {}", me()));
    holder.stops();
    host.shows(0, "AVAILABLE");
}

#[test]
fn a_server_that_does_not_answer_holds_up_no_end_of_a_command() {
    let host = Host::on(Store::Redis, 1);
    let holder = waits_for_its_end(&host);
    server(&host).gets(Signal::SIGSTOP);
    // So that a renewal waits for an answer when the command ends.
    renews(&holder);
    ends_unrecorded(holder, "cannot reach the store");
    server(&host).gets(Signal::SIGCONT);
    host.me().does(&["--nonblock", "--", "true"]);
}

#[test]
fn a_server_that_does_not_answer_keeps_nobody_from_leaving() {
    let host = Host::on(Store::Redis, 1);
    let holder = host.me().holds(&[]);
    let waiter = host.me().waits(&["--", "true"]);
    server(&host).gets(Signal::SIGSTOP);
    renews(&waiter);
    let newcomer = host.me().starts(&["--", "true"]);
    wait_until("it has connected", || open_sockets(newcomer.pid()) > 0);
    for job in [waiter, newcomer] {
        let asked = Instant::now();
        job.gets(Signal::SIGINT);
        assert_eq!(job.finish().signal, Some(2));
        assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    }
    server(&host).gets(Signal::SIGCONT);
    wait_until("both have left", || host.queue().is_empty());
    holder.stops();
}

fn open_sockets(pid: i32) -> usize {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return 0 };
    let links = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

#[test]
fn a_server_that_is_slow_for_a_while_is_waited_for() {
    let host = Host::on(Store::Redis, 1);
    let holder = host.me().holds(&[]);
    let mut sleeper = UnixStream::connect(server(&host).socket()).unwrap();
    sleeper.write_all(b"DEBUG SLEEP 2\r\n").unwrap();
    renews(&holder);
    assert_eq!(host.me().runs(&["--nonblock", "--", "true"]).code, Some(75), "answered when it could");
    assert!(!holder.stderr().contains("cannot reach"), "{}", holder.stderr());
    holder.stops();
}

#[test]
fn a_server_that_comes_back_with_old_data_is_corrected() {
    if !is_in_charge() {
        return;
    }
    let mut host = Host::on(Store::Redis, 3);
    let old = host.me().holds(&["-G", "0"]);
    let released = host.me().holds(&["-G", "1"]);
    let left = host.me().waits(&["-G", "0", "--", "true"]);
    server(&host).ask(&["SAVE"]);
    released.stops();
    left.gets(Signal::SIGINT);
    left.finish();
    let new = host.me().holds(&["-G", "1,2", "-n", "new"]);
    let waiter = host.me().waits(&["-G", "0", "--", "echo", "served"]);
    host.redis.as_mut().unwrap().dies();
    host.redis.as_mut().unwrap().returns();
    // In silence, where the server was back before they asked it.
    for gpu in [1, 2] {
        host.shows(gpu, "[note: new]");
    }
    host.has_waiters(1);
    let (old_id, waits) =
        (host.json(&["status"])[0]["reservation"]["id"].clone(), host.queue()[0]["id"].clone());
    assert!(old_id.is_string() && waits.is_string());
    new.stops();
    old.stops();
    assert_eq!(waiter.finish().stdout, "served\n");
    assert!(host.status().iter().all(|line| line.contains("AVAILABLE")), "{:?}", host.status());
}

#[test]
fn a_lease_that_was_ended_is_told_to_its_run_at_once() {
    if !is_in_charge() {
        return;
    }
    for store in BOTH_STORES {
        let mut host = Host::on(store, 1);
        let run = host.me().holds(&[]);
        let id = host.json(&["status"])[0]["reservation"]["id"].as_str().unwrap().to_owned();
        host.me().does(&["admin", "--release", &id]);
        run.says("the reservation is lost: it was ended in the store; the command goes on without it");
        // Told, it does not bring it back to a store that has forgotten.
        if let Some(server) = host.redis.as_mut() {
            server.dies();
            server.returns();
            renews(&run);
            assert!(!host.line(0).contains(&format!("IN USE by {}", me())), "{}", host.line(0));
        }
        run.stops();
        host.shows(0, "AVAILABLE");
    }
}

#[test]
fn a_cut_connection_is_nothing_to_tell() {
    let host = Host::on(Store::Redis, 1);
    let holder = host.me().holds(&[]);
    let waiter = host.me().waits(&["--", "echo", "served"]);
    for _ in 0..3 {
        cuts_connections(&host);
        host.has_waiters(1);
    }
    let held = holder.stops();
    let served = waiter.finish();
    assert_eq!(served.stdout, "served\n");
    for text in [held.stderr, served.stderr] {
        assert!(!text.contains("store"), "{text}");
    }
}

//! The embedded store: its database removed, damaged or locked, its disk full.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{ends_unrecorded, is_lived_through, open_sockets, renews, waits_for_its_end};
use crate::support::host::{Host, me};
use crate::support::probe;
use crate::support::process::{Actor, await_state};
use crate::support::skip;
use crate::support::wait::wait_until;

fn database(host: &Host) -> PathBuf {
    PathBuf::from(host.store.strip_prefix("sqlite:").unwrap()).join("pool.db")
}

#[test]
fn a_database_that_was_removed_has_its_records_again_as_soon_as_anybody_looks() {
    let host = Host::with_gpus(2);
    let first = host.me().holds(&["-g", "1", "-n", "long"]);
    let second = host.me().holds(&[]);
    let before = [0, 1].map(|gpu| host.json(&["status"])[gpu]["reservation"].clone());
    for entry in fs::read_dir(database(&host).parent().unwrap()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let refused = host.me().runs(&["--nonblock", "--", "true"]);
    assert_eq!(refused.code, Some(75), "{refused}");
    for gpu in [0, 1] {
        host.shows(gpu, &format!("IN USE by {} for ", me()));
    }
    assert_eq!([0, 1].map(|gpu| host.json(&["status"])[gpu]["reservation"].clone()), before);
    first.stops();
    second.stops();
}

#[test]
fn a_database_that_is_damaged_is_lived_through() {
    let host = Host::with_gpus(1);
    is_lived_through(
        &host,
        "the store sqlite:",
        |host| {
            // Another file: what a process has read it need not read again.
            let noise: Vec<u8> = (1..=255_u8).cycle().take(32_768).collect();
            fs::write(host.path("noise"), noise).unwrap();
            fs::rename(host.path("noise"), database(host)).unwrap();
        },
        |host| fs::remove_file(database(host)).unwrap(),
    );
}

/// A small disk of its own at `path`; gone with the scene.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: &Path) -> Option<Self> {
        fs::create_dir(path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=400k,mode=0777", "none"])
            .arg(path)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(path.to_owned()));
        }
        skip("this scene needs a disk of its own: run the tests as root");
        None
    }

    fn fill(&self) {
        let mut file = fs::File::create(self.0.join("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_lived_through() {
    let mut host = Host::with_gpus(1);
    let Some(disk) = Disk::mount(&host.path("disk")) else { return };
    host.store = format!("sqlite:{}", host.path("disk").display());
    is_lived_through(&host, "cannot be written", |_| disk.fill(), |_| disk.make_room());
    let holder = host.me().holds(&[]);
    disk.fill();
    let ended = holder.stops();
    assert_eq!(ended.signal, Some(15), "{ended}");
    assert!(ended.stderr.contains("the release is not recorded: the store "), "{ended}");
    disk.make_room();
    host.me().does(&["--nonblock", "--", "true"]);
}

#[test]
fn a_disk_that_can_only_be_read_is_told_and_its_store_is_used_again_when_it_can_be_written() {
    let mut host = Host::with_gpus(1);
    let Some(disk) = Disk::mount(&host.path("disk")) else { return };
    host.store = format!("sqlite:{}", host.path("disk").display());
    host.me().does(&["--", "true"]);
    let remount = |how: &str| {
        let options = format!("remount,{how}");
        let done = Command::new("mount").args(["-o", &options]).arg(&disk.0).status();
        assert!(done.unwrap().success(), "{options}");
    };
    remount("ro");
    for words in [&["--", "touch", "ran"][..], &["status"]] {
        let refused = host.me().runs(words);
        assert!(matches!(refused.code, Some(125 | 1)), "{refused}");
        let told = format!("error: the store {} cannot be written: ", host.store);
        assert!(refused.stderr.starts_with(&told), "{refused}");
        assert!(refused.stderr.contains("Read-only file system"), "{refused}");
    }
    assert!(!host.path("ran").exists());
    remount("rw");
    host.me().does(&["--nonblock", "--", "true"]);
}

#[test]
fn a_database_that_a_stopped_process_has_locked_is_not_waited_for_at_the_end() {
    let host = Host::with_gpus(1);
    let holder = waits_for_its_end(&host);
    let locking = probe::script(&format!(
        "import sqlite3\nc = sqlite3.connect({:?}, isolation_level=None)\nc.execute('BEGIN IMMEDIATE')\nsit()",
        database(&host).display().to_string()
    ));
    let mut locker = Actor::start(host.me().command(&locking[0]).args(&locking[1..]));
    assert!(locker.line().starts_with("ready"));
    locker.signal("STOP");
    await_state(locker.pid(), 'T');

    assert!(host.line(0).contains(&format!("IN USE by {}", me())), "reading goes on");
    let newcomer = host.me().starts(&["--", "true"]);
    wait_until("it has begun", || open_sockets(newcomer.pid()) > 0);
    let asked = Instant::now();
    newcomer.gets(Signal::SIGINT);
    assert_eq!(newcomer.finish().signal, Some(2));
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());

    renews(&holder);
    ends_unrecorded(holder, "the store sqlite:");
    locker.signal("KILL");
    locker.ends();
    host.me().does(&["--nonblock", "--", "true"]);
}

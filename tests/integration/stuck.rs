//! A process on a GPU that hangs in the kernel so that nobody can read its command line.

use std::fs;
use std::process::Stdio;

use fakenvml::Kind;
use serde_json::json;

use crate::support::glass::Glass;
use crate::support::host::{Host, can_be_others};
use crate::support::job::Job;
use crate::support::process::state;
use crate::support::skip;
use crate::support::wait::{wait_for, wait_until};

#[test]
fn who_hangs_in_the_kernel_keeps_nobody_from_looking() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(2);
    let (script, mount) = (host.path("stuck.py"), host.path("mount"));
    fs::write(&script, include_str!("support/stuck.py")).unwrap();
    fs::create_dir(&mount).unwrap();
    let mut command = host.me().command("unshare");
    command.args(["--mount", "python3"]).arg(&script).arg(&mount).stdin(Stdio::null());
    let mut server = Job::start(&mut command);
    let pid = wait_for("the process", || match server.child().try_wait().unwrap() {
        Some(_) => Some(None),
        None => server.stdout().trim().parse().ok().map(Some),
    });
    let Some(pid) = pid else {
        return skip(&format!("this scene needs FUSE: {}", server.finish().stderr.trim()));
    };
    wait_until("it hangs", || state(pid) == Some('D'));
    host.gpus.add_process(0, pid, Some(1024), Kind::Compute);
    let worker = host.me().takes_without_asking(&[1], "python3");
    let shown = host.json(&["status"]);
    let commands = [0, 1].map(|gpu| shown[gpu]["processes"][0]["command"].clone());
    assert_eq!(commands[0], json!([]), "{shown}");
    assert!(commands[1].as_array().unwrap().len() > 1, "{shown}");
    let told = format!("1028MB used by PID {pid} (python3)");
    assert!(host.line(0).ends_with(&told), "{}", host.line(0));
    assert!(host.line(1).contains(&format!("PID {} ", worker.pid())), "{}", host.line(1));
    // Whoever watches asks once and not again and again: each question costs a thread.
    let mut watch = host.me().chg(&["status", "--watch", "1"]);
    let mut glass = Glass::start(watch.env("TERM", "xterm-256color"), 120, 40);
    let threads = |of: i32| fs::read_dir(format!("/proc/{of}/task")).unwrap().count();
    glass.waits_for("both", |rows| rows.iter().filter(|row| row.contains("python3")).count() >= 2);
    let others = ["second", "third"].map(|name| {
        let other = host.me().takes_without_asking(&[1], name);
        glass.waits_for(name, |rows| rows.iter().any(|row| row.contains(name)));
        other
    });
    assert_eq!(threads(glass.pty.leader()), 2, "its own, and the one that hangs");
    glass.pty.types("q");
    glass.pty.ends_with(0);
    drop(others);
    // Nor is it in the way of whoever wants another GPU.
    drop(worker);
    host.me().does(&["-G", "1", "--nonblock", "--", "true"]);
    drop(server);
    let threads = || fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    wait_until("nothing hangs any more", || threads() < 2);
}

//! The launcher while its command runs: it sleeps, and nothing but the command's end or a message wakes it.

use std::fs;

use crate::support::process::{Actor, await_state, voluntary_switches};
use crate::support::wait::wait_until;
use crate::support::{CHG, beside, chg, skip};

#[test]
fn what_the_command_does_below_itself_does_not_wake_the_launcher() {
    let text = "echo ready $PPID; read x
        i=0; while [ $i -lt 200 ]; do (exit 3); true | cat; i=$((i + 1)); done
        echo done; read x";
    let mut actor = Actor::start(chg().args(["-q", "--", "sh", "-c", text]));
    let launcher = actor.number();
    await_state(launcher, 'S');
    let before = voluntary_switches(launcher);
    actor.say("go");
    assert_eq!(actor.line(), "done");
    let woken = voluntary_switches(launcher) - before;
    // Once it gives back the memory that the start took; and a renewal is a minute away.
    assert!(woken <= 2, "{woken} times");
    actor.say("go");
    actor.ends_with(0);
}

/// The calls of the launcher as strace writes them.
fn trace(text: &str) -> Option<Vec<String>> {
    let directory = crate::support::directory();
    let file = directory.path().join("calls");
    let traced = |words: &[&str]| {
        let mut strace = beside("strace");
        strace.args(["-E", "LC_ALL=C", "-o"]).arg(&file).args(words);
        strace
    };
    if !traced(&["true"]).status().is_ok_and(|status| status.success()) {
        skip("nothing can be traced here");
        return None;
    }
    let mut actor = Actor::start(&mut traced(&[CHG, "-q", "--", "sh", "-c", text]));
    let launcher = actor.number();
    // Asleep in its poll: everything else that it does, it does awake, or stopped by the tracer.
    await_state(launcher, 'S');
    actor.say("go");
    actor.ends_with(0);
    Some(fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect())
}

#[test]
fn from_the_start_of_the_command_to_its_end_the_launcher_only_sleeps() {
    let Some(calls) = trace("echo ready $PPID; read x; exit 0") else { return };
    let is = |name: &str, call: &String| call.starts_with(&format!("{name}("));
    // One byte opens the gate; then what was inherited is let go, and the first look finds the command alive.
    let gate = calls.iter().rposition(|call| is("write", call) && call.contains("\"\\1\", 1)")).unwrap();
    let asleep = gate + calls[gate..].iter().position(|call| is("poll", call)).unwrap();
    let heard = asleep + calls[asleep..].iter().position(|call| call.contains("SIGCHLD")).unwrap();
    let preparing = &calls[gate + 1..asleep];
    let needed =
        ["openat", "newfstatat", "fstat", "getdents64", "fcntl", "close", "dup2", "waitid", "clock_gettime"];
    for call in preparing {
        assert!(needed.iter().any(|name| is(name, call)), "{call} among {preparing:#?}");
    }
    let names: Vec<&str> = calls[asleep..heard].iter().filter_map(|call| call.split('(').next()).collect();
    // On a slow machine the start is long enough ago for its memory to be given back.
    let giving_back = ["madvise", "brk", "munmap", "mremap", "mmap"];
    let others: Vec<&&str> = names
        .iter()
        .filter(|name| !giving_back.contains(name) && !matches!(**name, "poll" | "waitid" | "read" | "---"))
        .collect();
    let sleeps = names.iter().filter(|name| **name == "poll").count();
    assert!(others.is_empty() && sleeps <= 3, "{:#?}", &calls[asleep..=heard]);
}

#[test]
fn no_thread_stays_while_the_command_runs() {
    let mut actor = Actor::start(chg().args(["-q", "--", "sh", "-c", "echo $PPID; read x"]));
    let launcher = actor.number();
    wait_until("one thread", || fs::read_dir(format!("/proc/{launcher}/task")).unwrap().count() == 1);
    actor.hang_up();
    actor.ends();
}

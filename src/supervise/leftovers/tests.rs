//! Real processes that outlive their parent.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::*;

/// A real line of a kernel, with name, state, threads and start as given.
fn line(name: &[u8], state: &str, threads: u32, start: u64) -> Vec<u8> {
    let mut line = b"4242 (".to_vec();
    line.extend_from_slice(name);
    line.extend_from_slice(b") ");
    let rest = format!(
        "{state} 17 18 19 34816 4242 4194304 91 0 0 0 0 0 0 0 20 0 {threads} 0 {start} 3219456 \
         384 18446744073709551615 94 94 140 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0 94 94 94 140 140 140 140 0\n"
    );
    line.extend_from_slice(rest.as_bytes());
    line
}

#[test]
fn a_stat_line_is_read_from_its_last_bracket_whatever_the_name_pretends() {
    for name in [&b"cat"[..], b"a) R 1", b"x) Z 1 1 1 0 -1 (y", b"with space", b"\xff\xfe", b"", b"\n)"] {
        let task = parse(&line(name, "S", 1, 777)).unwrap();
        assert_eq!(task.name, String::from_utf8_lossy(name));
        assert_eq!((task.pid, task.parent, task.group, task.session), (Pid(4242), Pid(17), Pid(18), Pid(19)));
        assert_eq!((task.start, task.life), (777, Life::Alive));
    }
}

#[test]
fn a_zombie_whose_other_threads_run_on_is_alive() {
    assert_eq!(parse(&line(b"x", "Z", 1, 1)).unwrap().life, Life::Zombie);
    assert_eq!(parse(&line(b"x", "Z", 2, 1)).unwrap().life, Life::Alive);
    assert_eq!(parse(&line(b"x", "T", 1, 1)).unwrap().life, Life::Alive);
}

#[test]
fn a_line_that_was_cut_short_is_nobody() {
    let whole = line(b"x", "S", 1, 1);
    for length in 0..whole.len() / 3 {
        assert_eq!(parse(&whole[..length]), None, "{length} bytes");
    }
}

#[test]
fn a_tree_is_found_below_its_root_and_without_the_branch_that_is_not_its_own() {
    let script = "sleep 1000 & echo $!; sh -c 'sleep 1000 & echo $!; exec cat' <&3 & echo $!; wait";
    let mut root = Command::new("sh")
        .args(["-c", &format!("exec 3<&0; {script}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<i32> = BufReader::new(root.stdout.take().unwrap())
        .lines()
        .take(3)
        .map(|line| line.unwrap().parse().unwrap())
        .collect();
    let pid = |number: u32| Pid(number.cast_signed());
    let found = descendants(pid(root.id()), &BTreeSet::new());
    let pids: BTreeSet<Pid> = found.iter().map(|task| task.pid).collect();
    assert_eq!(pids, lines.iter().copied().map(Pid).collect());

    // The branch is the one process with a child of its own.
    let branch = found.iter().find(|task| found.iter().any(|other| other.parent == task.pid)).unwrap().pid;
    let without = descendants(pid(root.id()), &BTreeSet::from([branch]));
    assert_eq!(without.len(), 1);
    assert_eq!(without[0].parent, pid(root.id()));

    assert_eq!(found[0].clone().recycled().send(Signal::KILL), Err(Errno::ESRCH), "another's number");
    for task in &found {
        task.send(Signal::KILL).unwrap();
    }
    assert!(root.wait().unwrap().success());
}

impl Task {
    /// As if the number had been given to a later process.
    fn recycled(mut self) -> Self {
        self.start -= 1;
        self
    }
}

#[test]
fn our_children_are_those_that_we_have_not_buried() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pid = Pid(child.id().cast_signed());
    assert!(children().unwrap().contains(&pid));
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(!children().unwrap().contains(&pid));
}

#[test]
fn a_group_is_below_us_if_all_of_it_is_or_if_nobody_is_in_it() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).process_group(0).spawn().unwrap();
    let group = Pid(child.id().cast_signed());
    assert!(is_below(group, own_pid()));
    assert!(!is_below(group, group), "it does not descend from itself");
    assert!(!is_below(Pid(nix::unistd::getpgrp().as_raw()), own_pid()), "we are in it");
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(is_below(group, group), "nobody is");
}

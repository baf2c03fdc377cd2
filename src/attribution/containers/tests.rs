//! A stand-in for the engines' programs, since no engine can be counted on: it prints what they print.

use std::fs;
use std::path::Path;

use super::*;

fn id(letter: char) -> String {
    letter.to_string().repeat(64)
}

fn in_container(pid: i32, engine: &str, letter: char) -> (Pid, Process) {
    let origin = Origin::Container { engine: engine.into(), id: id(letter), name: None, host_uid: None };
    (Pid(pid), Process { origin, ..Process::unknown(Pid(pid)) })
}

/// A program that keeps its arguments beside itself and then does as the script says. Written by another process:
/// while a descriptor for writing is open, perhaps in a fork of another test, it could not be executed.
fn program(directory: &Path, script: &str) -> String {
    let path = directory.join("engine");
    let text = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >\"$0.arguments\"\n{script}\n");
    let write = "printf %s \"$TEXT\" >\"$1\" && chmod 755 \"$1\"";
    let written = Command::new("sh").args(["-c", write, "sh"]).arg(&path).env("TEXT", text).status().unwrap();
    assert!(written.success());
    path.to_str().unwrap().to_owned()
}

fn docker(program: &str, processes: &mut BTreeMap<Pid, Process>, at_most: Duration) {
    ask(Engine { name: "docker", program, knows: Knows::All }, Uid(1001), processes, at_most);
}

#[test]
fn an_engine_without_a_daemon_is_asked_for_containers_of_the_caller_only() {
    let directory = tempfile::tempdir().unwrap();
    let program = program(directory.path(), "for id; do echo \"$id named\"; done");
    let of = |pid, letter, host_uid: Option<u32>| {
        let (pid, mut process) = in_container(pid, "podman", letter);
        if let Origin::Container { host_uid: found, .. } = &mut process.origin {
            *found = host_uid.map(Uid);
        }
        (pid, process)
    };
    let asked_by = |caller| {
        let mut processes =
            BTreeMap::from([of(1, 'a', None), of(2, 'b', Some(1001)), of(3, 'c', Some(1002))]);
        let podman = Engine { name: "podman", program: &program, knows: Knows::Own };
        ask(podman, caller, &mut processes, Duration::from_secs(20));
        processes.values().map(told).collect::<Vec<_>>()
    };
    assert_eq!(asked_by(Uid::ROOT), ["named -", "- -", "- -"]);
    assert_eq!(asked_by(Uid(1001)), ["- -", "named -", "- -"]);
    assert_eq!(asked_by(Uid(1003)), ["- -", "- -", "- -"]);
}

fn told(process: &Process) -> String {
    let name = match &process.origin {
        Origin::Container { name, .. } => name.as_deref().unwrap_or("-"),
        _ => "no container",
    };
    format!("{name} {}", process.reservation.as_ref().map_or("-", LeaseId::as_str))
}

#[test]
fn containers_are_named_and_their_reservations_found() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b, c) = (id('a'), id('b'), id('c'));
    let script =
        format!("echo '{a} /trainer lease-1'\necho '{b} /server '\necho '{c} odd <no value>'\nexit 1");
    let mut processes = BTreeMap::from([
        in_container(1, "docker", 'a'),
        in_container(2, "docker", 'a'),
        in_container(3, "docker", 'b'),
        in_container(4, "docker", 'c'),
        in_container(5, "docker", 'd'),
        in_container(6, "podman", 'a'),
        (Pid(7), Process::unknown(Pid(7))),
    ]);
    docker(&program(directory.path(), &script), &mut processes, Duration::from_secs(20));
    let said: Vec<String> = processes.values().map(told).collect();
    assert_eq!(
        said,
        ["trainer lease-1", "trainer lease-1", "server -", "odd -", "- -", "- -", "no container -"]
    );

    let arguments = fs::read_to_string(directory.path().join("engine.arguments")).unwrap();
    let asked: Vec<&str> = arguments.lines().filter(|line| line.len() == 64).collect();
    assert_eq!(asked, [&a, &b, &c, &id('d')], "each once, and no other engine's");
}

#[test]
fn an_engine_that_fails_or_hangs_leaves_containers_without_a_name() {
    let directory = tempfile::tempdir().unwrap();
    let before = BTreeMap::from([in_container(1, "docker", 'a')]);
    let mut processes = before.clone();
    let half = format!("echo '{} /half'; sleep 1000", id('a'));
    docker(&program(directory.path(), &half), &mut processes, Duration::from_millis(50));
    docker(&program(directory.path(), "echo nonsense; exit 1"), &mut processes, Duration::from_secs(20));
    docker("/no/such/engine", &mut processes, Duration::from_secs(20));
    assert_eq!(processes, before);
}

#[test]
fn no_engine_is_asked_about_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut processes = BTreeMap::from([in_container(1, "kubernetes", 'a')]);
    docker(&program(directory.path(), "true"), &mut processes, Duration::from_secs(20));
    assert!(!directory.path().join("engine.arguments").exists());
}

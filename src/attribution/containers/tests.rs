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

/// Asks a stand-in for podman, for root.
fn podman(program: &str, processes: &BTreeMap<Pid, Process>, at_most: Duration) -> Vec<String> {
    let containers: BTreeSet<Container> = processes.values().filter_map(Container::of).collect();
    let asked: Vec<&Container> = containers.iter().collect();
    let named = Engine { name: "podman", program }.ask(Uid::ROOT, &asked, at_most);
    named.iter().map(|(of, named)| format!("{} {}", &of.id[..1], told(named))).collect()
}

fn told(named: &Named) -> String {
    format!("{} {}", named.name, named.reservation.as_ref().map_or("-", LeaseId::as_str))
}

#[test]
fn an_engine_without_a_daemon_is_asked_for_containers_of_the_caller_only() {
    let directory = tempfile::tempdir().unwrap();
    let program = program(directory.path(), "for id; do echo \"$id named\"; done");
    let of = |letter, host_uid: Option<u32>| Container {
        engine: "podman".into(),
        id: id(letter),
        host_uid: host_uid.map(Uid),
    };
    let all = [of('a', None), of('b', Some(1001)), of('c', Some(1002))];
    let asked_by = |caller| {
        let asked: Vec<&Container> = all.iter().collect();
        let podman = Engine { name: "podman", program: &program };
        let named = podman.ask(caller, &asked, Duration::from_secs(20));
        named.iter().map(|(of, _)| of.id[..1].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(asked_by(Uid::ROOT), ["a"]);
    assert_eq!(asked_by(Uid(1001)), ["b"]);
    assert_eq!(asked_by(Uid(1003)), [""; 0]);
}

#[test]
fn containers_are_named_and_their_reservations_found() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b, c) = (id('a'), id('b'), id('c'));
    let script =
        format!("echo '{a} /trainer lease-1'\necho '{b} /server '\necho '{c} odd <no value>'\nexit 1");
    let processes = BTreeMap::from([
        in_container(1, "podman", 'a'),
        in_container(2, "podman", 'a'),
        in_container(3, "podman", 'b'),
        in_container(4, "podman", 'c'),
        in_container(5, "podman", 'd'),
        in_container(6, "docker", 'a'),
        (Pid(7), Process::unknown(Pid(7))),
    ]);
    let said = podman(&program(directory.path(), &script), &processes, Duration::from_secs(20));
    assert_eq!(said, ["a trainer lease-1", "b server -", "c odd -"]);

    let arguments = fs::read_to_string(directory.path().join("engine.arguments")).unwrap();
    let asked: Vec<&str> = arguments.lines().filter(|line| line.len() == 64).collect();
    assert_eq!(asked, [&a, &b, &c, &id('d')], "each once, and no other engine's");
}

#[test]
fn an_engine_that_fails_or_hangs_leaves_containers_without_a_name() {
    let directory = tempfile::tempdir().unwrap();
    let processes = BTreeMap::from([in_container(1, "podman", 'a')]);
    let half = format!("echo '{} /half'; sleep 1000", id('a'));
    let (moment, patient) = (Duration::from_millis(50), Duration::from_secs(20));
    assert_eq!(podman(&program(directory.path(), &half), &processes, moment), [""; 0]);
    let nonsense = program(directory.path(), "echo nonsense; exit 1");
    assert_eq!(podman(&nonsense, &processes, patient), [""; 0]);
    assert_eq!(podman("/no/such/engine", &processes, patient), [""; 0]);
}

#[test]
fn no_engine_is_asked_about_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let processes = BTreeMap::from([in_container(1, "kubernetes", 'a')]);
    podman(&program(directory.path(), "true"), &processes, Duration::from_secs(20));
    assert!(!directory.path().join("engine.arguments").exists());
}

#[test]
fn what_an_engine_said_is_kept_while_the_container_is_there() {
    let (mut names, labelled, at_most) = (Names::default(), BTreeSet::new(), Duration::from_secs(20));
    let shown = |processes: &BTreeMap<Pid, Process>| {
        let name = |process: &Process| match &process.origin {
            Origin::Container { name, .. } => name.clone().unwrap_or("-".to_owned()),
            _ => "no container".to_owned(),
        };
        processes.values().map(name).collect::<Vec<_>>()
    };
    // No engine of ours knows these, so that what is shown of them is what was kept.
    let now = || BTreeMap::from([in_container(1, "kubernetes", 'a'), in_container(2, "kubernetes", 'b')]);
    let known = Container::of(&in_container(1, "kubernetes", 'a').1).unwrap();
    names.0.insert(known.clone(), Named::new("/kept", Some("lease-1")));
    let mut processes = now();
    names.give(&mut processes, &labelled, at_most);
    assert_eq!(shown(&processes), ["kept", "-"]);
    assert_eq!(processes[&Pid(1)].reservation, Some(LeaseId::from("lease-1")));
    let (pid, mut spoof) = in_container(3, "kubernetes", 'a');
    if let Origin::Container { host_uid, .. } = &mut spoof.origin {
        *host_uid = Some(Uid(1001));
    }
    let mut processes = BTreeMap::from([in_container(1, "kubernetes", 'a'), (pid, spoof)]);
    names.give(&mut processes, &labelled, at_most);
    assert_eq!(shown(&processes), ["kept", "-"], "another account's group of that id is another container");
    names.give(&mut BTreeMap::from([in_container(2, "kubernetes", 'b')]), &labelled, at_most);
    let mut processes = now();
    names.give(&mut processes, &labelled, at_most);
    assert_eq!(shown(&processes), ["-", "-"], "it was gone meanwhile");
}

//! What the doctor says of /proc, /dev and the stores of a machine, in namespaces where those are as bad as wanted; what it
//! says mends them does.

use std::process::Command;

use fakenvml::Code;

use super::mending::{command, equipped, has, has_program};
use super::{Examined, examined, judged};
use crate::support::elsewhere::{can_be_a_machine, can_be_elsewhere};
use crate::support::host::Host;
use crate::support::job::Job;
use crate::support::skip;

#[test]
fn hidden_processes_are_shown_again() {
    if !can_be_elsewhere() {
        return;
    }
    let host = equipped(Host::with_gpus(1));
    let hide = "mount -t proc -o hidepid=2 proc /proc";
    let of_user = |prepare: &str| {
        examined(&mut host.user(1).elsewhere(&["--mount", "--pid", "--fork"], prepare, &["doctor"]))
    };
    let before = of_user(hide);
    assert_eq!(before.with("processes", "hidepid=2").0, "warning");
    let command = command(&before, "processes", "hidepid=2");
    let found = of_user(&format!("{hide}; {command}"));
    assert!(!has(&found, "processes", "hidepid=2"), "{:#}", found.json);
    assert_eq!(found.with("processes", "can be seen").0, "ok");
}

/// A /dev of its own with files of the driver's in it.
fn devices(host: &Host, modes: &[(&str, u32)]) -> String {
    let own = host.path("dev");
    let own = own.display();
    let mut script = format!("mkdir -p {own}; mount -t tmpfs -o mode=755 none {own}");
    for name in ["null", "urandom"] {
        script += &format!("; touch {own}/{name}; mount --bind /dev/{name} {own}/{name}");
    }
    for (name, mode) in modes {
        script += &format!("; touch {own}/{name}; chmod {mode:o} {own}/{name}");
    }
    script + &format!("; mount --rbind {own} /dev")
}

#[test]
fn device_files_are_made_and_opened_to_everybody() {
    if !can_be_elsewhere() {
        return;
    }
    let host = equipped(Host::with_gpus(1));
    has_program(
        &host,
        "nvidia-modprobe",
        "[ \"$*\" = '-c 0 -u' ] && touch /dev/nvidia-uvm && chmod 666 /dev/nvidia-uvm",
    );
    let of_user = |prepare: &str| examined(&mut host.user(1).elsewhere(&["--mount"], prepare, &["doctor"]));
    let all = |gpu| [("nvidiactl", 0o666), ("nvidia-uvm", 0o666), ("nvidia0", gpu)];
    let well = of_user(&devices(&host, &all(0o666)));
    assert_eq!(well.with("devices", "3 files of /dev/nvidia* can be read and written").0, "ok");

    let incomplete = devices(&host, &[("nvidiactl", 0o666), ("nvidia0", 0o666)]);
    let before = of_user(&incomplete);
    assert_eq!(before.with("devices", "/dev/nvidia-uvm is not there").0, "warning");
    let command_of = |found: &Examined, text: &str| command(found, "devices", text);
    let found = of_user(&format!("{incomplete}; {}", command_of(&before, "nvidia-uvm")));
    assert_eq!(found.with("devices", "3 files").0, "ok");

    let shut = devices(&host, &all(0o600));
    let before = of_user(&shut);
    before.has_a_problem();
    let found = of_user(&format!(
        "{shut}; {}",
        command_of(&before, "/dev/nvidia0 cannot be read and written: mode 0600")
    ));
    assert_eq!(found.with("devices", "3 files").0, "ok");

    let of_group = format!("{}; chgrp video /dev/nvidia0", devices(&host, &all(0o660)));
    let before = of_user(&of_group);
    assert_eq!(command_of(&before, "group video"), "sudo usermod -aG video \"$USER\"");
}

#[test]
fn why_the_driver_does_not_answer_is_told_by_what_is_there() {
    if !can_be_elsewhere() {
        return;
    }
    let host = equipped(Host::with_gpus(1));
    let examine = |prepare: &str| examined(&mut host.me().elsewhere(&["--mount"], prepare, &["doctor"]));
    let module = "mount -t tmpfs none /sys/module; mkdir /sys/module/nvidia";
    // What the library says of all three it cannot tell apart.
    host.gpus.fail("nvmlInit_v2", None, Code::DRIVER_NOT_LOADED);
    let control = [("nvidiactl", 0o666)];
    for (prepare, message) in [
        (devices(&host, &[]), "the NVIDIA driver is not loaded"),
        (devices(&host, &control), "the NVIDIA driver is not loaded"),
        (
            format!("{}; {module}", devices(&host, &[])),
            "the NVIDIA driver is loaded, but /dev/nvidiactl is not here",
        ),
        (format!("{}; {module}", devices(&host, &control)), "the NVIDIA driver is not loaded"),
    ] {
        let found = examine(&prepare);
        found.has_a_problem();
        assert_eq!(found.of("driver"), [("problem".to_owned(), message.to_owned())], "{prepare}");
        assert_eq!(found.of("devices"), [], "one cause is one finding: {prepare}");
    }
    host.gpus.clear_faults();

    // A control group refuses as an immutable file does.
    host.gpus.fail("nvmlInit_v2", None, Code::UNKNOWN);
    let forbidden = format!("{}; chattr +i /dev/nvidiactl", devices(&host, &control));
    let possible =
        Job::start(host.me().command("unshare").args(["--mount", "sh", "-ec", &forbidden])).finish();
    if possible.code == Some(0) {
        let found = examine(&forbidden);
        assert!(has(&found, "driver", "this control group may not use /dev/nvidiactl"), "{:#}", found.json);
    } else {
        skip(&format!("no file can be forbidden here: {}", possible.stderr));
    }
}

/// A machine whose own stores are this test's alone.
const MACHINE: &str = "mount -t tmpfs none /var/lib; mount -t tmpfs -o mode=1777 none /var/tmp";

fn on_machine(host: &Host, prepare: &str, words: &str) -> Command {
    let mut command = host.me().command("unshare");
    let text = format!("set -e; {MACHINE}; unset CANHAZGPU_STORE; {prepare}\n\"$CHG\" {words}");
    command.args(["--mount", "sh", "-c", &text]);
    command
}

#[test]
fn the_machines_own_pool_is_gone_back_to() {
    if !can_be_a_machine() {
        return;
    }
    let host = equipped(Host::with_gpus(1));
    let examine =
        |prepare: &str| judged(Job::start(&mut on_machine(&host, prepare, "doctor --json")).finish());
    let own = "\"$CHG\" -q -- true";
    let well = examine(own);
    well.has_no_problem();
    assert_eq!(well.with("pools", "no other pool").0, "ok");

    let beside = format!("{own}; export CANHAZGPU_STORE='{}'", host.store);
    let text = "is this machine's pool, and another one is used";
    let before = examine(&beside);
    assert_eq!(before.with("pools", text).0, "warning");
    let found = examine(&format!("{beside}\n{}", command(&before, "pools", text)));
    assert!(!has(&found, "pools", text), "{:#}", found.json);

    let two = format!("{own}; cp -a /var/tmp/canhazgpu /var/lib/");
    let text = "which nobody uses any more";
    let before = examine(&two);
    let found = examine(&format!("{two}\n{}", command(&before, "pools", text)));
    assert!(!has(&found, "pools", text), "{:#}", found.json);
}

#[test]
fn a_pool_of_the_go_program_beside_is_told() {
    if !can_be_elsewhere() {
        return;
    }
    let host = equipped(Host::with_gpus(1));
    let redis = "ip link set lo up; redis-server --port 6379 --save '' --daemonize yes --dir \"$HERE\" --pidfile \"$HERE/pid\" >/dev/null; \
                 until redis-cli set canhazgpu:gpu_count 8 >/dev/null 2>&1; do sleep 0.05; done; trap 'kill \"$(cat \"$HERE/pid\")\"' EXIT";
    let mut command = host.me().command("unshare");
    command.args(["--net", "sh", "-c", &format!("{redis}; \"$CHG\" doctor --json")]);
    let found = judged(Job::start(&mut command).finish());
    assert_eq!(found.with("pools", "has a canhazgpu pool of 8 GPUs").0, "warning");
    assert!(found.with("pools", "pool of 8 GPUs").1.contains("redis://"), "{:#}", found.json);
}

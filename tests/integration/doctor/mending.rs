//! What the doctor says mends a finding is typed as it stands, and the finding is gone.

use std::fs;

use fakenvml::{Code, Mig};
use nix::sys::signal::Signal;

use super::{Examined, doctor, examined, judged, set_mode};
use crate::support::executable;
use crate::support::host::{Host, Store, User, can_be_others};
use crate::support::job::Job;
use crate::support::wait::wait_for;

/// Puts a program of this name in everybody's PATH.
pub(super) fn has_program(host: &Host, name: &str, script: &str) {
    let path = host.gpus.dir().join("bin").join(name);
    executable(&path, format!("#!/bin/sh\n{script}\n"));
}

/// With `chg` in PATH, and a sudo that needs not ask root.
pub(super) fn equipped(host: Host) -> Host {
    has_program(&host, "chg", "exec \"$CHG\" \"$@\"");
    has_program(&host, "sudo", "exec \"$@\"");
    host
}

/// The command of the finding of this area whose message contains the text.
pub(super) fn command(found: &Examined, area: &str, text: &str) -> String {
    let findings = found.json["findings"].as_array().unwrap();
    let matches = |finding: &&serde_json::Value| {
        finding["area"] == area && finding["message"].as_str().unwrap().contains(text)
    };
    let finding = findings.iter().find(matches).unwrap_or_else(|| panic!("no {text:?}: {:#}", found.json));
    let command = finding["command"].as_str().unwrap_or_else(|| panic!("no command: {finding:#}"));
    assert!(finding["mend"].as_str().unwrap().starts_with(command), "{finding:#}");
    command.to_owned()
}

/// Types the command into a shell, then examines from there.
fn after(user: User<'_>, command: &str) -> Examined {
    judged(
        Job::start(
            &mut user.shell(&format!("{{ {command}\n}} >\"$HERE/typed\"\nexec \"$CHG\" doctor --json")),
        )
        .finish(),
    )
}

pub(super) fn has(found: &Examined, area: &str, text: &str) -> bool {
    found.of(area).iter().any(|(_, message)| message.contains(text))
}

/// The finding is there; its command is typed by `user`; the finding is gone, and no problem came in its place.
#[track_caller]
fn mends(user: User<'_>, before: &Examined, area: &str, text: &str) -> String {
    let command = command(before, area, text);
    let found = after(user, &command);
    assert!(!has(&found, area, text), "{command} did not mend {text:?}: {:#}", found.json);
    found.has_no_problem();
    command
}

#[test]
fn persistence_mode_is_switched_on() {
    let host = equipped(Host::with_gpus(2));
    host.gpus.change_gpu(1, |gpu| gpu.persistence = Some(false));
    let files = host.gpus.dir().join("gpus/*/gpu.json");
    let switch = format!("sed -i 's/\"persistence\":false/\"persistence\":true/' {}", files.display());
    has_program(&host, "nvidia-smi", &format!("[ \"$*\" = '-pm 1' ] && {switch}"));
    mends(host.me(), &doctor(&host), "driver", "persistence mode is off on GPU 1");
}

#[test]
fn a_gpu_that_gives_no_answer_can_be_done_without() {
    let host = equipped(Host::with_gpus(3));
    host.me().does(&["--", "true"]);
    host.gpus.fail("*", Some(1), Code::GPU_IS_LOST);
    let before = doctor(&host);
    before.has_a_problem();
    let found = after(host.me(), &command(&before, "driver", "GPU 1: GPU is lost"));
    found.has_no_problem();
    assert_eq!(found.with("driver", "GPU 1: GPU is lost; it is not in the pool").0, "ok");
    assert_eq!(host.me().does(&["--nonblock", "-g", "2", "--", "true"]).code, Some(0));
}

#[test]
fn a_gpu_in_mig_mode_can_be_done_without() {
    let host = equipped(Host::with_gpus(2));
    host.gpus.change_gpu(0, |gpu| gpu.mig = Mig::On(Vec::new()));
    host.me().does(&["--", "true"]);
    let before = doctor(&host);
    assert_eq!(before.with("driver", "GPU 0: MIG mode").0, "warning");
    let found = after(host.me(), &command(&before, "driver", "GPU 0: MIG mode"));
    found.has_no_problem();
    assert_eq!(found.with("driver", "GPU 0: MIG mode").0, "ok");
}

#[test]
fn a_gpu_that_was_taken_out_leaves_the_pool() {
    let host = equipped(Host::with_gpus(2));
    host.me().does(&["--", "true"]);
    fs::remove_dir_all(host.gpus.dir().join("gpus/1")).unwrap();
    let before = doctor(&host);
    before.has_a_problem();
    mends(host.me(), &before, "records", "GPU 1 of the pool: not reported");
}

#[test]
fn a_gpu_that_is_left_out_is_told_and_can_be_taken_in() {
    let host = equipped(Host::with_gpus(2));
    host.me().does(&["admin", "--gpus", "1"]);
    let before = doctor(&host);
    assert_eq!(before.with("records", "GPU 1 of this machine: not in the pool").0, "ok");
    mends(host.me(), &before, "records", "GPU 1 of this machine");
}

#[test]
fn a_damaged_record_is_thrown_away() {
    let host = equipped(Host::on(Store::Redis, 2));
    host.me().does(&["--", "true"]);
    host.redis.as_ref().unwrap().ask(&["SET", "canhazgpu:gpu:1", "{half"]);
    let before = doctor(&host);
    before.has_a_problem();
    mends(host.me(), &before, "records", "the record of GPU 1 cannot be read");
}

#[test]
fn what_is_over_is_cleared_away() {
    let host = equipped(Host::with_gpus(1));
    let mut job = host.me().holds(&[]);
    job.gets(Signal::SIGKILL);
    job.wait();
    let before = wait_for("the command to be dead too", || {
        let found = doctor(&host);
        has(&found, "records", "was not cleared away yet").then_some(found)
    });
    mends(host.me(), &before, "records", "was not cleared away yet");
}

#[test]
fn whoever_is_gone_from_the_line_is_taken_out_of_it() {
    let host = equipped(Host::with_gpus(1));
    let _holder = host.me().holds(&[]);
    let mut waiter = host.me().waits(&["--", "true"]);
    waiter.gets(Signal::SIGKILL);
    waiter.wait();
    mends(host.me(), &doctor(&host), "records", "1 of 1 in line are gone");
}

#[test]
fn a_record_that_is_not_believed_is_released() {
    if !can_be_others() {
        return;
    }
    let host = equipped(Host::on(Store::Redis, 1));
    let honest = host.user(1).holds(&[]);
    let server = host.redis.as_ref().unwrap();
    let record = server.ask(&["GET", "canhazgpu:gpu:0"]);
    server.ask(&["SET", "canhazgpu:gpu:0", &record.replace("23001", "23002")]);
    let before = doctor(&host);
    before.has_a_problem();
    let command = command(&before, "records", "is not believed: uid 23001");
    // Who really sits there still does, and nothing in the store says so any more.
    let found = after(host.me(), &command);
    assert!(!has(&found, "records", "is not believed"), "{:#}", found.json);
    honest.stops();
    doctor(&host).has_no_problem();
}

#[test]
fn a_store_that_was_typed_is_named_in_the_command_that_mends_it() {
    let host = equipped(Host::on(Store::Redis, 1));
    host.me().does(&["--", "true"]);
    host.redis.as_ref().unwrap().ask(&["SET", "canhazgpu:gpu:0", "{half"]);
    let other = host.other_store();
    let before = examined(&mut host.me().with_store(&other).chg(&["--store", &host.store, "doctor"]));
    let command = command(&before, "records", "the record of GPU 0 cannot be read");
    assert!(command.contains(&format!("--store '{}'", host.store)), "{command}");
    let typed = Job::start(&mut host.me().with_store(&other).shell(&command)).finish();
    assert_eq!(typed.code, Some(0), "{typed}");
    doctor(&host).has_no_problem();
}

#[test]
fn a_store_gets_the_modes_that_everybody_needs() {
    let host = equipped(Host::with_gpus(1));
    host.me().does(&["--", "true"]);
    set_mode(&host, "store", 0o755);
    assert!(mends(host.me(), &doctor(&host), "store", "has mode 0755").starts_with("chmod"));
    set_mode(&host, "store/pool.db", 0o644);
    assert!(mends(host.me(), &doctor(&host), "store", "pool.db has mode 0644").starts_with("chmod"));
    if can_be_others() {
        // Whoever does not own it is told to ask root for it.
        let host = equipped(Host::with_gpus(1));
        host.user(1).does(&["--", "true"]);
        set_mode(&host, "store", 0o775);
        let of = |user: User<'_>| examined(&mut user.chg(&["doctor"]));
        assert!(!has(&of(host.me()), "store", "has mode 0777"));
        let of_owner = command(&of(host.me()), "store", "has mode 0775");
        assert!(of_owner.starts_with("chmod 0777 "), "{of_owner}");
    }
}

#[test]
fn a_store_that_cannot_be_made_is_made_by_root() {
    if !can_be_others() {
        return;
    }
    let host = equipped(Host::with_gpus(1));
    let sealed = host.path("sealed");
    fs::create_dir(&sealed).unwrap();
    set_mode(&host, "sealed", 0o755);
    let store = format!("sqlite:{}/pool", sealed.display());
    let of_user = || examined(&mut host.user(1).with_store(&store).chg(&["doctor"]));
    let before = of_user();
    before.has_a_problem();
    let command = command(&before, "store", "it cannot be made");
    let typed = Job::start(&mut host.me().shell(&command)).finish();
    assert_eq!(typed.code, Some(0), "{typed}");
    of_user().has_no_problem();
    host.user(1).with_store(&store).does(&["--", "true"]);
}

#[test]
fn shims_are_put_in_front_of_path() {
    let host = equipped(Host::with_gpus(1));
    has_program(&host, "vllm", "true");
    host.me().does(&["shim", "install", "vllm"]);
    let before = doctor(&host);
    assert_eq!(before.with("shims", "which is not in PATH").0, "warning");
    let command = mends(host.me(), &before, "shims", "which is not in PATH");
    let expected = format!("vllm runs {}", host.gpus.dir().join("bin/vllm").display());
    assert_eq!(after(host.me(), &command).with("shims", &expected).0, "ok");
}

#[test]
fn a_shim_behind_its_program_is_put_before_it() {
    let host = equipped(Host::with_gpus(1));
    has_program(&host, "vllm", "true");
    let shims = host.path("shims");
    host.me().does(&["shim", "install", "vllm", "--dir", shims.to_str().unwrap()]);
    let behind = format!("PATH=\"$PATH:{}\"", shims.display());
    let before = after(host.me(), &behind);
    let text = "which stands before its shim";
    assert_eq!(before.with("shims", text).0, "warning");
    let found = after(host.me(), &format!("{behind}\n{}", command(&before, "shims", text)));
    assert!(!has(&found, "shims", text), "{:#}", found.json);
    assert_eq!(found.with("shims", "vllm runs").0, "ok");
}

#[test]
fn names_that_shims_call_are_put_in_path() {
    let host = Host::with_gpus(1);
    has_program(&host, "vllm", "exec chg shim vllm -- \"$@\"");
    let path = format!("PATH={}:/usr/bin:/bin", host.gpus.dir().join("bin").display());
    let of_shell = |line: &str| after(host.me(), &format!("{path}\n{line}"));
    let before = of_shell("");
    let text = "chg is not in PATH, so that shims do not find it";
    assert_eq!(before.with("shims", text).0, "warning");
    let found = of_shell(&command(&before, "shims", text));
    assert!(!has(&found, "shims", text), "{:#}", found.json);
}

#[test]
fn a_variable_that_is_no_setting_is_unset() {
    let host = equipped(Host::with_gpus(1));
    let export = "export CANHAZGPU_STOER=x";
    let before = after(host.me(), export);
    assert_eq!(before.with("configuration", "CANHAZGPU_STOER").0, "warning");
    let found =
        after(host.me(), &format!("{export}\n{}", command(&before, "configuration", "CANHAZGPU_STOER")));
    assert!(!has(&found, "configuration", "CANHAZGPU_STOER"), "{:#}", found.json);
}

#[test]
fn a_configuration_of_the_go_program_is_removed() {
    let host = equipped(Host::with_gpus(1));
    fs::write(host.path(".canhazgpu.yaml"), "redis:\n  host: localhost\n").unwrap();
    let before = doctor(&host);
    assert_eq!(before.with("pools", "configures the Go canhazgpu").0, "warning");
    mends(host.me(), &before, "pools", "configures the Go canhazgpu");
}

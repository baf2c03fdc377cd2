//! The check on real GPUs, played on the test double: so that it works where there is a real one.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::elsewhere::{can_be_elsewhere, logged_in};
use crate::support::executable;
use crate::support::host::{Host, User, can_be_others};
use crate::support::job::{Ended, Job};

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/test-gpu.sh")
}

/// Readable for everybody, wherever the checkout lies.
fn checks(host: &Host, user: User<'_>) -> Command {
    let copy = host.path("test-gpu.sh");
    if !copy.exists() {
        std::fs::copy(script(), &copy).unwrap();
    }
    let mut command = user.command("sh");
    command.arg(copy).arg(host.program()).env_remove("CANHAZGPU_STORE").env("TMPDIR", host.directory());
    command.env("TEST_GPU_WORKER", host.gpus.worker("python3"));
    command
}

fn plays(command: &mut Command) -> Ended {
    Job::start(command).finish()
}

fn program(path: &Path, script: &str) {
    executable(path, format!("#!/bin/sh\n{script}\n"));
}

fn has_passed(host: &Host, ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(
        ended.stdout.contains("It works: GPU 0 was seen, refused, adopted, used and given back."),
        "{ended}"
    );
    leaves_nothing(host);
}

fn leaves_nothing(host: &Host) {
    let left = std::fs::read_dir(host.directory()).unwrap().flatten().map(|entry| entry.file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with("chg-test-gpu")).collect();
    assert_eq!(left, Vec::<std::ffi::OsString>::new());
    assert!(host.gpus.pids_on(0).is_empty());
}

#[test]
fn root_checks_with_another_account_and_one_gpu_is_enough() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(1);
    let ended = plays(&mut checks(&host, host.me()));
    has_passed(&host, &ended);
    for told in [
        "another account computes on GPU 0 without asking",
        "IN USE WITHOUT RESERVATION by user uid 23001 - 2052MB used by PID ",
        "another account adopts it, until it ends",
        "The holder's: PID ",
    ] {
        assert!(ended.stdout.contains(told), "{told}: {ended}");
    }
}

#[test]
fn one_account_checks_as_much_as_it_can() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(2);
    has_passed(&host, &plays(&mut checks(&host, host.user(1))));
}

#[test]
fn root_behind_sudo_checks_the_same() {
    if !can_be_others() {
        return;
    }
    let Some(login) = logged_in() else { return };
    let host = Host::with_gpus(1);
    let shim = host.gpus.dir().join("bin/setpriv");
    for without_another_account in [false, true] {
        if without_another_account {
            program(&shim, "exit 1");
        }
        let inner = checks(&host, host.me());
        let mut command = host.me().shell(&format!("{login}; exec \"$@\""));
        command.arg("sh").arg(inner.get_program()).args(inner.get_args());
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        has_passed(&host, &plays(&mut command));
    }
}

#[test]
fn what_the_host_has_settled_is_left_alone() {
    if !can_be_elsewhere() {
        return;
    }
    let host = Host::with_gpus(2);
    let other = host.other_store();
    let configured = host.configured(&format!("store = \"{other}\"\n[policy]\nmax_gpus_per_user = 1\n"));
    let inner = checks(&host, host.me());
    let mut command = host.me().command("unshare");
    command.args(["--mount", "sh", "-c", &format!("{configured} && exec \"$@\""), "sh"]);
    command.arg(inner.get_program()).args(inner.get_args());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    has_passed(&host, &plays(&mut command));
    assert_eq!(std::fs::read_dir(host.path("other")).unwrap().count(), 0, "it has a store of its own");
}

#[test]
fn a_driver_that_lists_no_processes_is_checked_by_memory() {
    let host = Host::with_gpus(1);
    let hidden = host.gpus.dir().join("bin/hidden");
    let worker = host.gpus.worker("python3");
    program(&hidden, &format!("exec {} --hidden \"$@\"", worker.display()));
    let ended = plays(checks(&host, host.me()).env("TEST_GPU_WORKER", &hidden));
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stdout.contains("memory alone tells"), "{ended}");
    leaves_nothing(&host);
}

#[test]
fn without_a_gpu_or_a_free_one_there_is_nothing_to_check() {
    let none = Host::with_gpus(0);
    let used = Host::with_gpus(1);
    let _worker = used.me().takes_without_asking(&[0], "python3");
    for host in [&none, &used] {
        let ended = plays(&mut checks(host, host.me()));
        assert_eq!(ended.code, Some(77), "{ended}");
        assert!(ended.stdout.lines().last().unwrap().starts_with("SKIP: no GPU here"), "{ended}");
    }
}

#[test]
fn a_driver_that_attributes_wrongly_fails_the_check() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(1);
    // It runs as root though the script believes otherwise.
    let setpriv = host.gpus.dir().join("bin/setpriv");
    program(&setpriv, "shift 3\nexec \"$@\"");
    let ended = plays(&mut checks(&host, host.me()));
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(ended.stderr.contains("FAIL: it is not attributed to another account"), "{ended}");
}

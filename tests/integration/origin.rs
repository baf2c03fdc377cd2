//! Where the processes on the GPUs came from: a login behind root, a service, a session, a container by its group, ssh
//! and tmux.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::cgroup::Cgroups;
use crate::support::host::{Host, User, ageless, can_be_others};
use crate::support::job::Job;
use crate::support::{executable, skip};

mod ssh;

/// The only process on a GPU, as JSON tells it.
fn only_process(host: &Host, gpu: usize) -> Value {
    let mut shown = host.json(&["status"]);
    let processes = shown[gpu]["processes"].take();
    assert_eq!(processes.as_array().unwrap().len(), 1, "{processes}");
    processes[0].clone()
}

/// A worker of root's on a GPU for whom the kernel remembers that this account logged in, as it does behind sudo.
fn behind_sudo(host: &Host, login: u32, gpu: u32) -> Job {
    let text = format!("echo {login} >/proc/self/loginuid && exec \"$0\"");
    let mut shell = host.me().shell(&text);
    let job = Job::start(
        shell
            .arg(host.gpus.worker("python3"))
            .env("CUDA_VISIBLE_DEVICES", gpu.to_string())
            .stdin(Stdio::null()),
    );
    assert_eq!(host.processes_on(gpu, 1), [job.pid()]);
    job
}

/// Whether the kernel keeps logins, and lets us set one; says so if not.
fn can_log_in() -> bool {
    let tried =
        Command::new("sh").args(["-c", "echo 23001 >/proc/self/loginuid"]).stderr(Stdio::null()).status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        skip("this scene sets a login uid: it takes root, a kernel with audit, and nobody logged in yet");
    }
    can
}

#[test]
fn behind_root_stands_who_logged_in() {
    if !can_be_others() || !can_log_in() {
        return;
    }
    let host = Host::with_gpus(3);
    host.user(1).does(&["reserve", "-G", "1,2"]);
    let [free, own, anothers] =
        [(23001, 0), (23001, 1), (23002, 2)].map(|(login, gpu)| behind_sudo(&host, login, gpu));
    let pid = free.pid();
    assert_eq!(
        host.line(0),
        format!(
            "GPU 0: IN USE WITHOUT RESERVATION by user uid 23001 (root) - 1028MB used by PID {pid} (python3)"
        )
    );
    let held = "IN USE by uid 23001 for T (manual, expires in T) [validated: 1028MB, 1 processes]";
    assert_eq!(ageless(&host.line(1)), format!("GPU 1: {held}"));
    assert_eq!(
        ageless(&host.line(2)),
        format!(
            "GPU 2: {held} + IN USE WITHOUT RESERVATION by user uid 23002 (root) - 1024MB used by PID {} (python3)",
            anothers.pid()
        )
    );
    let told = [0, 1, 2].map(|gpu| {
        let process = only_process(&host, gpu);
        assert_eq!(process["uid"], 0);
        [process["login"].clone(), process["role"].clone()]
    });
    let expected = [["uid 23001", "unreserved"], ["uid 23001", "holder"], ["uid 23002", "intruder"]];
    assert_eq!(told, expected.map(|pair| pair.map(Value::from)));
    drop(own);
}

#[test]
fn a_run_behind_sudo_is_its_logins() {
    if !can_be_others() || !can_log_in() {
        return;
    }
    let host = Host::with_gpus(1);
    let text = "echo 23001 >/proc/self/loginuid && exec \"$CHG\" -- sh -c 'echo up; exec sleep 1000'";
    let run = Job::start(host.me().shell(text).stdin(Stdio::null()));
    run.prints("up");
    assert!(host.line(0).contains("IN USE by root (login uid 23001) for "), "{}", host.line(0));
    let beside = host.user(1).takes_without_asking(&[0], "python3");
    assert_eq!(only_process(&host, 0)["role"], "holder_outside");
    let outside = format!(" [outside the run: PID {} (python3)]", beside.pid());
    assert!(host.line(0).ends_with(&outside), "{}", host.line(0));
}

#[test]
fn the_group_tells_the_service_the_session_and_the_container() {
    let Some(groups) = Cgroups::here() else { return };
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(1);
    let id = "0123456789ab".repeat(5) + "cdef";
    let container = |engine: &str, host_uid: Value| json!({"type": "container", "engine": engine, "id": id, "name": null, "host_uid": host_uid});
    let scenes = [
        (
            "system.slice/train.service",
            json!({"type": "service", "unit": "train.service"}),
            "root",
            "python3, service train.service",
        ),
        (
            "user.slice/user-23001.slice/session-7.scope",
            json!({"type": "session", "uid": 23001, "id": "7"}),
            "uid 23001 (root)",
            "python3",
        ),
        (
            "user.slice/user-23001.slice/user@23001.service/app.slice/jupyter.service",
            json!({"type": "service", "unit": "jupyter.service"}),
            "uid 23001 (root)",
            "python3, service jupyter.service",
        ),
        (
            "user.slice/user-23001.slice/user@23001.service/user.slice/libpod-{I}.scope/container",
            container("podman", json!(23001)),
            "uid 23001",
            "python3, container 0123456789ab",
        ),
        (
            "system.slice/slurmstepd.scope/job_42/step_batch/user/task_0",
            json!({"type": "job", "id": "42"}),
            "root",
            "python3, slurm job 42",
        ),
        (
            "machine.slice/machine-trainer.scope/payload/user.slice/user-1000.slice/session-2.scope",
            json!({"type": "container", "engine": "nspawn", "id": "trainer", "name": null, "host_uid": null}),
            "container trainer",
            "python3, container trainer",
        ),
    ];
    let containers = [
        ("system.slice/docker-{I}.scope", "docker"),
        ("docker/{I}", "docker"),
        ("system.slice/nerdctl-{I}.scope", "containerd"),
        (
            "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1f.slice/cri-containerd-{I}.scope",
            "kubernetes",
        ),
    ]
    .map(|(group, engine)| {
        let about = "python3, container 0123456789ab";
        (group, container(engine, Value::Null), "container 0123456789ab", about)
    });
    let worker = host.me().takes_without_asking(&[0], "python3");
    for (group, origin, owner, about) in scenes.into_iter().chain(containers) {
        groups.put(worker.pid(), &group.replace("{I}", &id));
        let process = only_process(&host, 0);
        assert_eq!((&process["origin"], &process["user"]), (&origin, &json!(owner)), "{group}");
        let by = if owner.starts_with("container ") { owner.to_owned() } else { format!("user {owner}") };
        let expected = format!(
            "GPU 0: IN USE WITHOUT RESERVATION by {by} - 1028MB used by PID {} ({about})",
            worker.pid()
        );
        assert_eq!(host.line(0), expected, "{group}");
    }
}

#[test]
fn a_container_of_any_name_is_told_by_the_parent_that_containerd_left_it() {
    let Some(groups) = Cgroups::here() else { return };
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(2);
    // In place of containerd's own: its name is all that counts, and whose it is.
    let shim = host.gpus.dir().join("bin/containerd-shim-runc-v2");
    executable(&shim, "#!/bin/sh\n\"$@\" &\nwait\n");
    let start = |user: User<'_>, gpu: u32| {
        let mut command = user.command(&shim);
        command.arg(host.gpus.worker("python3")).env("CUDA_VISIBLE_DEVICES", gpu.to_string());
        let job = Job::start(command.stdin(Stdio::null()));
        let pid = host.processes_on(gpu, 1)[0];
        groups.put(pid, "default/trainer");
        (job, pid)
    };
    let (_shim, pid) = start(host.me(), 0);
    let (_own, _) = start(host.user(1), 1);
    let origin =
        json!({"type": "container", "engine": "containerd", "id": "trainer", "name": null, "host_uid": null});
    assert_eq!(only_process(&host, 0)["origin"], origin);
    assert!(
        host.line(0).ends_with(&format!(
            " by container trainer - 1028MB used by PID {pid} (python3, container trainer)"
        )),
        "{}",
        host.line(0)
    );
    assert_eq!(only_process(&host, 1)["origin"], Value::Null, "anybody can call a program so");
}

#[test]
fn a_rootless_container_is_its_users_whatever_uid_it_shows() {
    let Some(groups) = Cgroups::here() else { return };
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(2);
    host.user(1).does(&["reserve", "-G", "0"]);
    host.user(2).does(&["reserve", "-G", "1"]);
    // One of the numbers that /etc/subuid lends.
    let inside = host.user(100_000).takes_without_asking(&[0, 1], "python3");
    let group = format!("user-23001.slice/user@23001.service/user.slice/docker-{}.scope", "ab12".repeat(16));
    groups.put(inside.pid(), &group);
    assert_eq!(
        [0, 1].map(|gpu| only_process(&host, gpu)["role"].take()),
        ["holder", "intruder"].map(Value::from)
    );
    assert!(host.line(1).contains(" + IN USE WITHOUT RESERVATION by user uid 23001 - "), "{}", host.line(1));
}

#[test]
fn root_within_a_users_own_namespace_is_the_user() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(1);
    let user = host.user(1);
    let possible = user.command("unshare").args(["--map-root-user", "true"]).output().unwrap();
    if !possible.status.success() {
        skip(&format!("no user namespace can be had: {}", String::from_utf8_lossy(&possible.stderr)));
        return;
    }
    let mut unshare = user.command("unshare");
    unshare.arg("--map-root-user").arg(host.gpus.worker("python3")).env("CUDA_VISIBLE_DEVICES", "0");
    let job = Job::start(unshare.stdin(Stdio::null()));
    assert_eq!(host.processes_on(0, 1), [job.pid()]);
    assert!(host.line(0).contains("by user uid 23001 - "), "{}", host.line(0));
}

#[test]
fn what_a_person_works_through_is_told_by_the_ancestors() {
    let host = Host::with_gpus(3);
    let worker = host.gpus.worker("python3");
    let socket = host.path("tmux");
    let tmux = |user: User<'_>, words: &[&str]| {
        let mut tmux = user.command("tmux");
        tmux.arg("-S").arg(&socket).args(["-f", "/dev/null"]).args(words).stdin(Stdio::null());
        tmux.output()
    };
    let command = |gpu: u32| format!("CUDA_VISIBLE_DEVICES={gpu} exec {}", worker.display());
    match tmux(host.me(), &["new-session", "-d", &command(0)]) {
        Err(error) => skip(&format!("no tmux here: {error}")),
        Ok(started) => {
            assert!(started.status.success(), "{started:?}");
            host.processes_on(0, 1);
            assert_eq!(only_process(&host, 0)["through"], "tmux");
            tmux(host.me(), &["kill-server"]).unwrap();
        }
    }
    if let Some(_session) = ssh::by_openssh(&host, &command(1)) {
        host.processes_on(1, 1);
        assert_eq!(only_process(&host, 1)["through"], "ssh");
    }
    if let Some(_session) = ssh::by_dropbear(&host, &command(2)) {
        host.processes_on(2, 1);
        let process = only_process(&host, 2);
        assert_eq!((&process["through"], &process["user"]), (&json!("ssh"), &json!("uid 23001")));
    }
}

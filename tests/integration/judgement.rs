//! What the processes on a GPU are to it: the machinery of the driver, a run's own, somebody's beside the run, memory that
//! is still being given back. Through the driver and /proc, with real processes.

use std::process::{Command, Stdio};

use fakenvml::Kind;
use serde_json::Value;

use crate::support::host::{BOTH_STORES, Host, User, ageless, can_be_others, me};
use crate::support::job::Job;
use crate::support::process::{send, state};
use crate::support::wait::wait_until;

/// `role of name` of every process on a GPU, in order of their names.
fn roles(host: &Host, gpu: usize) -> Vec<String> {
    let mut shown = host.json(&["status"]);
    let role = |process: &Value| {
        format!("{} of {}", process["role"].as_str().unwrap(), process["name"].as_str().unwrap())
    };
    let mut roles: Vec<String> =
        shown[gpu]["processes"].take().as_array().unwrap().iter().map(role).collect();
    roles.sort();
    roles
}

/// A worker with options of its own.
fn works(host: &Host, user: User<'_>, name: &str, gpu: u32, options: &[&str]) -> Job {
    let mut worker = user.command(host.gpus.worker(name));
    worker.args(options).env("CUDA_VISIBLE_DEVICES", gpu.to_string()).stdin(Stdio::null());
    let before = host.gpus.pids_on(gpu).len();
    let job = Job::start(&mut worker);
    host.processes_on(gpu, before + 1);
    job
}

#[test]
fn of_a_display_server_only_the_memory_counts() {
    let host = Host::with_gpus(2);
    let graphics = ["--kind", "graphics", "--memory", "300"];
    let _small = works(&host, host.me(), "Xorg", 0, &graphics);
    assert_eq!(host.line(0), "GPU 0: AVAILABLE (never used) [validated: 304MB used]");
    assert_eq!(roles(&host, 0), ["system of Xorg"]);
    let game = works(&host, host.me(), "game", 1, &["--kind", "graphics", "--memory", "6000"]);
    let used = format!(
        "GPU 1: IN USE WITHOUT RESERVATION by user {} - 6004MB used by PID {} (game)",
        me(),
        game.pid()
    );
    assert_eq!(host.line(1), used);
    // One that computes as well is a user like any other.
    let both = works(&host, host.me(), "both", 0, &["--kind", "both", "--memory", "10"]);
    assert!(host.line(0).ends_with(&format!("PID {} (both)", both.pid())), "{}", host.line(0));
    drop(both);
    host.me().does(&["-G", "0", "--nonblock", "--", "true"]);
    assert_eq!(host.me().runs(&["-G", "1", "--nonblock", "--", "true"]).code, Some(75));
}

#[test]
fn the_drivers_daemons_are_told_by_name_and_account() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(2);
    let small = ["--memory", "30"];
    let names = ["nvidia-persistenced", "nv-hostengine", "dcgm-exporter", "nvidia-cuda-mps-server"];
    let _daemons = names.map(|name| works(&host, host.me(), name, 0, &small));
    assert_eq!(host.line(0), "GPU 0: AVAILABLE (never used) [validated: 124MB used]");
    assert!(roles(&host, 0).iter().all(|role| role.starts_with("system of ")), "{:?}", roles(&host, 0));
    // Anybody can give a process such a name.
    let pretender = works(&host, host.user(1), "nv-hostengine", 1, &small);
    let line = host.line(1);
    assert!(
        line.ends_with(&format!("by user uid 23001 - 34MB used by PID {} (nv-hostengine)", pretender.pid())),
        "{line}"
    );
    host.user(2).does(&["-G", "0", "--nonblock", "--", "true"]);
}

#[test]
fn an_mps_server_is_its_holders_and_its_clients_are_judged_themselves() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(1);
    let server = works(&host, host.user(1), "nvidia-cuda-mps-server", 0, &["--memory", "30"]);
    assert_eq!(roles(&host, 0), ["unreserved of nvidia-cuda-mps"]);
    drop(server);
    let run = host.user(1).holds(&["-G", "0"]);
    let _server = works(&host, host.user(1), "nvidia-cuda-mps-server", 0, &["--memory", "30"]);
    let _client = works(&host, host.user(2), "client", 0, &["--memory", "30"]);
    assert_eq!(roles(&host, 0), ["intruder of client", "system of nvidia-cuda-mps"]);
    let _anothers = works(&host, host.user(3), "nvidia-cuda-mps-control", 0, &["--memory", "30"]);
    assert_eq!(
        roles(&host, 0),
        ["intruder of client", "intruder of nvidia-cuda-mps", "system of nvidia-cuda-mps"]
    );
    drop(run);
}

#[test]
fn a_run_is_its_tree_its_session_and_its_daemons_and_not_the_pipeline_around_it() {
    for store in BOTH_STORES {
        let host = Host::on(store, 1);
        for name in ["child", "daemon", "beside", "piped"] {
            host.gpus.worker(name);
        }
        let text = r#"
"$CHG" -G 0 -- sh -c '(child &); (setsid daemon &); echo up; exec sleep 1000' | { read -r _; beside & exec piped; }"#;
        let mut shell = host.me().shell(text);
        shell.env("CUDA_VISIBLE_DEVICES", "0").stdin(Stdio::null());
        let _shell = Job::start(&mut shell);
        host.processes_on(0, 4);
        let expected =
            ["holder of child", "holder of daemon", "holder_outside of beside", "holder_outside of piped"];
        assert_eq!(roles(&host, 0), expected, "{store:?}");
        let line = ageless(&host.line(0));
        assert!(line.contains(" [outside the run: PID "), "{line}");
        assert!(!line.contains("WITHOUT RESERVATION"), "nobody is accused of sharing an account: {line}");
        for pid in host.gpus.pids_on(0) {
            let _ = host.gpus.tell(pid, "exit 0");
        }
        // It is the shell's, and no job of the scene's.
        let launcher = host.json(&["status"])[0]["reservation"]["pid"].as_i64().unwrap();
        let launcher = i32::try_from(launcher).unwrap();
        send(launcher, "TERM");
        wait_until("the run to end", || matches!(state(launcher), None | Some('Z')));
    }
}

#[test]
fn memory_that_is_still_being_given_back_is_waited_for() {
    for store in BOTH_STORES {
        let host = Host::on(store, 1);
        host.me().does(&["--", "true"]);
        host.gpus.set_used(0, 30_000);
        let line = ageless(&host.line(0));
        assert_eq!(line, "GPU 0: DRAINING (last released T ago) [validated: 30000MB used]", "{store:?}");
        let shown = &host.json(&["status"])[0];
        assert_eq!((&shown["status"], &shown["details"]), (&"IN_USE".into(), &"draining".into()));
        let refused = host.me().runs(&["--nonblock", "--", "true"]);
        assert_eq!(refused.code, Some(75), "{refused}");
        let waiter = host.me().waits(&["--", "echo", "served"]);
        assert!(waiter.stderr().contains("GPU 0 still giving memory back"), "{}", waiter.stderr());
        host.gpus.set_used(0, 4);
        assert_eq!(waiter.finish().stdout, "served\n");
        // A process that is left makes it use, and not the driver's delay.
        let left = Job::start(Command::new("sleep").arg("1000"));
        host.gpus.add_process(0, left.pid(), Some(9000), Kind::Compute);
        assert!(host.line(0).starts_with("GPU 0: IN USE WITHOUT RESERVATION"), "{}", host.line(0));
    }
}

//! Containers on the GPUs, real ones: whose they are, and what they are to a reservation.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use fakenvml::Kind;
use serde_json::{Value, json};

use crate::support::cgroup::Cgroups;
use crate::support::container::Podman;
use crate::support::executable;
use crate::support::glass::Glass;
use crate::support::host::{Host, ageless, can_be_others};
use crate::support::job::Job;
use crate::support::process::await_end_of;
use crate::support::wait::wait_for;

/// What `status` shows with the words of `form`, once `enough` of it is there: a machine under load may have given the
/// engine up.
fn looks(host: &Host, podman: &Podman, form: &[&str], mut enough: impl FnMut(&str) -> bool) -> String {
    let mut last = String::new();
    wait_for("what the engine tells", || {
        last = Job::start(podman.known_to(&mut host.me().chg(form))).finish().stdout;
        enough(&last).then(|| last.clone())
    })
}

/// The line of a GPU, in which this name is told.
fn line(host: &Host, podman: &Podman, gpu: usize, name: &str) -> String {
    let told = |shown: &str| shown.lines().nth(gpu).is_some_and(|line| line.contains(name));
    ageless(looks(host, podman, &["status"], told).lines().nth(gpu).unwrap())
}

/// The object of a GPU, in which this name is told.
fn object(host: &Host, podman: &Podman, gpu: usize, name: &str) -> Value {
    let told = |shown: &str| serde_json::from_str::<Value>(shown).unwrap()[gpu].to_string().contains(name);
    let shown = looks(host, podman, &["status", "--json"], told);
    serde_json::from_str::<Value>(&shown).unwrap()[gpu].take()
}

#[test]
fn root_in_a_container_is_the_container_by_its_name() {
    let host = Host::with_gpus(2);
    let Some(podman) = Podman::on(&host) else { return };
    let trainer = podman.starts("trainer", &[]);
    host.gpus.add_process(1, trainer.pid, Some(2048), Kind::Compute);
    let short = &trainer.id[..12];
    assert_eq!(
        line(&host, &podman, 1, "trainer"),
        format!(
            "GPU 1: IN USE WITHOUT RESERVATION by container trainer - 2052MB used by PID {} (sleep, container \
             {short} trainer)",
            trainer.pid
        )
    );
    let process = &object(&host, &podman, 1, "trainer")["processes"][0];
    let origin = json!({"type": "container", "engine": "podman", "id": trainer.id, "name": "trainer", "host_uid": null});
    assert_eq!(process["origin"], origin);
    assert_eq!((&process["uid"], &process["user"]), (&json!(0), &json!("container trainer")));
    assert_eq!(process["command"], json!(["sleep", "1000"]));
    let refused = host.me().runs(&["-G", "1", "--nonblock", "--", "true"]);
    assert_eq!(refused.code, Some(75), "{refused}");

    // Nobody needs podman for that, let alone the right to ask it.
    if can_be_others() {
        let theirs = host.user(1).does(&["status"]).stdout;
        let line = theirs.lines().nth(1).unwrap();
        assert!(line.contains("by container trainer - "), "{line}");
        assert!(line.ends_with(&format!("(sleep, container {short} trainer)")), "{line}");
        let left = Command::new("pgrep").args(["-u", "23001", "-fl", "podman|catatonit"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&left.stdout), "", "looking sets up no containers of one's own");
    }
}

#[test]
fn a_container_is_its_reservations_by_its_label_and_accuses_nobody_without() {
    let host = Host::with_gpus(2);
    let Some(podman) = Podman::on(&host) else { return };
    if !can_be_others() {
        return;
    }
    host.user(1).does(&["reserve", "-g", "2"]);
    let id = host.json(&["status"])[0]["reservation"]["id"].as_str().unwrap().to_owned();
    let label = format!("--label=canhazgpu.reservation={id}");
    let labelled = podman.starts("labelled", &[&label]);
    let stranger = podman.starts("stranger", &["--user=1000"]);
    host.gpus.add_process(0, labelled.pid, Some(2048), Kind::Compute);
    host.gpus.add_process(1, stranger.pid, Some(2048), Kind::Compute);

    let held = "IN USE by uid 23001 for T (manual, expires in T) [validated: 2052MB, 1 processes]";
    let shown = object(&host, &podman, 0, "labelled");
    assert_eq!(shown["processes"][0]["role"], "holder", "{shown}");
    assert_eq!(
        line(&host, &podman, 1, "stranger"),
        format!(
            "GPU 1: {held} [unattributed: PID {} (sleep, container {} stranger)]",
            stranger.pid,
            &stranger.id[..12]
        )
    );
}

#[test]
fn a_container_that_a_run_starts_is_the_runs() {
    let host = Host::with_gpus(1);
    let Some(podman) = Podman::on(&host) else { return };
    let rootfs = podman.directory().join("rootfs");
    let pid_file = host.path("pid");
    let script = format!(
        "podman run --ulimit=nofile=1024:1024 --ulimit=nproc=1024:1024 --name inside --rootfs {} sleep 1000 & \
         until podman inspect --format '{{{{.State.Pid}}}}' inside 2>/dev/null | grep -v '^0$' >{pid}; do :; done; \
         echo up; wait",
        rootfs.display(),
        pid = pid_file.display(),
    );
    let run = Job::start(podman.known_to(&mut host.me().chg(&["--", "bash", "-c", &script])));
    run.prints("up");
    let pid: i32 = std::fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap();
    host.gpus.add_process(0, pid, Some(2048), Kind::Compute);
    let shown = object(&host, &podman, 0, "inside");
    assert_eq!(shown["processes"][0]["role"], "holder", "{shown}");
    assert_eq!(shown["processes"][0]["origin"]["name"], "inside", "{shown}");
}

#[test]
fn a_rootless_container_is_told_by_who_watches_over_it() {
    let Some(groups) = Cgroups::here() else { return };
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(1);
    let conmon = host.path("conmon");
    executable(&conmon, format!("#!/bin/sh\n{} &\nwait\n", host.gpus.worker("python3").display()));
    let mut watches = host.user(1).command(&conmon);
    watches.args(["--api-version", "1", "-c", "1a2b", "-n", "mine", "-l", "none"]);
    let _conmon = Job::start(watches.env("CUDA_VISIBLE_DEVICES", "0").stdin(Stdio::null()));
    let inside = host.processes_on(0, 1)[0];
    // Without systemd's slices the group says nothing of whose it is.
    let id = "ab12".repeat(16);
    groups.put(inside, &format!("libpod_parent/libpod-{id}"));
    let process = host.json(&["status"])[0]["processes"][0].take();
    let origin =
        json!({"type": "container", "engine": "podman", "id": id, "name": "mine", "host_uid": 23001});
    assert_eq!((&process["origin"], &process["user"]), (&origin, &json!("uid 23001")));
    let _ = host.gpus.tell(inside, "exit 0");
    await_end_of(inside);
}

/// A `docker` in front of all others, which leaves a mark when it is started.
fn stand_in(host: &Host) -> std::path::PathBuf {
    let (program, mark) = (host.gpus.dir().join("bin/docker"), host.path("started"));
    let text = format!("#!/bin/sh\n: >'{}'\n", mark.display());
    let write = "mkdir -p \"${1%/*}\" && printf %s \"$TEXT\" >\"$1\" && chmod 755 \"$1\"";
    let written =
        Command::new("sh").args(["-c", write, "sh"]).arg(program).env("TEXT", text).status().unwrap();
    assert!(written.success());
    mark
}

#[test]
fn docker_is_asked_on_its_socket_and_its_program_is_not_started() {
    let Some(groups) = Cgroups::here() else { return };
    let host = Host::with_gpus(1);
    let Some(podman) = Podman::on(&host) else { return };
    if !can_be_others() {
        return;
    }
    // Podman's service speaks as Docker's daemon does, over the same server of HTTP.
    let (socket, mark) = (host.path("docker.sock"), stand_in(&host));
    let url = format!("unix://{}", socket.display());
    let mut service = host.me().command("podman");
    let service = podman.known_to(service.args(["system", "service", "--time=0", &url]));
    let _service = Job::start(service.stdin(Stdio::null()));
    wait_for("the service", || socket.exists().then_some(()));

    host.user(1).does(&["reserve", "-g", "1"]);
    let id = host.json(&["status"])[0]["reservation"]["id"].as_str().unwrap().to_owned();
    let trainer = podman.starts("trainer", &[&format!("--label=canhazgpu.reservation={id}")]);
    // The container's own process has podman's watcher above it, and is podman's whatever its group.
    let worker = host.me().takes_without_asking(&[0], "python3");
    groups.put(worker.pid(), &format!("system.slice/docker-{}.scope", trainer.id));
    let looks = |host_url: &str| {
        let mut status = host.me().chg(&["status", "--json"]);
        let shown = Job::start(status.env("DOCKER_HOST", host_url)).finish().stdout;
        serde_json::from_str::<Value>(&shown).unwrap()[0]["processes"][0].take()
    };
    let process = wait_for("what the engine tells", || {
        Some(looks(&url)).filter(|process| process["origin"]["name"] == "trainer")
    });
    assert_eq!((&process["origin"]["engine"], &process["role"]), (&json!("docker"), &json!("holder")));
    for elsewhere in ["tcp://127.0.0.1:1", "unix:///no/such/socket", "nonsense"] {
        let process = looks(elsewhere);
        assert_eq!(
            (&process["origin"]["name"], &process["role"]),
            (&Value::Null, &json!("unattributed")),
            "{elsewhere}: {process}"
        );
    }
    assert!(!mark.exists(), "docker was started");
}

/// Says what Docker's daemon says, and that each container is `trainer`; tells of each question.
fn daemon(path: &Path) -> Receiver<String> {
    let listener = UnixListener::bind(path).unwrap();
    let (asked, questions) = channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
            let question = lines.next().unwrap().unwrap();
            assert!(lines.any(|line| line.unwrap().is_empty()));
            let id = question.split('/').nth(2).unwrap().to_owned();
            let _ = asked.send(question);
            let body = json!({"Id": id, "Name": "/trainer", "Config": {"Labels": {}}});
            let head = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n";
            write!(connection, "{head}\r\n{body}\n").unwrap();
        }
    });
    questions
}

#[test]
fn whoever_watches_asks_docker_once_for_each_container() {
    let Some(groups) = Cgroups::here() else { return };
    let host = Host::with_gpus(3);
    let socket = host.path("docker.sock");
    let questions = daemon(&socket);
    let id = "0123456789ab".repeat(5) + "cdef";
    let worker = host.me().takes_without_asking(&[0], "python3");
    groups.put(worker.pid(), &format!("system.slice/docker-{id}.scope"));
    let mut watch = host.me().chg(&["status", "--watch", "1"]);
    watch.env("TERM", "xterm-256color").env("DOCKER_HOST", format!("unix://{}", socket.display()));
    let mut glass = Glass::start(&watch, 120, 40);
    glass.waits_for("the name", |rows| rows.iter().any(|row| row.contains("container trainer")));
    let asked: Vec<String> = questions.try_iter().collect();
    assert_eq!(asked[0], format!("GET /containers/{id}/json HTTP/1.0"));
    // What was not there before is seen by a later look.
    let _others = [(1, "second"), (2, "third")].map(|(gpu, name)| {
        let other = host.me().takes_without_asking(&[gpu], name);
        glass.waits_for(name, |rows| {
            let shows = |text: &str| rows.iter().any(|row| row.contains(text));
            shows(name) && shows("container trainer")
        });
        other
    });
    glass.pty.types("q");
    glass.pty.ends_with(0);
    assert_eq!(questions.try_iter().count(), 0, "it had been told");
}

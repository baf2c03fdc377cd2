//! Everything at once on one host with six GPUs: a run and an intruder, root in a container, a worker that a crashed run
//! left, a GPU that is lost and one that takes half a minute to answer.

use std::process::Command;
use std::time::{Duration, Instant};

use fakenvml::{Code, Kind};
use serde_json::{Value, json};

use crate::support::container::{Container, Podman};
use crate::support::host::{Host, Store, ageless, can_be_others};
use crate::support::job::{Ended, Job};
use crate::support::process::await_end_of;
use crate::support::pty::Pty;

/// The host, and who is on it.
struct Crowd {
    // Dropped first: whoever is on the host ends with it.
    jobs: Vec<Job>,
    podman: Podman,
    contained: Container,
    intruder: i32,
    orphan: i32,
    /// Of the run that crashed.
    crashed: String,
    host: Host,
}

impl Crowd {
    fn on(store: Store) -> Option<Self> {
        let host = Host::on(store, 6);
        let podman = Podman::on(&host)?;
        host.gpus.worker("python3");
        // Each GPU is known by name before anything happens to it.
        host.me().does(&["-G", "0", "--", "true"]);
        let run = host.user(1).starts(&["-G", "1", "--", "python3"]);
        host.processes_on(1, 1);
        let intruder = host.user(2).takes_without_asking(&[1], "jupyter");
        let contained = podman.starts("trainer", &[]);
        host.gpus.add_process(2, contained.pid, Some(2048), Kind::Compute);
        let (crashed, orphan) = crash(&host);
        let intruder_pid = intruder.pid();
        let jobs = vec![run, intruder];
        Some(Self { jobs, podman, contained, intruder: intruder_pid, orphan, crashed, host })
    }

    fn chg(&self, words: &[&str]) -> Command {
        let mut chg = self.host.me().chg(words);
        self.podman.known_to(&mut chg);
        chg
    }

    fn starts(&self, words: &[&str]) -> Job {
        Job::start(&mut self.chg(words))
    }

    fn expected(&self) -> [String; 6] {
        let Self { contained, intruder, orphan, crashed, .. } = self;
        [
            "GPU 0: AVAILABLE (last released T ago) [validated: 4MB used]".into(),
            format!(
                "GPU 1: IN USE by uid 23001 for T (run, last heartbeat T ago) [validated: 2052MB, 2 processes] + IN USE \
                 WITHOUT RESERVATION by user uid 23002 - 1024MB used by PID {intruder} (jupyter)"
            ),
            format!(
                "GPU 2: IN USE WITHOUT RESERVATION by container trainer - 2052MB used by PID {} (sleep, container {} \
                 trainer)",
                contained.pid,
                &contained.id[..12]
            ),
            format!(
                "GPU 3: IN USE WITHOUT RESERVATION by user uid 23003 - 1028MB used by PID {orphan} (python3, orphan of \
                 {crashed})"
            ),
            "GPU 4: UNKNOWN (GPU is lost)".into(),
            "GPU 5: UNKNOWN (no answer from the driver in 5s)".into(),
        ]
    }
}

/// A run of the third account's on GPU 3 whose launcher and command are killed, and the worker that is left.
fn crash(host: &Host) -> (String, i32) {
    let mut run = host.user(3).starts(&["-G", "3", "--", "python3", "--daemons", "1"]);
    host.processes_on(3, 2);
    let record = host.json(&["status"])[3]["reservation"].take();
    let command = i32::try_from(record["pid"].as_i64().unwrap()).unwrap();
    run.child().kill().unwrap();
    run.wait();
    let _ = Command::new("kill").args(["-KILL", &command.to_string()]).status();
    await_end_of(command);
    (record["id"].as_str().unwrap().to_owned(), host.processes_on(3, 1)[0])
}

#[test]
fn every_form_of_status_shows_it_right_and_nobody_is_granted_what_is_not_free() {
    play(Store::Sqlite);
}

#[test]
fn on_redis_too_every_form_of_status_shows_it_right_and_nobody_is_granted_what_is_not_free() {
    play(Store::Redis);
}

fn play(store: Store) {
    if !can_be_others() {
        return;
    }
    let Some(crowd) = Crowd::on(store) else { return };
    crowd.host.gpus.fail("*", Some(4), Code::GPU_IS_LOST);
    within(Duration::from_secs(2), &crowd, &crowd.expected()[..5]);
    crowd.host.gpus.delay("*", Some(5), 30_000);
    // All at once, since each waits for the slow GPU.
    let screen = watched(&crowd);
    let refused = asks_in_vain(&crowd);
    let forms = [&["status", "-o", "table"][..], &["status", "--summary"], &["status", "--json"]];
    let forms = forms.map(|words| crowd.starts(words));
    within(Duration::from_secs(6), &crowd, &crowd.expected());
    in_all_other_forms(&crowd, forms.map(Job::finish));
    on_screen(&crowd, screen);
    for refused in refused.into_iter().map(Job::finish) {
        assert_eq!(refused.code, Some(75), "{refused}");
    }
    let granted = crowd.host.user(4).does(&["--nonblock", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES"]);
    assert_eq!(granted.stdout, "0\n", "{granted}");
    assert_eq!(crowd.jobs.len(), 2);
}

/// All is shown in less than this. Several tries, since a machine under load may take longer once, and may give an engine
/// up before it tells a name.
fn within(this: Duration, crowd: &Crowd, expected: &[String]) {
    let in_time = (0..8).any(|_| {
        let begun = Instant::now();
        let ended = crowd.starts(&["status"]).finish();
        let took = begun.elapsed();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended}");
        let shown: Vec<String> = ended.stdout.lines().map(ageless).collect();
        assert_eq!(shown[..expected.len()], *expected);
        took < this
    });
    assert!(in_time, "never in less than {this:?}");
}

fn in_all_other_forms(crowd: &Crowd, [table, summary, json]: [Ended; 3]) {
    let rows: Vec<&str> = table.stdout.lines().collect();
    for (row, words) in [
        (1, &["AVAILABLE"][..]),
        (2, &["uid 23001", "uid 23002", "jupyter"]),
        (3, &["UNRESERVED", "container"]),
        (4, &["UNRESERVED", "uid 23003", "orphan of"]),
        (5, &["UNKNOWN", "GPU is lost"]),
        (6, &["UNKNOWN", "no answer from the driver in 5s"]),
    ] {
        assert!(words.iter().all(|word| rows[row].contains(word)), "{words:?} in {table}");
    }

    // Neither GPU that does not answer tells what it is.
    let by_model = "4 x NVIDIA H100 80GB HBM3: 1 available, 1 in use (1 intruded), 2 in use without reservation\n\
                    2 x unknown model: 0 available, 0 in use, 2 unknown\n";
    assert_eq!(summary.stdout, by_model);

    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let of = |field: &str| json.as_array().unwrap().iter().map(|gpu| gpu[field].clone()).collect::<Vec<_>>();
    assert_eq!(of("status"), ["AVAILABLE", "IN_USE", "UNRESERVED", "UNRESERVED", "ERROR", "ERROR"]);
    assert_eq!(of("error")[4..], [json!("GPU is lost"), json!("no answer from the driver in 5s")]);
    assert_eq!(json[1]["unreserved_users"], json!(["uid 23002"]));
    assert_eq!(json[3]["processes"][0]["orphan_of"], json!(crowd.crashed));
    let roles = |gpu: usize| {
        let processes = json[gpu]["processes"].as_array().unwrap();
        let mut roles: Vec<&str> =
            processes.iter().map(|process| process["role"].as_str().unwrap()).collect();
        roles.sort_unstable();
        roles.join(" ")
    };
    assert_eq!([1, 2, 3, 4, 5].map(roles), ["holder intruder", "unreserved", "orphan", "", ""]);
    for gpu in [4, 5] {
        assert!(json[gpu].get("memory_used_mb").is_none() && json[gpu].get("memory_total_mb").is_none());
    }
}

fn watched(crowd: &Crowd) -> Pty {
    let mut watch = crowd.host.me().shell("stty rows 60 cols 200; exec \"$CHG\" status --watch 1");
    Pty::start(crowd.podman.known_to(&mut watch))
}

fn on_screen(crowd: &Crowd, mut screen: Pty) {
    for words in [
        "AVAILABLE",
        "uid 23001",
        "UNRESERVED",
        "uid 23003",
        "GPU is lost",
        "no answer from the driver in 5s",
    ] {
        screen.sees(words);
    }
    screen.sees(&crowd.orphan.to_string());
    screen.types("q");
    screen.ends_with(0);
}

/// None of these may be granted: each taken GPU alone, some by force, and two at once where one is free.
fn asks_in_vain(crowd: &Crowd) -> Vec<Job> {
    let host = &crowd.host;
    let asks =
        ["1", "2", "3", "4", "5"].map(|gpu| host.user(4).starts(&["-G", gpu, "--nonblock", "--", "true"]));
    let forced =
        ["1", "4", "5"].map(|gpu| host.me().starts(&["reserve", "-G", gpu, "--force", "--nonblock"]));
    let two = host.user(4).starts(&["-g", "2", "--nonblock", "--", "true"]);
    asks.into_iter().chain(forced).chain([two]).collect()
}

//! Everything at once on one host with six GPUs: a run and an intruder, root in a container, a worker that a crashed run
//! left, a GPU that is lost and one that takes half a minute to answer.

mod forms;
mod grants;

use std::process::Command;

use fakenvml::{Code, Kind};

use crate::support::container::{Container, Podman};
use crate::support::host::{Host, Store, can_be_others};
use crate::support::job::Job;
use crate::support::process::await_end_of;

/// The host, and who is on it.
struct Crowd {
    // Dropped first: whoever is on the host ends with it.
    _jobs: [Job; 2],
    podman: Podman,
    contained: Container,
    intruder: i32,
    orphan: i32,
    /// Of the run that crashed.
    crashed: String,
    host: Host,
}

impl Crowd {
    /// With GPU 4 lost; nothing is the matter with GPU 5 yet.
    fn on(store: Store) -> Option<Self> {
        if !can_be_others() {
            return None;
        }
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
        host.gpus.fail("*", Some(4), Code::GPU_IS_LOST);
        Some(Self {
            _jobs: [run, intruder],
            podman,
            contained,
            intruder: intruder_pid,
            orphan,
            crashed,
            host,
        })
    }

    fn slow_down(&self) {
        self.host.gpus.delay("*", Some(5), 30_000);
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

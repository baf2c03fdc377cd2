//! Other processes on the same store: this test program started again, in one of a few roles, perhaps as another
//! user. A worker says lines that begin with '@'.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::scene::{Blind, Client, Scene, end, hold, observe_nothing, reservation};
use crate::model::ids::{GpuIndex, LeaseId, Timestamp};
use crate::model::pool::{Pool, SlotState};
use crate::model::seen::Seen;
use crate::model::verb::Outcome;
use crate::store::url::StoreUrl;
use crate::store::{Confirmation, Witness};
use crate::sys::testing::own_program;

const ROLE: &str = "CHG_TEST_ROLE";
const STORE: &str = "CHG_TEST_STORE";
const ARGUMENT: &str = "CHG_TEST_ARGUMENT";

/// A process in a role.
pub(super) struct Worker {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Worker {
    pub(super) fn start(scene: &Scene, role: &str, argument: &str) -> Self {
        Self::spawn(Self::command(scene, role, argument))
    }

    pub(super) fn start_as(uid: u32, scene: &Scene, role: &str, argument: &str) -> Self {
        let mut command = Self::command(scene, role, argument);
        command.uid(uid).gid(uid);
        Self::spawn(command)
    }

    /// With at most this many KiB in any file it writes.
    pub(super) fn start_cramped(kib: u64, scene: &Scene, role: &str, argument: &str) -> Self {
        let plain = Self::command(scene, role, argument);
        let mut command = Command::new("bash");
        // Ignored signals stay ignored across exec: the write fails instead.
        command.args(["-c", &format!("trap '' XFSZ; ulimit -f {kib}; exec \"$@\""), "bash"]);
        command.arg(plain.get_program()).args(plain.get_args());
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self::spawn(command)
    }

    fn command(scene: &Scene, role: &str, argument: &str) -> Command {
        let mut command = Command::new(own_program());
        command.args(["--exact", "store::contract::workers::work", "--ignored", "--nocapture"]);
        command.env(ROLE, role).env(STORE, scene.url.to_string()).env(ARGUMENT, argument);
        command
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line that it says.
    pub(super) fn says(&mut self) -> Option<String> {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            if let Some(said) = line.trim_end().strip_prefix('@') {
                return Some(said.to_owned());
            }
            line.clear();
        }
        None
    }

    /// Lets it go on.
    pub(super) fn go(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Everything that it still says; it has to end well.
    pub(super) fn finish(mut self) -> Vec<String> {
        let said = std::iter::from_fn(|| self.says()).collect();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "a worker failed: {status}; it said {said:?}");
        said
    }
}

fn say(line: impl std::fmt::Display) {
    let mut out = std::io::stdout();
    // On a line of its own, whatever the test harness has printed before.
    writeln!(out, "\n@{line}").unwrap();
    out.flush().unwrap();
}

fn wait_for_go() {
    let _ = std::io::stdin().read(&mut [0]);
}

/// Where a worker begins.
#[test]
#[ignore = "the other processes of the contract's tests begin here"]
fn work() {
    let role = std::env::var(ROLE).expect("started by a test of the contract");
    let url = StoreUrl::parse(&std::env::var(STORE).unwrap()).unwrap();
    let argument = std::env::var(ARGUMENT).unwrap();
    let mut client = Client::of(&url);
    match role.as_str() {
        "contend" => contend(&mut client, &argument),
        "swing" => swing(&mut client),
        "stay-inside" => stay_inside(&mut client),
        "fill" => fill(&mut client),
        "hold" => {
            client.change(|pool| hold(pool, reservation(&argument, &[0])));
            say("held");
        }
        "end" => {
            let at = Timestamp::from_seconds(1_795_445_470);
            client.change(|pool| end(pool, &argument, at));
            say("ended");
        }
        "look" => {
            let pool = client.try_look().map(|seen| seen.pool.reservations.len());
            match pool {
                Ok(held) => say(format!("sees {held}")),
                Err(error) => say(format!("fails {error:?}")),
            }
        }
        other => panic!("no such role: {other}"),
    }
}

/// Tries to have GPU 0 once a round, as everybody else does; holds a file that only one can make meanwhile.
fn contend(client: &mut Client, argument: &str) {
    let (rounds, place) = argument.split_once(' ').unwrap();
    let rounds: u32 = rounds.parse().unwrap();
    let only_one = std::path::Path::new(place).join("only-one");
    say("ready");
    wait_for_go();
    for round in 0..rounds {
        let id = format!("round-{round}");
        let lease = LeaseId::from(id.as_str());
        loop {
            let outcome = client.try_change(Some(&id), &mut Blind::default(), &mut |pool, _, _| {
                if pool.known_ended.contains(&lease) {
                    return Outcome::Lost { to: None };
                }
                if !matches!(pool.slots[&GpuIndex(0)].state, SlotState::Free { .. }) {
                    return Outcome::Done;
                }
                hold(pool, reservation(&id, &[0]));
                Outcome::Granted(reservation(&id, &[0]))
            });
            match outcome.unwrap().outcome {
                Outcome::Lost { .. } => break,
                Outcome::Granted(_) => {
                    std::fs::File::create_new(&only_one).expect("nobody else holds the GPU");
                    std::fs::remove_file(&only_one).unwrap();
                    let at = Timestamp::from_seconds(1_795_445_470 + i64::from(round));
                    client.change(|pool| end(pool, &id, at));
                    say(&id);
                    break;
                }
                _ => {}
            }
        }
    }
}

/// Moves all GPUs from one reservation to the next, for ever.
fn swing(client: &mut Client) {
    let gpus: Vec<u32> = client.look().slots.keys().map(|index| index.0).collect();
    say("ready");
    for turn in 0_u64.. {
        client.change(|pool| {
            let ids: Vec<LeaseId> = pool.reservations.keys().cloned().collect();
            let at = Timestamp::from_seconds(1_795_445_470);
            ids.iter().for_each(|id| end(pool, id.as_str(), at));
            hold(pool, reservation(&format!("turn-{turn}"), &gpus));
        });
    }
}

struct Inside;

impl Witness for Inside {
    fn observe(&mut self, _: &Pool, decide: &mut dyn FnMut(&Seen<'_>) -> Outcome) -> Outcome {
        observe_nothing(decide)
    }

    fn confirm(&mut self, _: &mut Pool, _: &mut Outcome) -> Confirmation {
        say("inside");
        wait_for_go();
        Confirmation::Commit
    }

    fn retract(&mut self) {
        say("retracted");
    }
}

/// Stays in the middle of a transaction that holds GPU 0.
fn stay_inside(client: &mut Client) {
    let done = client.try_change(None, &mut Inside, &mut |pool, _, _| {
        hold(pool, reservation("inside", &[0]));
        Outcome::Done
    });
    say(if done.is_ok() { "committed" } else { "failed" });
}

/// Writes more and more until it fails.
fn fill(client: &mut Client) {
    let witness = &mut Blind::default();
    for size in 1.. {
        let held = crate::model::reservation::Reservation {
            command: vec!["x".repeat(size * 20_000)],
            ..reservation("full", &[0])
        };
        let done = client.try_change(None, witness, &mut |pool, _, _| {
            hold(pool, held.clone());
            Outcome::Done
        });
        if let Err(error) = done {
            say(format!("{error:?}"));
            say(format!("retracted {}", witness.retracted.get()));
            say(format!("holds {}", client.look().reservations.len()));
            return;
        }
    }
}

//! None of the crowd's GPUs is granted to anybody but whose job is all that runs there: by number or by name, for a run or
//! for a time, by force or not, whoever asks.

use super::Crowd;
use crate::support::host::{BOTH_STORES, User, ageless};
use crate::support::job::{Ended, Job};
use crate::support::process::send;

/// What people try, as far as the GPU.
const RUN: &[&str] = &["--nonblock"];
const RESERVE: &[&str] = &["reserve", "--nonblock"];
const FORCE: &[&str] = &["reserve", "--nonblock", "--force"];
const UNTIL_EXIT: &[&str] = &["reserve", "--nonblock", "--force", "--until-exit"];
const TRIES: [&[&str]; 4] = [RUN, RESERVE, FORCE, UNTIL_EXIT];

/// Whose account each number is: the run's, the intruder's, that of the crashed run, somebody's without a part in it.
const PEOPLE: [u32; 4] = [1, 2, 3, 4];
const OF_THE_ORPHAN: u32 = 3;

struct Try {
    what: String,
    job: Job,
    /// What it must be told, and with which status.
    expected: (i32, String),
}

impl Crowd {
    /// Everybody, and root.
    fn askers(&self) -> Vec<(Option<u32>, User<'_>)> {
        let people = PEOPLE.into_iter().map(|number| (Some(number), self.host.user(number)));
        people.chain([(None, self.host.me())]).collect()
    }

    /// Why this GPU is not to be had.
    fn reason(&self, gpu: u32) -> String {
        let Self { contained, orphan, .. } = self;
        match gpu {
            1 => "GPU 1 is reserved by uid 23001 (run, ".into(),
            2 => format!(
                "GPU 2 is in use without reservation by container {} (PID {}, sleep)\n",
                &contained.id[..12],
                contained.pid
            ),
            3 => format!("GPU 3 is in use without reservation by uid 23003 (PID {orphan}, python3)\n"),
            4 => "GPU 4 is not known to be free: GPU is lost\n".into(),
            5 => "GPU 5 is not known to be free: no answer from the driver in 5s\n".into(),
            _ => panic!("GPU {gpu} is free"),
        }
    }

    /// Whether this account has a process on this GPU.
    fn is_on(who: Option<u32>, gpu: u32) -> bool {
        matches!((who, gpu), (Some(1 | 2), 1) | (Some(OF_THE_ORPHAN), 3))
    }

    fn asks_for(&self, gpu: u32) -> Vec<Try> {
        let mut tries = Vec::new();
        for (who, user) in self.askers() {
            for words in TRIES {
                if who == Some(OF_THE_ORPHAN) && gpu == 3 && words.contains(&"--force") {
                    continue;
                }
                let until_exit = words == UNTIL_EXIT;
                // What does not answer may have a job of anybody's.
                let expected = if until_exit && gpu < 4 && !Self::is_on(who, gpu) {
                    (1, format!("error: no process of yours runs on GPU {gpu}\n"))
                } else {
                    (75, format!("error: {}", self.reason(gpu)))
                };
                tries.push(Try::of(user, who, &[words, &["-G", &gpu.to_string()]].concat(), expected));
            }
        }
        tries
    }

    /// Two, where one is free.
    fn asks_for_two(&self) -> Vec<Try> {
        let mut tries = Vec::new();
        for (who, user) in self.askers() {
            for words in [RUN, RESERVE, FORCE] {
                if who == Some(OF_THE_ORPHAN) && words == FORCE {
                    continue;
                }
                let expected = (75, "error: requested 2, available 1: ".to_owned());
                tries.push(Try::of(user, who, &[words, &["-g", "2"]].concat(), expected));
            }
        }
        tries
    }
}

impl Try {
    fn of(user: User<'_>, who: Option<u32>, words: &[&str], expected: (i32, String)) -> Self {
        let command = if words.contains(&"reserve") { &[][..] } else { &["--", "true"] };
        let words = [words, command].concat();
        let who = who.map_or("root".to_owned(), |number| format!("account {number}"));
        Self { what: format!("{who}: {words:?}"), job: user.starts(&words), expected }
    }

    fn fails(self) {
        let Self { what, job, expected: (code, words), .. } = self;
        let ended: Ended = job.finish();
        assert_eq!(ended.code, Some(code), "{what}: {ended}");
        assert!(ended.stderr.starts_with(&words), "{what}: expected {words:?}: {ended}");
        assert_eq!(ended.stdout, "", "{what}: {ended}");
        if code == 75 && what.contains("--force") && words.contains("in use without reservation") {
            assert!(ended.stderr.contains("\nhint: --force adopts jobs of your own"), "{what}: {ended}");
        }
    }
}

#[test]
fn none_of_them_is_granted_to_anybody_but_to_the_only_user_by_force() {
    for store in BOTH_STORES {
        let Some(crowd) = Crowd::on(store) else { return };
        for gpu in 1..=4 {
            crowd.asks_for(gpu).into_iter().for_each(Try::fails);
        }
        crowd.slow_down();
        let slow: Vec<Try> = crowd.asks_for(5).into_iter().chain(crowd.asks_for_two()).collect();
        slow.into_iter().for_each(Try::fails);
        crowd.host.gpus.clear_faults();
        crowd.host.gpus.fail("*", Some(4), fakenvml::Code::GPU_IS_LOST);
        let free = crowd.host.user(4).does(&[
            "-G",
            "0",
            "--nonblock",
            "--",
            "sh",
            "-c",
            "echo $CUDA_VISIBLE_DEVICES",
        ]);
        assert_eq!(free.stdout, "0\n", "{free}");
        // Nothing has changed by so much asking.
        let now = crowd.starts(&["status"]).finish();
        let shown: Vec<String> = now.stdout.lines().map(ageless).collect();
        assert_eq!(shown[..5], crowd.expected()[..5]);

        // The job that the crash left is its person's own, and all that runs there.
        let owner = crowd.host.user(OF_THE_ORPHAN);
        owner.does(&[UNTIL_EXIT, &["-G", "3"]].concat());
        let line = ageless(&crowd.host.line(3));
        assert_eq!(
            line,
            "GPU 3: IN USE by uid 23003 for T (manual, expires in T) [validated: 1028MB, 1 processes]"
        );
        send(crowd.orphan, "KILL");
        crowd.host.shows(3, "AVAILABLE");
    }
}

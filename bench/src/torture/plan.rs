//! What is going to happen, drawn from the dice before any of it does, so that a seed repeats it. Pure.

use std::time::Duration;

use crate::random::Random;
use crate::world::GPUS;

/// `--grace`: whoever was told to end and has not by then is killed.
pub(crate) const GRACE: Duration = Duration::from_secs(1);
/// Accounts that reserve by hand run nothing: a run of theirs would be at home in their reservation.
const RUNNERS: u64 = 4;
const RESERVERS: u64 = 3;

/// One thing that a client does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Run(Run, Fate),
    Reserve(Reserve),
    /// An evening at a terminal: one command after another, in a shell with job control.
    Session(Session),
}

/// Which GPUs are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Count(u32),
    Exactly(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    Endless,
    None,
    /// `--wait 300ms`.
    Short,
}

/// What kind of command it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Plain,
    /// Ignores SIGTERM.
    Stubborn,
    /// Leaves a process of another session on its GPUs when it ends or is ended.
    Parent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) user: u64,
    pub(crate) ask: Ask,
    pub(crate) patience: Patience,
    pub(crate) manner: Manner,
    pub(crate) lasts: Duration,
    pub(crate) status: i32,
    /// `--timeout`.
    pub(crate) timeout: Option<Duration>,
    /// By mistake on another store of the same host: only the seats are between this and the others.
    pub(crate) elsewhere: bool,
}

/// What befalls a run, and how long after its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) what: Blow,
    pub(crate) after: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    None,
    Told(i32),
    /// SIGTSTP, and SIGCONT some time later.
    Paused(Duration),
    LauncherKilled,
    CommandKilled,
    /// Both at once.
    BothKilled,
    /// `release --force` by the same account.
    Released,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reserve {
    pub(crate) user: u64,
    pub(crate) gpus: u32,
    pub(crate) lasts: Duration,
    pub(crate) extended: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) user: u64,
    pub(crate) jobs: Vec<(Run, Key, Duration)>,
}

/// What is done at the keyboard while a command is there, or is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    None,
    CtrlC,
    /// And later `fg`.
    CtrlZ(Duration),
    /// Then `bg`, and later `fg`.
    CtrlZInBackground(Duration),
    /// The terminal is unplugged; the session is over.
    Plug,
}

/// What cannot go together in one round: those on another store see nothing of a manual reservation, nor of a command
/// without a launcher that has not touched its GPU yet. Neither has a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    Reserving,
    Mistaken,
}

impl Step {
    pub(crate) fn draw(random: &mut Random, mix: Mix) -> Self {
        match random.between(0, 100) {
            0..14 if mix == Mix::Reserving => Self::Reserve(Reserve {
                user: RUNNERS + random.between(0, RESERVERS),
                gpus: if random.happens(70) { 1 } else { 2 },
                lasts: millis(random, 0, 300),
                extended: random.happens(50),
            }),
            14..32 => {
                let user = random.between(0, RUNNERS);
                let jobs = (0..random.between(1, 4))
                    .map(|_| (Run::draw(random, mix, user), Key::draw(random), millis(random, 0, 180)));
                Self::Session(Session { user, jobs: jobs.collect() })
            }
            _ => {
                let what = Blow::draw(random, mix);
                // Releasing by GPU must meet no other run of the same account.
                let user = match what {
                    Blow::Released => 100 + random.between(0, 20_000),
                    _ => random.between(0, RUNNERS),
                };
                let run = Run::draw(random, mix, user);
                Self::Run(run, Fate { what, after: millis(random, 0, 120) })
            }
        }
    }
}

impl Run {
    fn draw(random: &mut Random, mix: Mix, user: u64) -> Self {
        Self {
            user,
            ask: match random.between(0, 10) {
                0..5 => Ask::Count(1),
                5..7 => Ask::Count(2),
                7 => Ask::Count(GPUS),
                _ => Ask::Exactly(u32::try_from(random.between(0, GPUS.into())).unwrap_or(0)),
            },
            patience: match random.between(0, 100) {
                0..25 => Patience::None,
                25..38 => Patience::Short,
                _ => Patience::Endless,
            },
            manner: match random.between(0, 100) {
                0..8 => Manner::Stubborn,
                8..16 => Manner::Parent,
                _ => Manner::Plain,
            },
            lasts: if random.happens(10) { millis(random, 1500, 5000) } else { millis(random, 0, 400) },
            // Apart from what this program and the shell use themselves.
            status: if random.happens(30) { 0 } else { i32::try_from(random.between(3, 60)).unwrap_or(3) },
            timeout: random.happens(8).then(|| millis(random, 50, 400)),
            elsewhere: random.happens(12) && mix == Mix::Mistaken,
        }
    }

    /// What stands between `chg` and `--`.
    pub(crate) fn options(&self) -> Vec<String> {
        let mut words = match self.ask {
            Ask::Count(count) => vec!["-g".to_owned(), count.to_string()],
            Ask::Exactly(gpu) => vec!["-G".to_owned(), gpu.to_string()],
        };
        match self.patience {
            Patience::Endless => {}
            Patience::None => words.push("--nonblock".to_owned()),
            Patience::Short => words.extend(["--wait".to_owned(), "300ms".to_owned()]),
        }
        if let Some(timeout) = self.timeout {
            words.extend(["--timeout".to_owned(), format!("{}ms", timeout.as_millis())]);
        }
        words.extend(["--grace".to_owned(), format!("{}s", GRACE.as_secs())]);
        words
    }

    /// What stands after `hold DIRECTORY`.
    pub(crate) fn command(&self, name: &str) -> Vec<String> {
        let wanted = match self.ask {
            Ask::Count(count) => count.to_string(),
            Ask::Exactly(gpu) => format!("={gpu}"),
        };
        let manner = match self.manner {
            Manner::Plain => "plain",
            Manner::Stubborn => "stubborn",
            Manner::Parent => "parent",
        };
        let lasts = self.lasts.as_millis().to_string();
        vec![name.to_owned(), wanted, lasts, self.status.to_string(), manner.to_owned()]
    }
}

impl Blow {
    fn draw(random: &mut Random, mix: Mix) -> Self {
        match random.between(0, 100) {
            72..95 if mix == Mix::Mistaken => Self::CommandKilled,
            0..42 => Self::None,
            42..52 => Self::Told(libc::SIGINT),
            52..60 => Self::Told(libc::SIGTERM),
            60..64 => Self::Told(libc::SIGHUP),
            64..72 => Self::Paused(millis(random, 50, 400)),
            72..80 => Self::LauncherKilled,
            80..88 => Self::CommandKilled,
            88..95 => Self::BothKilled,
            _ => Self::Released,
        }
    }
}

impl Key {
    fn draw(random: &mut Random) -> Self {
        match random.between(0, 100) {
            0..30 => Self::None,
            30..60 => Self::CtrlC,
            60..76 => Self::CtrlZ(millis(random, 20, 400)),
            76..90 => Self::CtrlZInBackground(millis(random, 20, 400)),
            _ => Self::Plug,
        }
    }
}

pub(crate) fn millis(random: &mut Random, from: u64, to: u64) -> Duration {
    Duration::from_millis(random.between(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(seed: u64) -> Vec<Step> {
        let mut random = Random::new(seed, 3);
        let mixes = [Mix::Reserving, Mix::Mistaken].into_iter().cycle();
        mixes.take(2000).map(|mix| Step::draw(&mut random, mix)).collect()
    }

    #[test]
    fn a_seed_repeats_its_steps() {
        assert_eq!(steps(5), steps(5));
        assert_ne!(steps(5), steps(6));
    }

    #[test]
    fn everything_happens() {
        let all = format!("{:?}", steps(1));
        let told = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP].map(|signal| format!("Told({signal})"));
        for word in [
            "Reserve(",
            "extended: true",
            "CtrlC",
            "CtrlZ(",
            "CtrlZInBackground(",
            "Plug",
            "Paused(",
            "LauncherKilled",
            "CommandKilled",
            "BothKilled",
            "Released",
            "Stubborn",
            "Parent",
            "Short",
            "Exactly(",
            "elsewhere: true",
            "timeout: Some",
        ] {
            assert!(all.contains(word), "{word}");
        }
        assert!(told.iter().all(|word| all.contains(word)));
    }
}

//! A host with GPUs, a store and people of its own: what scenes about reservations are played on. Everything on it is
//! real but the driver; whatever was started on it ends with it.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fakenvml::Scenario;
use serde_json::Value;
use tempfile::TempDir;

use super::job::{Ended, Job};
use super::redis::Server;
use super::wait::wait_for;
use super::{CHG, skip, unimpressed};

/// The uid of the first of the people; they have no entry in the account database.
pub(crate) const FIRST: u32 = 23_001;

/// Says that it runs, and goes on doing so.
pub(crate) const STAY: [&str; 4] = ["--", "sh", "-c", "echo up; exec sleep 1000"];

/// Where a host keeps its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    Redis,
}

pub(crate) const BOTH_STORES: [Store; 2] = [Store::Sqlite, Store::Redis];

pub(crate) struct Host {
    pub(crate) gpus: Scenario,
    /// The store's URL.
    pub(crate) store: String,
    pub(crate) redis: Option<Server>,
    program: PathBuf,
    // Dropped last: the server lives in it.
    directory: TempDir,
}

/// One account of a host.
#[derive(Clone, Copy)]
pub(crate) struct User<'h> {
    host: &'h Host,
    /// `None`: whoever runs the tests.
    uid: Option<u32>,
    store: &'h str,
}

impl Host {
    pub(crate) fn with_gpus(count: u32) -> Self {
        Self::on(Store::Sqlite, count)
    }

    pub(crate) fn on(store: Store, count: u32) -> Self {
        let directory = shared(crate::support::directory());
        let redis = (store == Store::Redis).then(|| Server::start(directory.path(), &[]));
        let url = redis.as_ref().map_or_else(|| sqlite(directory.path(), "store"), Server::url);
        Self {
            gpus: Scenario::with_gpus(count),
            store: url,
            redis,
            program: reachable(directory.path()),
            directory,
        }
    }

    /// A directory that everybody may write to.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A store beside the host's own, of the same machine: a mistake that people make.
    pub(crate) fn other_store(&self) -> String {
        sqlite(self.directory.path(), "other")
    }

    /// The program, where every account can run it.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Whoever runs the tests.
    pub(crate) fn me(&self) -> User<'_> {
        User { host: self, uid: None, store: &self.store }
    }

    /// The first, second, … of the people. Ask [`can_be_others`] before.
    pub(crate) fn user(&self, number: u32) -> User<'_> {
        User { host: self, uid: Some(FIRST + number - 1), store: &self.store }
    }

    /// What `chg status` shows, a line per GPU.
    pub(crate) fn status(&self) -> Vec<String> {
        self.me().does(&["status"]).stdout.lines().map(str::to_owned).collect()
    }

    pub(crate) fn line(&self, gpu: usize) -> String {
        self.status().swap_remove(gpu)
    }

    /// Waits until the line of a GPU contains this.
    pub(crate) fn shows(&self, gpu: usize, text: &str) -> String {
        let mut last = String::new();
        wait_for(&format!("{text:?} in the status of GPU {gpu}"), || {
            last = self.line(gpu);
            last.contains(text).then(|| last.clone())
        })
    }

    /// What a verb prints with `--json`.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let ended = self.me().does(&[words, &["--json"]].concat());
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended}"))
    }

    /// The waiters, head first.
    pub(crate) fn queue(&self) -> Vec<Value> {
        self.json(&["queue"])["entries"].as_array().unwrap().clone()
    }

    /// Waits until this many stand in line.
    pub(crate) fn has_waiters(&self, count: usize) {
        let mut seen = 0;
        wait_for(&format!("{count} waiters"), || {
            seen = self.queue().len();
            (seen == count).then_some(())
        });
    }

    /// The pids of the processes on a GPU, once there are as many.
    pub(crate) fn processes_on(&self, gpu: u32, count: usize) -> Vec<i32> {
        wait_for(&format!("{count} processes on GPU {gpu}"), || {
            let pids = self.gpus.pids_on(gpu);
            (pids.len() == count).then_some(pids)
        })
    }

    fn equip(&self, command: &mut Command, store: &str) {
        let path = env::var_os("PATH").unwrap_or_default();
        let programs =
            env::join_paths(std::iter::once(self.gpus.dir().join("bin")).chain(env::split_paths(&path)));
        command
            .env_clear()
            .env("PATH", programs.unwrap())
            .env("HOME", self.directory.path())
            .env("LC_ALL", "C")
            .env("CHG", &self.program)
            .env("HERE", self.directory.path())
            .env("CANHAZGPU_STORE", store)
            .env("CANHAZGPU_NVML_LIB", self.gpus.library())
            .current_dir(self.directory.path());
    }
}

impl<'h> User<'h> {
    /// The same account with another store in its environment.
    pub(crate) fn with_store(self, store: &'h str) -> Self {
        Self { store, ..self }
    }

    /// What others see this account as.
    pub(crate) fn name(self) -> String {
        self.uid.map_or_else(me, |uid| format!("uid {uid}"))
    }

    /// Any program, as this account, in this host's surroundings: `chg` is `$CHG` and the host's directory `$HERE`.
    pub(crate) fn command(self, program: impl AsRef<OsStr>) -> Command {
        let mut command = unimpressed(program.as_ref());
        self.host.equip(&mut command, self.store);
        if let Some(uid) = self.uid {
            command.uid(uid).gid(uid);
        }
        command
    }

    /// Whoever runs the tests, on the same host.
    pub(super) fn root(self) -> Self {
        Self { uid: None, ..self }
    }

    pub(super) fn uid(self) -> Option<String> {
        self.uid.map(|uid| uid.to_string())
    }

    pub(super) fn program(self) -> &'h Path {
        &self.host.program
    }

    pub(crate) fn chg(self, words: &[&str]) -> Command {
        let mut command = self.command(&self.host.program);
        command.args(words);
        command
    }

    pub(crate) fn shell(self, text: &str) -> Command {
        let mut command = self.command("sh");
        command.args(["-c", text]);
        command
    }

    /// Runs `chg` to its end.
    pub(crate) fn runs(self, words: &[&str]) -> Ended {
        self.starts(words).finish()
    }

    /// As [`Self::runs`], and it must succeed.
    pub(crate) fn does(self, words: &[&str]) -> Ended {
        let ended = self.runs(words);
        assert_eq!(ended.code, Some(0), "{words:?}: {ended}");
        ended
    }

    /// Starts `chg`.
    pub(crate) fn starts(self, words: &[&str]) -> Job {
        Job::start(self.chg(words).stdin(Stdio::null()))
    }

    /// Starts a run that stays, and waits until its command runs.
    pub(crate) fn holds(self, options: &[&str]) -> Job {
        let job = self.starts(&[options, &STAY].concat());
        job.prints("up");
        job
    }

    /// Starts `chg` with what will have to wait, and waits until it says so.
    pub(crate) fn waits(self, words: &[&str]) -> Job {
        let job = self.starts(words);
        job.says("waiting: ");
        job
    }

    /// A worker of this name that takes these GPUs without asking, once it is there.
    pub(crate) fn takes_without_asking(self, gpus: &[u32], name: &str) -> Job {
        let visible: Vec<String> = gpus.iter().map(u32::to_string).collect();
        let mut command = self.command(self.host.gpus.worker(name));
        let job = Job::start(command.env("CUDA_VISIBLE_DEVICES", visible.join(",")).stdin(Stdio::null()));
        for gpu in gpus {
            wait_for("the worker to be there", || {
                self.host.gpus.pids_on(*gpu).contains(&job.pid()).then_some(())
            });
        }
        job
    }
}

/// What others see whoever runs the tests as.
pub(crate) fn me() -> String {
    let id = |option| {
        let output = Command::new("id").arg(option).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    };
    id("-un").unwrap_or_else(|| format!("uid {}", id("-u").unwrap()))
}

/// Whether we are root, and in charge of every store; says so loudly if not.
pub(crate) fn is_in_charge() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skip("this scene changes a Redis store as its administrator: run the tests as root");
    }
    root
}

/// Whether processes of other accounts can be started; says so loudly if not.
pub(crate) fn can_be_others() -> bool {
    let tried = Command::new("true").uid(FIRST).gid(FIRST).status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        skip("this scene needs several accounts: run the tests as root");
    }
    can
}

fn sqlite(directory: &Path, name: &str) -> String {
    let store = directory.join(name);
    fs::create_dir(&store).unwrap();
    fs::set_permissions(&store, Permissions::from_mode(0o777)).unwrap();
    format!("sqlite:{}", store.display())
}

fn shared(directory: TempDir) -> TempDir {
    fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    directory
}

/// The program where every account can run it: a checkout may lie in somebody's home.
fn reachable(directory: &Path) -> PathBuf {
    let built = Path::new(CHG);
    let for_all = |path: &Path| fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
    if built.ancestors().all(for_all) {
        return built.to_owned();
    }
    // By way of another process: written by this one, it would be open for writing in whatever another test forks at that
    // moment, and what is open for writing cannot be executed.
    let place = directory.join("built");
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, Permissions::from_mode(0o755)).unwrap();
    let copy = place.join("chg");
    let copied = Command::new("cp").arg(built).arg(&copy).status();
    assert!(copied.unwrap().success(), "the program can be copied");
    copy
}

/// A line with every age in it as `T`: `0h 15m 3s` is for nobody to foresee.
pub(crate) fn ageless(line: &str) -> String {
    let is_part = |word: &str, unit: char| {
        word.strip_suffix(unit)
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    let words: Vec<&str> = line.split(' ').collect();
    let mut kept = Vec::new();
    let mut at = 0;
    while at < words.len() {
        match words[at..] {
            [h, m, s, ..] if is_part(h, 'h') && is_part(m, 'm') => {
                let seconds = s.trim_end_matches([')', ']', ',', ';']);
                assert!(is_part(seconds, 's'), "{line}");
                kept.push(format!("T{}", &s[seconds.len()..]));
                at += 3;
            }
            _ => {
                kept.push(words[at].to_owned());
                at += 1;
            }
        }
    }
    kept.join(" ")
}

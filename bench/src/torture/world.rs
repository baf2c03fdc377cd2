//! What all actors of a schedule share: the host, the log, the outages of the store, what went wrong.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bench::Result;
use bench::host::{Host, Kind, Place};
use fakenvml::Scenario;

pub(crate) const GPUS: u32 = 4;
/// An ordinary client is done by then, whatever happens to the store.
pub(crate) const STUCK: Duration = Duration::from_secs(40);

pub(crate) struct World {
    pub(crate) host: Mutex<Host>,
    pub(crate) place: Place,
    /// Locks and messages of the commands.
    pub(crate) dir: PathBuf,
    pub(crate) me: PathBuf,
    pub(crate) users: Vec<u32>,
    pub(crate) begun: Instant,
    /// Manual reservations are read-held: nothing brings them back when the store loses its data.
    pub(crate) data: RwLock<()>,
    outages: Mutex<Vec<(Instant, Option<Instant>)>>,
    log: Mutex<Vec<String>>,
    wrong: Mutex<Vec<String>>,
    stopped: AtomicBool,
    serial: AtomicU32,
    _scenario: Scenario,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(mut host: Host, kind: Kind) -> Result<Self> {
        let scenario = Scenario::with_gpus(GPUS);
        let place = host.nvml(kind, &scenario.library(), GPUS)?;
        let dir = host.dir.join("locks");
        fs::create_dir(&dir)?;
        fs::set_permissions(&dir, Permissions::from_mode(0o777))?;
        let shared = |name: String| -> Result<()> {
            File::create(dir.join(&name))?;
            Ok(fs::set_permissions(dir.join(&name), Permissions::from_mode(0o666))?)
        };
        (0..GPUS).try_for_each(|gpu| shared(format!("lock-{gpu}")))?;
        shared("violations".to_owned())?;
        // Where everybody may execute it.
        let me = host.dir.join("torture");
        fs::copy(std::env::current_exe()?, &me)?;
        let chg = host.dir.join("chg");
        fs::copy(&host.chg, &chg)?;
        host.chg = chg;
        // SAFETY: geteuid reads nothing of ours.
        let root = unsafe { libc::geteuid() } == 0;
        Ok(Self {
            host: Mutex::new(host),
            place,
            dir,
            me,
            users: if root {
                vec![0, 24_001, 24_002, 24_003, 24_004, 24_005, 24_006, 24_007]
            } else {
                Vec::new()
            },
            begun: Instant::now(),
            data: RwLock::new(()),
            outages: Mutex::default(),
            log: Mutex::default(),
            wrong: Mutex::default(),
            stopped: AtomicBool::new(false),
            serial: AtomicU32::new(0),
            _scenario: scenario,
        })
    }

    /// The product, as one of the users (the caller's own account where there are none), in a group of its own.
    pub(crate) fn chg(&self, user: u64) -> Command {
        let mut command = locked(&self.host).command(&self.place);
        if !self.users.is_empty() {
            let uid = self.users[usize::try_from(user).unwrap_or(0) % self.users.len()];
            command.uid(uid).gid(uid);
        }
        command.process_group(0);
        command
    }

    pub(crate) fn next(&self) -> u32 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn note(&self, text: &str) {
        locked(&self.log).push(format!("{:9.3} {text}", self.begun.elapsed().as_secs_f64()));
    }

    /// Something that must not happen. Everybody stops.
    pub(crate) fn wrong(&self, text: &str) {
        self.note(&format!("WRONG: {text}"));
        locked(&self.wrong).push(text.to_owned());
        self.stop();
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    pub(crate) fn wrongs(&self) -> Vec<String> {
        locked(&self.wrong).clone()
    }

    pub(crate) fn log(&self) -> Vec<String> {
        locked(&self.log).clone()
    }

    pub(crate) fn store_goes(&self) {
        locked(&self.outages).push((Instant::now(), None));
    }

    pub(crate) fn store_is_back(&self) {
        if let Some(last) = locked(&self.outages).last_mut() {
            last.1 = Some(Instant::now());
        }
    }

    /// Whether the store was away at some time since.
    pub(crate) fn was_away_since(&self, since: Instant) -> bool {
        locked(&self.outages).iter().any(|(_, end)| end.is_none_or(|end| end >= since))
    }

    /// The name in the lock file of each GPU that a command holds now.
    pub(crate) fn held(&self) -> Vec<Option<String>> {
        (0..GPUS)
            .map(|gpu| {
                let path = self.dir.join(format!("lock-{gpu}"));
                let file = File::open(&path).ok()?;
                match file.try_lock_shared() {
                    Ok(()) => None,
                    Err(_) => fs::read_to_string(&path).ok(),
                }
            })
            .collect()
    }

    /// What commands told the judge.
    pub(crate) fn told(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.join("violations")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

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

use crate::disk;
use crate::ledger::{Ledger, Owner};
use crate::locks;
use crate::wall::WallClock;

pub(crate) const GPUS: u32 = 4;
const FIRST: u32 = 24_000;
/// An ordinary client is done by then, whatever happens to the store.
pub(crate) const STUCK: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) host: Mutex<Host>,
    pub(crate) place: Place,
    /// The store of those who are mistaken.
    elsewhere: Place,
    /// Locks and messages of the commands.
    pub(crate) dir: PathBuf,
    pub(crate) me: PathBuf,
    root: bool,
    pub(crate) ledger: Ledger,
    pub(crate) clock: WallClock,
    pub(crate) disk: Option<disk::Small>,
    pub(crate) scenario: Scenario,
    begun: Instant,
    /// Manual reservations are read-held: nothing brings them back when the store loses its data.
    pub(crate) data: RwLock<()>,
    outages: Mutex<Vec<Outage>>,
    log: Mutex<Vec<String>>,
    wrong: Mutex<Vec<String>>,
    stopped: AtomicBool,
    serial: AtomicU32,
}

#[derive(Debug, Clone, Copy)]
struct Outage {
    from: Instant,
    until: Option<Instant>,
    loses_data: bool,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(mut host: Host, kind: Kind) -> Result<Self> {
        let scenario = Scenario::with_gpus(GPUS);
        let clock = WallClock::new(&host.dir)?;
        host.restart_redis_with(clock.of_the_server())?;
        let mut place = host.place(kind)?;
        let disk = if kind == Kind::Sqlite { disk::Small::mount(&place.directory) } else { None };
        host.equip(&mut place, &scenario.library(), GPUS)?;
        let mut elsewhere = host.place(Kind::Sqlite)?;
        host.equip(&mut elsewhere, &scenario.library(), GPUS)?;
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
            elsewhere,
            me,
            root,
            ledger: Ledger::new(&dir),
            dir,
            clock,
            disk,
            scenario,
            begun: Instant::now(),
            data: RwLock::new(()),
            outages: Mutex::default(),
            log: Mutex::default(),
            wrong: Mutex::default(),
            stopped: AtomicBool::new(false),
            serial: AtomicU32::new(0),
        })
    }

    /// The product, as one of the users (the caller's own account where there are none), in a group of its own.
    pub(crate) fn chg(&self, user: u64) -> Command {
        self.client(user, &self.place)
    }

    /// The product on another store of the same host.
    pub(crate) fn mistaken_chg(&self, user: u64) -> Command {
        self.client(user, &self.elsewhere)
    }

    fn client(&self, user: u64, place: &Place) -> Command {
        let mut command = locked(&self.host).command(place);
        command.envs(self.clock.of_the_clients());
        if let Some(uid) = self.uid(user) {
            command.uid(uid).gid(uid);
        }
        command.process_group(0);
        command
    }

    /// `None` where all are one account.
    pub(crate) fn uid(&self, user: u64) -> Option<u32> {
        let uid = if user == 0 { 0 } else { FIRST + u32::try_from(user).ok()? };
        self.root.then_some(uid)
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

    pub(crate) fn store_goes(&self, loses_data: bool) {
        locked(&self.outages).push(Outage { from: Instant::now(), until: None, loses_data });
    }

    pub(crate) fn store_is_back(&self) {
        if let Some(last) = locked(&self.outages).last_mut() {
            last.until = Some(Instant::now());
        }
    }

    /// Whether the store was away at some time since.
    pub(crate) fn was_away_since(&self, since: Instant) -> bool {
        locked(&self.outages).iter().any(|outage| outage.until.is_none_or(|until| until >= since))
    }

    /// When the store last began to lose its data.
    pub(crate) fn data_lost(&self) -> Option<Instant> {
        locked(&self.outages)
            .iter()
            .rfind(|outage| outage.loses_data)
            .map(|outage| outage.until.unwrap_or(outage.from))
    }

    /// Who has the lock of each GPU now.
    pub(crate) fn held(&self) -> Vec<Option<Owner>> {
        let owner = |text: &str| {
            let (name, process) = text.split_once(' ')?;
            Some(Owner { name: name.to_owned(), process: process.parse().ok()? })
        };
        (0..GPUS)
            .map(|gpu| {
                let path = self.dir.join(format!("lock-{gpu}"));
                let taken = locks::is_taken(&File::open(&path).ok()?);
                taken.then(|| owner(&fs::read_to_string(&path).ok()?)).flatten()
            })
            .collect()
    }

    pub(crate) fn is_held(&self) -> bool {
        (0..GPUS).any(|gpu| {
            File::open(self.dir.join(format!("lock-{gpu}"))).is_ok_and(|file| locks::is_taken(&file))
        })
    }

    /// What commands told the judge.
    pub(crate) fn told(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.join("violations")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

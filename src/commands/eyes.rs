//! Joins what the rooms observe (GPUs, owners of processes, seats, life) into one `Seen`. Decides nothing.

use std::cell::{LazyCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::attribution::{self, Accounts, Names};
use crate::gpu::{Farewell, GpuError, Scan, Scanner, Source, Upkeep};
use crate::model::device::{Device, Provider, fake_devices};
use crate::model::identity::{Here, Identity, Life};
use crate::model::ids::{GpuIndex, GpuUuid, Megabytes, Pid};
use crate::model::pool::{Pool, Slot, SlotState};
use crate::model::process::Process;
use crate::model::seen::{GpuSeen, Reading, Seat, Seen, Unknown};
use crate::seat;

/// How long a container engine may take to tell names.
const ENGINE_PATIENCE: Duration = Duration::from_millis(500);

/// How GPUs are asked.
#[derive(Debug, Clone)]
pub(crate) struct Optics {
    pub(crate) nvml_library: Option<PathBuf>,
    /// How long one GPU may take to answer.
    pub(crate) deadline: Duration,
    pub(crate) threshold: Megabytes,
    /// Of the pool, where it is not made yet.
    pub(crate) provider: Provider,
}

/// Looks at GPUs and processes; remembers the last scan.
#[derive(Debug)]
pub(crate) struct Eyes {
    optics: Optics,
    here: Here,
    accounts: Accounts,
    scanner: Option<Scanner>,
    /// Helpers that were let go, to be buried with these eyes.
    farewells: Vec<Farewell>,
    gpus: Vec<GpuSeen>,
    /// GPUs of which nothing is known but their place, and why.
    nameless: Vec<(GpuIndex, Unknown)>,
    owners: BTreeMap<Pid, Process>,
    names: Names,
    upkeep: Upkeep,
}

impl Eyes {
    pub(crate) fn new(optics: Optics, here: Here) -> Self {
        Self {
            optics,
            here,
            accounts: Accounts::default(),
            scanner: None,
            farewells: Vec::new(),
            gpus: Vec::new(),
            nameless: Vec::new(),
            owners: BTreeMap::new(),
            names: Names::default(),
            upkeep: Upkeep::default(),
        }
    }

    /// The same eyes, with nothing looked at yet: for another thread, or for later.
    pub(crate) fn closed(&self) -> Self {
        Self::new(self.optics.clone(), self.here.clone())
    }

    /// As [`Self::closed`], for whoever leaves the driver in peace: it is known which GPUs there were at the last scan,
    /// so that a pool can be made of them, and nothing of their use.
    pub(crate) fn remembering(&self) -> Self {
        let unasked = || Reading::Unknown(Unknown::Error { message: "not asked".to_owned() });
        let gpus = self.gpus.iter().map(|gpu| GpuSeen { device: gpu.device.clone(), reading: unasked() });
        Self { gpus: gpus.collect(), ..self.closed() }
    }

    pub(crate) const fn here(&self) -> &Here {
        &self.here
    }

    pub(crate) fn gpus(&self) -> &[GpuSeen] {
        &self.gpus
    }

    /// GPUs that would not even tell the last scan which they are, and are none of the pool's.
    pub(crate) fn nameless(&self) -> &[(GpuIndex, Unknown)] {
        &self.nameless
    }

    /// How the driver is kept, by the last scan.
    pub(crate) const fn upkeep(&self) -> &Upkeep {
        &self.upkeep
    }

    /// The process that asks the driver for us, if there is one.
    pub(crate) fn helper(&self) -> Option<Pid> {
        self.scanner.as_ref().and_then(Scanner::helper_pid)
    }

    /// Scans the GPUs that the pool is, or would be, made of, and finds the owners of their processes.
    ///
    /// # Errors
    /// If the driver as a whole gives no answer.
    pub(crate) fn scan(&mut self, pool: &Pool) -> Result<(), GpuError> {
        let scan = self.scanner(pool)?.scan()?;
        self.take_in(scan, pool);
        Ok(())
    }

    /// Begins a scan, whose answers are for [`Self::hear`].
    ///
    /// # Errors
    /// As [`Self::scan`].
    pub(crate) fn ask(&mut self, pool: &Pool) -> Result<(), GpuError> {
        self.scanner(pool)?.ask()
    }

    /// What becomes readable when there is more to hear, and when all is heard at the latest.
    pub(crate) fn awaited(&self) -> Option<(BorrowedFd<'_>, Instant)> {
        self.scanner.as_ref().and_then(Scanner::awaited)
    }

    /// Hears what is there of the scan that was begun; whether that was all.
    ///
    /// # Errors
    /// As [`Self::scan`].
    pub(crate) fn hear(&mut self, pool: &Pool) -> Result<Heard, GpuError> {
        match self.scanner(pool)?.hear(Instant::now())? {
            Some(scan) => {
                self.take_in(scan, pool);
                Ok(Heard::All)
            }
            None => Ok(Heard::NotAll),
        }
    }

    /// Sees what was answered to the scan that was begun as far as it has come; of the other GPUs, what was seen last.
    pub(crate) fn glimpse(&mut self, pool: &Pool) {
        let of_pool = || {
            let reading = || Reading::Unknown(Unknown::NotYet);
            let gpus = known(pool).into_iter().map(|device| GpuSeen { device, reading: reading() });
            Scan { gpus: gpus.collect(), nameless: Vec::new(), upkeep: Upkeep::default() }
        };
        let mut scan = self.scanner.as_ref().and_then(Scanner::so_far).unwrap_or_else(of_pool);
        for gpu in scan.gpus.iter_mut().filter(|gpu| gpu.reading == Reading::Unknown(Unknown::NotYet)) {
            if let Some(last) = self.gpus.iter().find(|last| last.device.uuid == gpu.device.uuid) {
                gpu.reading = last.reading.clone();
            }
        }
        self.take_in(scan, pool);
    }

    fn scanner(&mut self, pool: &Pool) -> Result<&mut Scanner, GpuError> {
        let scanner = match self.scanner.take() {
            Some(scanner) => scanner,
            None => Scanner::start(source(pool, &self.optics), self.optics.deadline)?,
        };
        Ok(self.scanner.insert(scanner))
    }

    fn take_in(&mut self, mut scan: Scan, pool: &Pool) {
        scan.name_from(&known(pool));
        self.owners = attribution::owners(pids(&scan.gpus), &self.accounts);
        self.gpus = scan.gpus;
        self.nameless = scan.nameless.into_iter().map(|gpu| (gpu.index, gpu.why)).collect();
        self.upkeep = scan.upkeep;
        drop_vanished(&mut self.gpus, &self.owners);
    }

    /// What can be known of these processes, whatever they use.
    pub(crate) fn owners(&self, pids: impl IntoIterator<Item = Pid>) -> BTreeMap<Pid, Process> {
        attribution::owners(pids, &self.accounts)
    }

    /// Finds out what people want to know of the processes: command lines, models, names of containers; and of those on
    /// GPUs of the pool that are reserved, whether a label says for which reservation.
    pub(crate) fn look_closely(&mut self, pool: &Pool) {
        attribution::tell_commands(&mut self.owners);
        let is_held = |gpu: &&GpuSeen| {
            let slots = pool.slots.values();
            let mut held = slots.filter(|slot| !matches!(slot.state, SlotState::Free { .. }));
            held.any(|slot| slot.uuid.as_ref() == Some(&gpu.device.uuid))
        };
        let held = pids(self.gpus.iter().filter(is_held)).into_iter().collect();
        self.names.give(&mut self.owners, &held, ENGINE_PATIENCE);
    }

    /// Lets go of the driver, without waiting: nothing of ours holds a GPU while a command runs.
    pub(crate) fn close(&mut self) {
        self.farewells.retain(|farewell| !farewell.is_over());
        self.farewells.extend(self.scanner.take().and_then(Scanner::leave));
    }

    /// As [`Self::closed`], for whoever is there to the end: what was let go is buried then.
    pub(crate) fn closed_for_good(&mut self) -> Self {
        self.close();
        Self { farewells: std::mem::take(&mut self.farewells), ..self.closed() }
    }

    /// Hands what is seen of `pool` now to `look`. `asked` are seats whose state is already known better.
    pub(crate) fn with_seen<T>(
        &self,
        pool: &Pool,
        asked: &BTreeMap<GpuUuid, Seat>,
        look: impl FnOnce(&Seen<'_>) -> T,
    ) -> T {
        let seats = LazyCell::new(|| {
            let taken = seat::taken(self.uuids(pool)).into_iter().map(|uuid| (uuid, Seat::TakenBySomebody));
            let asked = asked.iter().map(|(uuid, seat)| (uuid.clone(), seat.clone()));
            taken.chain(asked).collect::<BTreeMap<GpuUuid, Seat>>()
        });
        let verdicts = RefCell::new(HashMap::new());
        let life = |process: &Identity| remembered(&verdicts, &self.here, process);
        look(&Seen {
            here: &self.here,
            gpus: &self.gpus,
            owners: &self.owners,
            seats: &seats,
            life: &life,
            threshold: self.optics.threshold,
        })
    }

    /// Asks the kernel who sits on the pool's GPUs.
    pub(crate) fn seat_owners(&self, pool: &Pool) -> BTreeMap<GpuUuid, Seat> {
        seat::taken(self.uuids(pool))
            .into_iter()
            .filter_map(|uuid| seat::owner(&uuid).map(|owner| (uuid, self.named(owner))))
            .collect()
    }

    fn named(&self, seat: Seat) -> Seat {
        match seat {
            Seat::Taken { uid, pid, .. } => Seat::Taken { uid, pid, account: self.accounts.name_of(uid) },
            Seat::TakenBySomebody => seat,
        }
    }

    /// Of the pool's GPUs, and of those that a pool would be made of.
    fn uuids<'a>(&'a self, pool: &'a Pool) -> impl Iterator<Item = &'a GpuUuid> {
        let bound = pool.slots.values().filter_map(|slot| slot.uuid.as_ref());
        bound.chain(self.gpus.iter().map(|gpu| &gpu.device.uuid))
    }
}

/// Whether a scan is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    All,
    NotAll,
}

fn source(pool: &Pool, optics: &Optics) -> Source {
    match pool.provider.unwrap_or(optics.provider) {
        Provider::Nvidia => Source::Nvml { library: optics.nvml_library.clone() },
        Provider::Fake => Source::Fake { devices: fake_devices(&pool.store_id, pool.slots.keys().copied()) },
    }
}

/// The pool's GPUs, for those whose driver cannot even tell which they are.
fn known(pool: &Pool) -> Vec<Device> {
    let device = |(index, slot): (&GpuIndex, &Slot)| {
        Some(Device { uuid: slot.uuid.clone()?, index: *index, name: None, memory: None })
    };
    pool.slots.iter().filter_map(device).collect()
}

fn pids<'a>(gpus: impl IntoIterator<Item = &'a GpuSeen>) -> Vec<Pid> {
    gpus.into_iter().flat_map(|gpu| gpu.reading.processes()).map(|(process, _)| process.pid).collect()
}

/// The driver lists a process a moment longer than it lives.
fn drop_vanished(gpus: &mut [GpuSeen], owners: &BTreeMap<Pid, Process>) {
    for gpu in gpus {
        gpu.reading.keep_processes(|process| owners.contains_key(&process.pid));
    }
}

/// One verdict per process and decision: a process that dies in between must not be judged in two ways.
fn remembered(verdicts: &RefCell<HashMap<Identity, Life>>, here: &Here, process: &Identity) -> Life {
    if let Some(life) = verdicts.borrow().get(process) {
        return *life;
    }
    let life = attribution::life(here, process);
    verdicts.borrow_mut().insert(process.clone(), life);
    life
}

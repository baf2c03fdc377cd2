//! Reads a scene and builds the pool and the observation that it describes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::model::device::Device;
use crate::model::identity::{Here, Identity, Life};
use crate::model::ids::{GpuIndex, GpuUuid, LeaseId, Megabytes, Pid, Timestamp, Uid};
use crate::model::pool::{Pool, Slot, SlotState};
use crate::model::process::{Origin, Process};
use crate::model::reservation::{Author, Holder, Kind, Past, Reservation, UntilExit};
use crate::model::seen::{Context, GpuProcess, GpuSeen, Measured, Reading, Seat, Seen, Slice, Unknown};

pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

#[derive(Deserialize)]
struct File {
    scene: Vec<Scene>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scene {
    pub(super) name: String,
    pub(super) expect: String,
    #[serde(default)]
    used: u64,
    /// `lost`, `no answer`, `no permission`, `mig`, `missing` or `no driver`; otherwise the GPU answers.
    reading: Option<String>,
    damaged: Option<bool>,
    /// Seconds since the last release.
    released: Option<i64>,
    past: Option<PastLine>,
    run: Option<Claimed>,
    manual: Option<Claimed>,
    /// The slot names a reservation that is not in the pool.
    lacking: Option<bool>,
    seat: Option<SeatLine>,
    #[serde(default)]
    processes: Vec<ProcessLine>,
    /// The driver lists them, but they are not there.
    #[serde(default)]
    vanished: Vec<i32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PastLine {
    uid: Option<u32>,
    account: Option<String>,
    /// Seconds ago.
    from: i64,
    to: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claimed {
    uid: Option<u32>,
    account: Option<String>,
    login: Option<String>,
    launcher: Option<i32>,
    child: Option<i32>,
    #[serde(default)]
    dead: Vec<i32>,
    #[serde(default)]
    adopted: Vec<i32>,
    /// `boot`, `pid namespace` or `network namespace`.
    elsewhere: Option<String>,
    #[serde(default)]
    go: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeatLine {
    uid: Option<u32>,
    #[serde(default)]
    pid: i32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProcessLine {
    pid: i32,
    uid: Option<u32>,
    login: Option<u32>,
    /// The way up, nearest first.
    #[serde(default)]
    up: Vec<i32>,
    session: Option<i32>,
    group: Option<i32>,
    name: Option<String>,
    memory: Option<u64>,
    #[serde(default)]
    graphics: bool,
    /// The engine of its container.
    container: Option<String>,
    host_uid: Option<u32>,
    /// In a batch job.
    #[serde(default)]
    job: bool,
    label: Option<String>,
    /// Seconds ago.
    started: Option<i64>,
    start: Option<u64>,
}

pub(super) fn scenes() -> Vec<Scene> {
    let text = include_str!("../../../../tests/scenarios/occupancy.toml");
    toml::from_str::<File>(text).expect("the scenes are well written").scene
}

pub(super) fn uuid() -> GpuUuid {
    GpuUuid::from("GPU-0")
}

pub(super) fn here() -> Here {
    Here { boot: "boot".into(), pid_namespace: 1, network_namespace: 2 }
}

pub(super) fn gpus(known: &[(u32, &str)]) -> Vec<GpuSeen> {
    let idle =
        Measured { used: Megabytes(0), total: Megabytes(81_920), utilization: None, processes: vec![] };
    let gpu = |&(index, uuid): &(u32, &str)| GpuSeen {
        device: Device {
            uuid: GpuUuid::from(uuid),
            index: GpuIndex(index),
            name: Some("GPU".into()),
            memory: Some(idle.total),
        },
        reading: Reading::Measured(idle.clone()),
    };
    known.iter().map(gpu).collect()
}

struct Host {
    pool: Pool,
    gpus: Vec<GpuSeen>,
    owners: BTreeMap<Pid, Process>,
    seats: BTreeMap<GpuUuid, Seat>,
    dead: Vec<Pid>,
}

impl Host {
    fn with<T>(&self, look: impl FnOnce(&Pool, &Seen<'_>) -> T) -> T {
        let here = here();
        let life = |identity: &Identity| {
            let dead = identity.boot != here.boot || self.dead.contains(&identity.pid);
            match (dead, here.can_examine(identity)) {
                (true, _) => Life::Dead,
                (false, true) => Life::Alive,
                (false, false) => Life::Untestable,
            }
        };
        let seen = Seen {
            here: &here,
            gpus: &self.gpus,
            owners: &self.owners,
            seats: &&self.seats,
            life: &life,
            threshold: Megabytes(1024),
        };
        look(&self.pool, &seen)
    }
}

impl Scene {
    pub(super) fn with<T>(&self, look: impl FnOnce(&Pool, &Seen<'_>) -> T) -> T {
        self.host().with(look)
    }

    fn host(&self) -> Host {
        let mut pool = Pool::default();
        let claimed = self.run.as_ref().map(|run| (Kind::Run, run));
        let claimed = claimed.or(self.manual.as_ref().map(|manual| (Kind::Manual, manual)));
        let id = LeaseId::from("lease");
        let state = if self.damaged.is_some() {
            SlotState::Damaged { why: "not JSON".into() }
        } else if claimed.is_some() || self.lacking.is_some() {
            SlotState::Held(id.clone())
        } else {
            SlotState::Free { last_released: self.released.map(ago), past: self.past.as_ref().map(past) }
        };
        pool.slots.insert(GpuIndex(0), Slot { uuid: Some(uuid()), state });
        if let Some((kind, claimed)) = claimed {
            pool.reservations.insert(id.clone(), claimed.reservation(id, kind));
        }
        let seat = self.seat.as_ref().map(|seat| match seat.uid {
            Some(uid) => Seat::Taken { uid: Uid(uid), pid: Pid(seat.pid), account: account(uid) },
            None => Seat::TakenBySomebody,
        });
        Host {
            pool,
            gpus: self.gpus(),
            owners: self.processes.iter().map(|line| (Pid(line.pid), line.process())).collect(),
            seats: seat.map(|seat| (uuid(), seat)).into_iter().collect(),
            dead: claimed.iter().flat_map(|(_, claimed)| &claimed.dead).copied().map(Pid).collect(),
        }
    }

    fn gpus(&self) -> Vec<GpuSeen> {
        let reading = match self.reading.as_deref() {
            None => Reading::Measured(self.measured()),
            Some("lost") => Reading::Unknown(Unknown::Lost),
            Some("no answer") => Reading::Unknown(Unknown::NoAnswer { seconds: 5 }),
            Some("no permission") => Reading::Unknown(Unknown::NoPermission),
            Some("mig") => Reading::Sliced(self.slices()),
            Some("missing") => return gpus(&[(0, "GPU-another")]),
            Some("no driver") => return Vec::new(),
            Some(other) => panic!("no such reading: {other}"),
        };
        gpus(&[(0, uuid().as_str())])
            .into_iter()
            .map(|gpu| GpuSeen { reading: reading.clone(), ..gpu })
            .collect()
    }

    /// One slice with all the processes, and one that tells of none.
    fn slices(&self) -> Vec<Slice> {
        let slice = |profile: &str, processes| Slice {
            profile: profile.into(),
            uuid: format!("MIG-{profile}"),
            used: None,
            processes,
        };
        vec![slice("1g", None), slice("3g", Some(self.measured().processes))]
    }

    fn measured(&self) -> Measured {
        let vanished = self.vanished.iter().map(|&pid| (pid, Some(512), false));
        let present = self.processes.iter().map(|line| (line.pid, line.memory, line.graphics));
        let on_gpu = present.chain(vanished).map(|(pid, memory, graphics)| GpuProcess {
            pid: Pid(pid),
            memory: memory.map(Megabytes),
            context: if graphics { Context::Graphics } else { Context::Compute },
        });
        let processes = on_gpu.collect();
        Measured { used: Megabytes(self.used), total: Megabytes(81_920), utilization: None, processes }
    }
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(NOW.seconds() - seconds)
}

fn account(uid: u32) -> Option<String> {
    let name = match uid {
        0 => "root",
        1001 => "alice",
        1002 => "bob",
        _ => return None,
    };
    Some(name.to_owned())
}

fn holder(uid: Option<u32>, account_name: Option<&str>, login: Option<&str>) -> Holder {
    let known = uid.map(|uid| account(uid).unwrap_or_else(|| format!("uid {uid}")));
    Holder {
        uid: uid.map(Uid),
        account: account_name.map(str::to_owned).or(known).expect("a holder has a uid or an account"),
        login: login.map(str::to_owned),
        label: None,
    }
}

fn past(line: &PastLine) -> Past {
    let holder = holder(line.uid, line.account.as_deref(), None);
    Past { id: LeaseId::from("past"), holder, started: ago(line.from), ended: ago(line.to) }
}

impl Claimed {
    fn reservation(&self, id: LeaseId, kind: Kind) -> Reservation {
        let here = here();
        let elsewhere = |what: &str| self.elsewhere.as_deref() == Some(what);
        let identity = |pid: i32| Identity {
            boot: if elsewhere("boot") { "older".into() } else { here.boot.clone() },
            namespace: here.pid_namespace + u64::from(elsewhere("pid namespace")),
            pid: Pid(pid),
            start: 7,
        };
        Reservation {
            id,
            gpus: vec![GpuIndex(0)],
            holder: holder(self.uid, self.account.as_deref(), self.login.as_deref()),
            kind,
            author: if self.go { Author::Go } else { Author::Ours },
            started: ago(100),
            heartbeat: ago(1),
            expiry: (kind == Kind::Manual).then(|| NOW.after(Duration::from_secs(1000))),
            note: None,
            command: vec![],
            launcher: self.launcher.map(identity),
            child: self.child.map(identity),
            network_namespace: Some(here.network_namespace + u64::from(elsewhere("network namespace"))),
            adopted: self.adopted.iter().copied().map(identity).collect(),
            until_exit: UntilExit::No,
        }
    }
}

impl ProcessLine {
    fn process(&self) -> Process {
        let origin = self.container.as_ref().map(|engine| Origin::Container {
            engine: engine.clone(),
            id: "0123456789abcdef".into(),
            name: None,
            host_uid: self.host_uid.map(Uid),
        });
        Process {
            uid: self.uid.map(Uid),
            account: self.uid.and_then(account),
            login_uid: self.login.map(Uid),
            login: self.login.and_then(account),
            name: self.name.clone().unwrap_or_else(|| "python3".into()),
            started: self.started.map(ago),
            start: self.start,
            ancestors: self.up.iter().copied().map(Pid).collect(),
            session: self.session.map(Pid),
            group: self.group.map(Pid),
            origin: origin.unwrap_or_else(|| match self.job {
                true => Origin::Job { id: "7".into() },
                false => Origin::Unknown,
            }),
            reservation: self.label.as_deref().map(LeaseId::from),
            ..Process::unknown(Pid(self.pid))
        }
    }
}

//! A world for the pool to live in: GPUs, processes, seats and a clock that tests move; plays the store's part.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::device::Device;
use crate::model::identity::{Evidence, Here, Identity};
use crate::model::ids::{GpuIndex, GpuUuid, LeaseId, Megabytes, Pid, Timestamp, Uid};
use crate::model::plan;
use crate::model::pool::Pool;
use crate::model::process::{Origin, Process};
use crate::model::request::{Actor, Authority, Demand, InUse, OnBusy, Request};
use crate::model::reservation::{Ended, Ending, Holder, Kind, Reservation, UntilExit};
use crate::model::seen::{Context, GpuProcess, GpuSeen, Measured, Reading, Seat, Seen, Unknown};
use crate::model::verb::{Outcome, Refusal, Standing, Verb};

pub(super) const TOTAL: Megabytes = Megabytes(81_920);

pub(super) fn gpus(ids: &[u32]) -> Vec<GpuIndex> {
    ids.iter().copied().map(GpuIndex).collect()
}

pub(super) fn id(text: &str) -> LeaseId {
    LeaseId::from(text)
}

pub(super) const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn uuid(gpu: u32) -> GpuUuid {
    GpuUuid(format!("GPU-{gpu}"))
}

pub(super) fn here() -> Here {
    Here { boot: "this".into(), pid_namespace: 1, network_namespace: 2 }
}

/// The process that acts for the request of this name.
pub(super) fn process(name: &str) -> Identity {
    let pid = name.bytes().fold(7_i32, |sum, byte| (sum * 31 + i32::from(byte)) % 1_000_003);
    Identity { boot: here().boot, namespace: here().pid_namespace, pid: Pid(pid), start: 1 }
}

pub(super) fn holder(uid: u32) -> Holder {
    Holder { uid: Some(Uid(uid)), account: format!("u{uid}"), login: None, label: None }
}

pub(super) fn user(uid: u32) -> Actor {
    Actor { uid: Uid(uid), holder: holder(uid), authority: Authority::Own }
}

pub(super) fn labelled(uid: u32, label: &str) -> Actor {
    let mut actor = user(uid);
    actor.holder.label = Some(label.to_owned());
    actor
}

pub(super) fn admin() -> Actor {
    Actor { uid: Uid(0), holder: holder(0), authority: Authority::Admin }
}

pub(super) fn count(count: u32) -> Demand {
    Demand::Count(NonZeroU32::new(count).expect("at least one"))
}

pub(super) fn exactly(ids: &[u32]) -> Demand {
    Demand::Exactly(gpus(ids))
}

pub(super) const QUEUE: OnBusy = OnBusy::Queue { at_most: None };

pub(super) fn run(name: &str, demand: Demand) -> Request {
    Request {
        id: id(name),
        demand,
        kind: Kind::Run,
        lasts: None,
        note: None,
        command: vec!["train".into()],
        client: Some(process(name)),
        network_namespace: Some(here().network_namespace),
        on_busy: QUEUE,
        in_use: InUse::Avoid,
        until_exit: UntilExit::No,
        share: None,
        enqueued: None,
    }
}

pub(super) fn nonblock(name: &str, demand: Demand) -> Request {
    Request { on_busy: OnBusy::Refuse, ..run(name, demand) }
}

pub(super) fn manual(name: &str, demand: Demand, lasts: Duration) -> Request {
    Request { kind: Kind::Manual, lasts: Some(lasts), ..run(name, demand) }
}

pub(super) fn forced(request: Request) -> Request {
    Request { in_use: InUse::Adopt, ..request }
}

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) pool: Pool,
    pub(super) gpus: Vec<GpuSeen>,
    pub(super) owners: BTreeMap<Pid, Process>,
    /// Who sits where: the request that acts, and its GPUs.
    pub(super) seated: BTreeMap<LeaseId, (Uid, Vec<GpuUuid>)>,
    pub(super) dead: BTreeSet<Pid>,
    pub(super) stopped: BTreeSet<Pid>,
    pub(super) now: Timestamp,
    /// The history.
    pub(super) ended: Vec<Ended>,
    /// How often the life of a process was asked for.
    pub(super) asked: Cell<usize>,
}

impl World {
    pub(super) fn with_gpus(count: u32) -> Self {
        let gpu = |index| GpuSeen {
            device: Device {
                uuid: uuid(index),
                index: GpuIndex(index),
                name: Some("Test GPU".into()),
                memory: Some(TOTAL),
            },
            reading: idle(),
        };
        Self {
            pool: Pool { store_id: "s1".into(), ..Pool::default() },
            gpus: (0..count).map(gpu).collect(),
            owners: BTreeMap::new(),
            seated: BTreeMap::new(),
            dead: BTreeSet::new(),
            stopped: BTreeSet::new(),
            now: Timestamp::from_seconds(1_000_000),
            ended: Vec::new(),
            asked: Cell::new(0),
        }
    }

    /// Applies a verb as a store does: tells what it knows as ended, and keeps what has ended.
    pub(super) fn apply(&mut self, actor: &Actor, verb: &Verb) -> Outcome {
        let mut pool = self.pool.clone();
        let known = |id: &&LeaseId| self.ended.iter().any(|ended| ended.reservation.id == **id);
        pool.known_ended = verb.names().filter(known).cloned().into_iter().collect();
        let outcome = self.looking(verb.names(), |seen, now| pool.apply(actor, verb, seen, now));
        self.ended.append(&mut pool.ended);
        pool.known_ended.clear();
        self.pool = pool;
        if let Outcome::Granted(granted) = &outcome {
            self.take_seats(granted);
        }
        let held = &self.pool.reservations;
        self.seated.retain(|id, _| held.contains_key(id) || !self.dead.contains(&process(id.as_str()).pid));
        outcome
    }

    /// What one sees who acts for `own` (who does not see seats of its own).
    pub(super) fn looking<T>(
        &self,
        own: Option<&LeaseId>,
        look: impl FnOnce(&Seen<'_>, Timestamp) -> T,
    ) -> T {
        let here = here();
        let mut seats = BTreeMap::new();
        for (id, (uid, uuids)) in self.seated.iter().filter(|(id, _)| Some(*id) != own) {
            let seat = Seat::Taken { uid: *uid, pid: process(id.as_str()).pid, account: None };
            seats.extend(uuids.iter().map(|uuid| (uuid.clone(), seat.clone())));
        }
        let life = |identity: &Identity| {
            self.asked.set(self.asked.get() + 1);
            here.judge(identity, || {
                if self.dead.contains(&identity.pid) {
                    return Evidence::Gone;
                }
                Evidence::Running { start: Some(1), stopped: self.stopped.contains(&identity.pid) }
            })
        };
        let seen = Seen {
            here: &here,
            gpus: &self.gpus,
            owners: &self.owners,
            seats: &&seats,
            life: &life,
            threshold: Megabytes(1024),
        };
        look(&seen, self.now)
    }

    pub(super) fn claim(&mut self, uid: u32, request: Request) -> Outcome {
        self.apply(&user(uid), &Verb::Claim(request))
    }

    pub(super) fn granted(&mut self, uid: u32, request: Request) -> Reservation {
        match self.claim(uid, request) {
            Outcome::Granted(reservation) => reservation,
            other => panic!("not granted: {other:?}"),
        }
    }

    pub(super) fn waits(&mut self, uid: u32, request: Request) -> Standing {
        match self.claim(uid, request) {
            Outcome::Waiting(standing) => standing,
            other => panic!("does not wait: {other:?}"),
        }
    }

    pub(super) fn refused(&mut self, uid: u32, request: Request) -> Refusal {
        match self.claim(uid, request) {
            Outcome::Refused(refusal) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// The run of this name ends as its command does, and its supervisor leaves.
    pub(super) fn finish(&mut self, uid: u32, name: &str) -> Outcome {
        self.seated.remove(&id(name));
        self.apply(&user(uid), &Verb::Release { id: id(name), how: Ending::Exited { status: 0 } })
    }

    pub(super) fn sweep(&mut self) {
        assert_eq!(self.apply(&user(9), &Verb::Sweep), Outcome::Done);
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.now = self.now.after(span);
    }

    pub(super) fn kill(&mut self, name: &str) {
        self.dead.insert(process(name).pid);
        self.seated.remove(&id(name));
    }

    pub(super) fn stop(&mut self, name: &str) {
        self.stopped.insert(process(name).pid);
    }

    /// A process of `uid` starts to use a GPU.
    pub(super) fn use_gpu(&mut self, gpu: u32, uid: u32, name: &str) {
        let pid = process(name).pid;
        let process = Process {
            uid: Some(Uid(uid)),
            account: Some(format!("u{uid}")),
            name: name.to_owned(),
            start: Some(1),
            ..Process::unknown(pid)
        };
        self.owners.insert(pid, process);
        let found = GpuProcess { pid, memory: Some(Megabytes(4096)), context: Context::Compute };
        self.gpu(gpu).reading = Reading::Measured(Measured {
            used: Megabytes(4100),
            total: TOTAL,
            utilization: None,
            processes: vec![found],
        });
    }

    /// A process of `uid` uses a GPU beside those that do.
    pub(super) fn join_gpu(&mut self, gpu: u32, uid: u32, name: &str) {
        let before = self.gpu(gpu).reading.clone();
        self.use_gpu(gpu, uid, name);
        if let (Reading::Measured(now), Reading::Measured(before)) = (&mut self.gpu(gpu).reading, before) {
            now.processes.extend(before.processes);
        }
    }

    /// Root uses a GPU in a container of this name.
    pub(super) fn contain(&mut self, gpu: u32, name: &str) {
        self.use_gpu(gpu, 0, name);
        let process = self.owners.get_mut(&process(name).pid).expect("there");
        let (engine, id) = ("docker".into(), "0123456789abcdef".into());
        process.origin = Origin::Container { engine, id, name: Some(name.into()), host_uid: None };
    }

    pub(super) fn leave_gpu(&mut self, gpu: u32) {
        self.gpu(gpu).reading = idle();
    }

    /// Memory is used and nobody is seen to use it.
    pub(super) fn drain(&mut self, gpu: u32) {
        self.gpu(gpu).reading = measured(9000);
    }

    pub(super) fn lose_gpu(&mut self, gpu: u32) {
        self.gpu(gpu).reading = Reading::Unknown(Unknown::Lost);
    }

    pub(super) fn to_ring(&self, but: Option<&LeaseId>) -> Vec<LeaseId> {
        self.looking(None, |seen, now| plan::to_ring(&self.pool, Some(seen), now, but))
    }

    pub(super) fn line(&self) -> Vec<&str> {
        self.pool.waiters.iter().map(|waiter| waiter.id.as_str()).collect()
    }

    pub(super) fn held(&self, name: &str) -> &Reservation {
        &self.pool.reservations[&id(name)]
    }

    pub(super) fn endings(&self) -> Vec<(&str, &Ending)> {
        self.ended.iter().map(|ended| (ended.reservation.id.as_str(), &ended.how)).collect()
    }

    fn gpu(&mut self, gpu: u32) -> &mut GpuSeen {
        self.gpus.iter_mut().find(|seen| seen.device.uuid == uuid(gpu)).expect("there")
    }

    fn take_seats(&mut self, granted: &Reservation) {
        if granted.kind == Kind::Run
            && let Some(uid) = granted.holder.uid
        {
            let uuids = granted.gpus.iter().filter_map(|gpu| self.pool.slots[gpu].uuid.clone()).collect();
            self.seated.insert(granted.id.clone(), (uid, uuids));
        }
    }
}

fn idle() -> Reading {
    measured(45)
}

fn measured(used: u64) -> Reading {
    let processes = Vec::new();
    Reading::Measured(Measured { used: Megabytes(used), total: TOTAL, utilization: None, processes })
}

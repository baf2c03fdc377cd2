//! A host to look at, for the tests of this room: GPUs, holders, processes, built piece by piece.

use std::collections::BTreeMap;

use crate::model::device::Device;
use crate::model::ids::{GpuIndex, GpuUuid, LeaseId, Megabytes, Pid, Timestamp, Uid};
use crate::model::occupancy::{Claim, Doubt, Judged, Occupancy, Role, Usage};
use crate::model::pool::{Pool, Slot, SlotState};
use crate::model::process::Process;
use crate::model::reservation::{Holder, Kind, Reservation};
use crate::model::seen::{Context, GpuSeen, Measured, Reading, Slice, Unknown};

use super::StatusView;

/// The moment at which every scene is looked at.
pub(in crate::output) const NOW: Timestamp = Timestamp::from_seconds(1_795_445_468);

pub(in crate::output) const fn ago(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 - seconds * 1_000_000_000)
}

pub(in crate::output) fn holder(account: &str) -> Holder {
    Holder { uid: Some(Uid(1000)), account: account.into(), login: None, label: None }
}

pub(in crate::output) fn run(account: &str) -> Reservation {
    Reservation {
        started: ago(930),
        heartbeat: ago(5),
        command: vec!["python3".into(), "train.py".into()],
        ..Reservation::bare("0d5c", holder(account), &[0])
    }
}

/// From an hour ago for four hours.
pub(in crate::output) fn manual(account: &str) -> Reservation {
    Reservation {
        kind: Kind::Manual,
        started: ago(3735),
        expiry: Some(ago(-11_745)),
        command: Vec::new(),
        ..run(account)
    }
}

pub(in crate::output) fn process(pid: i32, account: &str, name: &str) -> Judged {
    let process = Process {
        uid: Some(Uid(1001)),
        account: Some(account.into()),
        name: name.into(),
        command: vec![name.into()],
        ..Process::unknown(Pid(pid))
    };
    Judged {
        process,
        memory: Some(Megabytes(512)),
        context: Context::Compute,
        slice: None,
        role: Role::Unreserved,
    }
}

pub(in crate::output) fn as_role(role: Role, judged: Judged) -> Judged {
    Judged { role, ..judged }
}

pub(in crate::output) const fn idle(used: u64) -> Usage {
    Usage::Idle { used: Megabytes(used) }
}

pub(in crate::output) const fn in_use(used: u64) -> Usage {
    Usage::InUse { used: Megabytes(used) }
}

/// A pool and what is seen of it, growing by one GPU a call.
#[derive(Default)]
pub(in crate::output) struct Scene {
    pool: Pool,
    occupancies: BTreeMap<GpuIndex, Occupancy>,
    seen: Vec<GpuSeen>,
}

impl Scene {
    pub(in crate::output) fn nobodys(
        self,
        last_released: Option<Timestamp>,
        usage: Usage,
        on: Vec<Judged>,
    ) -> Self {
        self.gpu(Claim::Nobody { last_released, past: None }, usage, on)
    }

    pub(in crate::output) fn held(mut self, reservation: Reservation, usage: Usage, on: Vec<Judged>) -> Self {
        let id = LeaseId(format!("{}-{}", reservation.id, self.seen.len()));
        self.pool.reservations.insert(id.clone(), Reservation { id: id.clone(), ..reservation });
        self.gpu(Claim::Reserved { id, doubt: None }, usage, on)
    }

    pub(in crate::output) fn gpu(mut self, claim: Claim, usage: Usage, processes: Vec<Judged>) -> Self {
        let index = self.seen.len();
        let gpu = GpuIndex(u32::try_from(index).unwrap());
        let uuid = GpuUuid(format!("GPU-{index}"));
        let used = match usage {
            Usage::Idle { used } | Usage::Draining { used } | Usage::InUse { used } => Some(used),
            Usage::Unknown(_) => None,
        };
        let device = Device {
            uuid: uuid.clone(),
            index: gpu,
            name: Some("NVIDIA H100".into()),
            memory: Some(Megabytes(81_559)),
        };
        let reading = match (&usage, used) {
            (Usage::Unknown(why), _) => Reading::Unknown(why.clone()),
            (_, used) => Reading::Measured(Measured {
                used: used.unwrap_or_default(),
                total: Megabytes(81_559),
                utilization: Some(u32::try_from(index * 30 % 101).unwrap()),
                processes: Vec::new(),
            }),
        };
        self.seen.push(GpuSeen { device, reading });
        let state = SlotState::Free { last_released: None, past: None };
        self.pool.slots.insert(gpu, Slot { uuid: Some(uuid), state });
        self.occupancies.insert(gpu, Occupancy { gpu, claim, usage, processes });
        self
    }

    /// A GPU in multi-instance mode with these slices.
    pub(in crate::output) fn sliced(self, slices: Vec<Slice>, on: Vec<Judged>) -> Self {
        let mut scene = self.nobodys(None, Usage::Unknown(Unknown::Mig), on);
        if let Some(gpu) = scene.seen.last_mut() {
            gpu.reading = Reading::Sliced(slices);
        }
        scene
    }

    /// Casts doubt on every reservation.
    pub(in crate::output) fn doubt(&mut self, why: Doubt) {
        for occupancy in self.occupancies.values_mut() {
            if let Claim::Reserved { doubt, .. } = &mut occupancy.claim {
                *doubt = Some(why.clone());
            }
        }
    }

    pub(in crate::output) fn view(&self) -> StatusView {
        StatusView::new(&self.pool, &self.occupancies, &self.seen, NOW)
    }
}

/// A bit of everything.
pub(in crate::output) fn busy_host() -> Scene {
    let noted = Reservation { note: Some("llama ablation".into()), ..run("alice") };
    let mut served = as_role(Role::Holder, process(4001, "alice", "VLLM::EngineCore"));
    served.process.model = Some("meta-llama/Llama-3.1-8B".into());
    served.memory = Some(Megabytes(8450));
    Scene::default()
        .nobodys(Some(ago(1815)), idle(45), vec![])
        .held(noted, in_use(8452), vec![served])
        .nobodys(
            None,
            in_use(1024),
            vec![process(12_345, "bob", "python3"), process(67_890, "bob", "jupyter")],
        )
        .held(manual("charlie"), idle(1), vec![])
        .held(
            run("dora"),
            in_use(30_000),
            vec![
                as_role(Role::Holder, process(5001, "dora", "torchrun")),
                as_role(Role::Intruder, process(5002, "bob", "python3")),
            ],
        )
        .gpu(
            Claim::Nobody { last_released: None, past: None },
            Usage::Unknown(crate::model::seen::Unknown::NoAnswer { seconds: 5 }),
            vec![],
        )
}

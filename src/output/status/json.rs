//! `chg status --json`: the Go program's array, field for field, with more fields. Pure. Names stay exact here.

use serde::Serialize;

use crate::model::ids::{GpuIndex, Timestamp};
use crate::model::occupancy::{Judged, Role};
use crate::model::process::{Origin, Through};
use crate::model::reservation::{Kind, Reservation};

use super::super::clock::{full, rfc3339};
use super::super::people;
use super::lines::{memory_of, validation};
use super::table::ending;
use super::{Condition, GpuView, StatusView};

/// One GPU. The fields up to `error` are the Go program's, in its order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct GpuJson {
    gpu_id: GpuIndex,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    details: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_released: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_heartbeat: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_time: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreserved_users: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_info: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_used_mb: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_total_mb: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    utilization: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mig_slices: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reservation: Option<ReservationJson>,
    processes: Vec<ProcessJson>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct ModelJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    model: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct ReservationJson {
    id: String,
    uid: Option<u32>,
    command: Vec<String>,
    /// The command's process; its launcher's until it has one.
    pid: Option<i32>,
    started: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct ProcessJson {
    pid: i32,
    uid: Option<u32>,
    user: Option<String>,
    name: String,
    command: Vec<String>,
    memory_mb: Option<u64>,
    /// The UUID of the MIG instance that it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    slice: Option<String>,
    started: Option<String>,
    /// Who logged in, where it is another account.
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<String>,
    origin: Option<OriginJson>,
    /// What the person works through.
    #[serde(skip_serializing_if = "Option::is_none")]
    through: Option<&'static str>,
    role: &'static str,
    /// The reservation that an orphan is left over from.
    #[serde(skip_serializing_if = "Option::is_none")]
    orphan_of: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum OriginJson {
    Container {
        engine: String,
        id: String,
        name: Option<String>,
        host_uid: Option<u32>,
    },
    /// Of Slurm.
    Job {
        id: String,
    },
    Service {
        unit: String,
    },
    Session {
        uid: u32,
        id: String,
    },
}

/// An object per GPU.
pub(crate) fn json(view: &StatusView) -> Vec<GpuJson> {
    view.gpus.iter().map(|gpu| GpuJson::new(gpu, view.now)).collect()
}

impl GpuJson {
    fn new(gpu: &GpuView, now: Timestamp) -> Self {
        let condition = Condition::of(gpu);
        let held = gpu.reservation.as_ref();
        let without_right = without_right(gpu, &condition);
        Self {
            gpu_id: gpu.index,
            status: status(&condition),
            user: held.map(|reservation| people::exact_holder(&reservation.holder)),
            duration: held.map(|reservation| full(now.since(reservation.started))),
            kind: held.map(|reservation| kind(reservation.kind)),
            note: gpu.note().map(ToOwned::to_owned),
            details: details(gpu, &condition, now),
            validation: validated(gpu, &condition),
            model: gpu.model().map(ModelJson::new),
            gpu_model: gpu.device.as_ref().and_then(|device| device.name.clone()),
            last_released: gpu.last_released().map(rfc3339),
            last_heartbeat: held.filter(|r| r.kind == Kind::Run).map(|r| rfc3339(r.heartbeat)),
            expiry_time: held.and_then(|reservation| reservation.expiry).map(rfc3339),
            unreserved_users: users_without_right(&condition, &without_right),
            process_info: process_info(gpu, &condition, &without_right),
            error: error(&condition),
            uuid: gpu.uuid.as_ref().map(ToString::to_string),
            memory_used_mb: gpu.used().map(|memory| memory.0),
            memory_total_mb: gpu.device.as_ref().and_then(|device| device.memory).map(|memory| memory.0),
            utilization: gpu.measured.as_ref().and_then(|measured| measured.utilization),
            mig_slices: gpu
                .slices
                .iter()
                .map(|slice| format!("{} ({})", slice.profile, slice.uuid))
                .collect(),
            reservation: held.map(ReservationJson::new),
            processes: gpu.occupancy.processes.iter().map(ProcessJson::new).collect(),
        }
    }
}

/// Draining has no word of its own there; what matters to a script is that the GPU cannot be had.
const fn status(condition: &Condition) -> &'static str {
    match condition {
        Condition::Available => "AVAILABLE",
        Condition::Reserved | Condition::Draining => "IN_USE",
        Condition::Unreserved | Condition::Seated { .. } => "UNRESERVED",
        Condition::False(_) | Condition::Unknown(_) => "ERROR",
    }
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Run => "RUN",
        Kind::Manual => "MANUAL",
    }
}

fn details(gpu: &GpuView, condition: &Condition, now: Timestamp) -> String {
    match condition {
        Condition::Available => gpu
            .last_released()
            .map_or("never used".to_owned(), |moment| format!("free for {}", full(now.since(moment)))),
        Condition::Draining => "draining".to_owned(),
        Condition::Reserved => gpu.reservation.as_ref().map_or(String::new(), |r| ending(r, now)),
        Condition::Unreserved | Condition::Seated { .. } => "WITHOUT RESERVATION".to_owned(),
        Condition::False(_) | Condition::Unknown(_) => error(condition).unwrap_or_default(),
    }
}

fn error(condition: &Condition) -> Option<String> {
    match condition {
        Condition::False(why) => Some(format!("false record: {why}")),
        Condition::Unknown(why) => Some(why.clone()),
        _ => None,
    }
}

fn validated(gpu: &GpuView, condition: &Condition) -> Option<String> {
    match condition {
        Condition::Available | Condition::Draining => gpu.used().map(|used| format!("{used} used")),
        Condition::Reserved | Condition::False(_) => Some(validation(gpu, "no usage detected")),
        Condition::Unreserved | Condition::Seated { .. } | Condition::Unknown(_) => None,
    }
}

/// The processes that have no right to the GPU.
fn without_right<'a>(gpu: &'a GpuView, condition: &Condition) -> Vec<&'a Judged> {
    match condition {
        Condition::Unreserved | Condition::Seated { .. } => gpu.users(),
        _ => gpu.intruders(),
    }
}

fn users_without_right(condition: &Condition, processes: &[&Judged]) -> Vec<String> {
    match condition {
        Condition::Seated { user, .. } => user.iter().cloned().collect(),
        _ => people::exact_owners(processes.iter().copied()),
    }
}

fn process_info(gpu: &GpuView, condition: &Condition, processes: &[&Judged]) -> Option<String> {
    match condition {
        Condition::Unreserved => Some(people::used_by(gpu.used(), processes)),
        Condition::Seated { holder, .. } => Some(format!("seat held by {holder}")),
        _ if processes.is_empty() => None,
        _ => Some(people::used_by(memory_of(processes), processes)),
    }
}

impl ModelJson {
    fn new(model: &str) -> Self {
        let provider = model.split_once('/').map(|(provider, _)| provider.to_owned());
        Self { provider: provider.filter(|provider| !provider.is_empty()), model: model.to_owned() }
    }
}

impl ReservationJson {
    fn new(reservation: &Reservation) -> Self {
        let process = reservation.child.as_ref().or(reservation.launcher.as_ref());
        Self {
            id: reservation.id.to_string(),
            uid: reservation.holder.uid.map(|uid| uid.0),
            command: reservation.command.clone(),
            pid: process.map(|identity| identity.pid.0),
            started: rfc3339(reservation.started),
        }
    }
}

impl ProcessJson {
    fn new(judged: &Judged) -> Self {
        let process = &judged.process;
        let (role, orphan_of) = role(&judged.role);
        Self {
            pid: process.pid.0,
            uid: process.uid.map(|uid| uid.0),
            user: people::exact_owners([judged]).pop(),
            name: process.name.clone(),
            command: process.command.clone(),
            memory_mb: judged.memory.map(|memory| memory.0),
            slice: judged.slice.clone(),
            started: process.started.map(rfc3339),
            login: process.other_login().map(|login| process.account_of(login, str::to_owned)),
            origin: OriginJson::new(&process.origin),
            through: process.through.map(Through::as_str),
            role,
            orphan_of,
        }
    }
}

fn role(role: &Role) -> (&'static str, Option<String>) {
    match role {
        Role::Holder => ("holder", None),
        Role::HolderOutside => ("holder_outside", None),
        Role::Intruder => ("intruder", None),
        Role::Unattributed => ("unattributed", None),
        Role::System => ("system", None),
        Role::Unreserved => ("unreserved", None),
        Role::Orphan { of } => ("orphan", Some(of.to_string())),
    }
}

impl OriginJson {
    fn new(origin: &Origin) -> Option<Self> {
        match origin.clone() {
            Origin::Unknown => None,
            Origin::Container { engine, id, name, host_uid } => {
                Some(Self::Container { engine, id, name, host_uid: host_uid.map(|uid| uid.0) })
            }
            Origin::Job { id } => Some(Self::Job { id }),
            Origin::Service { unit } => Some(Self::Service { unit }),
            Origin::Session { uid, id } => Some(Self::Session { uid: uid.0, id }),
        }
    }
}

//! One line of the history: a GPU of a reservation that is over. The Go program shares the first fields and has one
//! line a GPU, so a reservation of two GPUs is read back as two, each with one GPU.

use serde::{Deserialize, Serialize};

use super::fields::{Accounts, Names, filled, moment};
use super::gpu::go_id;
use super::moment::Rfc3339;
use crate::model::ids::{GpuIndex, LeaseId, Timestamp, Uid};
use crate::model::reservation::{Author, Ended, Ending, Kind, Reservation, UntilExit};

#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    names: Names,
    gpu_id: GpuIndex,
    start_time: Rfc3339,
    end_time: Rfc3339,
    duration_seconds: f64,
    reservation_type: &'static str,
    id: &'a LeaseId,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    how: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Uid>,
}

/// The lines of a reservation that ended, one a GPU. The command and the processes are not kept.
pub(in crate::store) fn write(ended: &Ended) -> Vec<String> {
    let held = &ended.reservation;
    let (how, status, by) = match ended.how {
        Ending::Exited { status } => ("exited", Some(status), None),
        Ending::Released => ("released", None, None),
        Ending::Expired => ("expired", None, None),
        Ending::SupervisorGone => ("supervisor-gone", None, None),
        Ending::AdoptedExited => ("adopted-exited", None, None),
        Ending::Revoked { by } => ("revoked", None, Some(by)),
    };
    let line = |gpu: &GpuIndex| {
        let written = Written {
            names: Names::ours(&held.holder),
            gpu_id: *gpu,
            start_time: Rfc3339(held.started),
            end_time: Rfc3339(ended.at),
            duration_seconds: ended.at.since(held.started).as_secs_f64(),
            reservation_type: held.kind.as_str(),
            id: &held.id,
            note: held.note.as_deref().and_then(filled),
            how,
            status,
            by,
        };
        // No map with keys that are not text and no failing serialiser: nothing that can fail.
        serde_json::to_string(&written).unwrap_or_default()
    };
    held.gpus.iter().map(line).collect()
}

#[derive(Deserialize)]
struct Read {
    user: Option<String>,
    actual_user: Option<String>,
    gpu_id: GpuIndex,
    #[serde(default, deserialize_with = "moment")]
    start_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    end_time: Option<Timestamp>,
    reservation_type: Option<String>,
    id: Option<LeaseId>,
    uid: Option<Uid>,
    login: Option<String>,
    label: Option<String>,
    note: Option<String>,
    how: Option<String>,
    status: Option<i32>,
    by: Option<Uid>,
}

/// Reads a line; `None` for one that makes no sense. What the Go program wrote counts as released: it does not say.
pub(in crate::store) fn read(bytes: &[u8], accounts: &mut dyn Accounts) -> Option<Ended> {
    let read: Read = serde_json::from_slice(bytes).ok()?;
    let (started, at) = (read.start_time?, read.end_time?);
    let names = Names {
        user: read.user,
        actual_user: read.actual_user,
        uid: read.uid,
        login: read.login,
        label: read.label,
    };
    let (id, author, holder) = match read.id {
        Some(id) if id.0.starts_with("go:") => (id, Author::Go, names.holder()),
        Some(id) => (id, Author::Ours, names.holder()),
        None => (go_id(read.gpu_id, started), Author::Go, names.go_holder(accounts)),
    };
    let how = match read.how.as_deref() {
        Some("exited") => Ending::Exited { status: read.status.unwrap_or_default() },
        Some("expired") => Ending::Expired,
        Some("supervisor-gone") => Ending::SupervisorGone,
        Some("adopted-exited") => Ending::AdoptedExited,
        Some("revoked") => Ending::Revoked { by: read.by.unwrap_or(Uid::OVERFLOW) },
        _ => Ending::Released,
    };
    let reservation = Reservation {
        id,
        gpus: vec![read.gpu_id],
        holder,
        kind: if read.reservation_type.as_deref() == Some("manual") { Kind::Manual } else { Kind::Run },
        author,
        started,
        heartbeat: at,
        expiry: None,
        note: read.note,
        command: Vec::new(),
        launcher: None,
        child: None,
        network_namespace: None,
        adopted: Vec::new(),
        until_exit: UntilExit::No,
    };
    Some(Ended { reservation, at, how })
}

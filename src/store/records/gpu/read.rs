//! The record of a GPU as either program writes it, with what is missing or null taken as absent.

use serde::Deserialize;

use super::{Says, go_id};
use crate::model::identity::Identity;
use crate::model::ids::{GpuIndex, GpuUuid, LeaseId, Timestamp, Uid};
use crate::model::reservation::{Author, Holder, Kind, Past, Reservation, UntilExit};
use crate::store::records::fields::{Accounts, Names, filled, join, moment};

/// The fields as read: either form of time, null as absent.
#[derive(Debug, Deserialize)]
struct Read {
    user: Option<String>,
    actual_user: Option<String>,
    #[serde(default, deserialize_with = "moment")]
    start_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    last_heartbeat: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    expiry_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    last_released: Option<Timestamp>,
    #[serde(rename = "type")]
    kind: Option<String>,
    note: Option<String>,
    partial_queue_id: Option<String>,
    id: Option<LeaseId>,
    uid: Option<Uid>,
    login: Option<String>,
    label: Option<String>,
    uuid: Option<GpuUuid>,
    launcher: Option<Identity>,
    child: Option<Identity>,
    netns: Option<u64>,
    command: Option<Vec<String>>,
    adopted: Option<Vec<Identity>>,
    until_exit: Option<bool>,
    start_ns: Option<u32>,
    heartbeat_ns: Option<u32>,
    expiry_ns: Option<u32>,
    past: Option<PastRead>,
}

#[derive(Debug, Deserialize)]
struct PastRead {
    id: LeaseId,
    uid: Option<Uid>,
    account: Option<String>,
    login: Option<String>,
    label: Option<String>,
    #[serde(default, deserialize_with = "moment")]
    started: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    ended: Option<Timestamp>,
}

/// Reads the record of `gpu`, with the UUID that it names.
///
/// # Errors
/// Says what is wrong with it.
pub(in crate::store::records) fn read(
    bytes: &[u8],
    gpu: GpuIndex,
    accounts: &mut dyn Accounts,
) -> Result<(Says, Option<GpuUuid>), String> {
    let mut read: Read = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let uuid = read.uuid.take().filter(|uuid| !uuid.0.is_empty());
    let is = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    // To the Go program's scripts a user is what makes a GPU held; a partial grant of a waiter of its is held too.
    if is(&read.user) || is(&read.partial_queue_id) {
        return Ok((Says::Held(Box::new(read.reservation(gpu, accounts)?)), uuid));
    }
    let past = read.past.and_then(PastRead::past);
    Ok((Says::Free { last_released: read.last_released, past }, uuid))
}

impl Read {
    fn reservation(self, gpu: GpuIndex, accounts: &mut dyn Accounts) -> Result<Reservation, String> {
        let kind = match self.kind.as_deref() {
            Some("run") => Kind::Run,
            Some("manual") => Kind::Manual,
            None | Some("") if self.expiry_time.is_some() => Kind::Manual,
            None | Some("") => Kind::Run,
            Some(other) => return Err(format!("unknown type '{}'", other.escape_debug())),
        };
        let started = self.start_time.ok_or("no start_time")?;
        let names = Names {
            user: self.user,
            actual_user: self.actual_user,
            uid: self.uid,
            login: self.login,
            label: self.label,
        };
        let (id, author, holder) = match self.id.filter(|id| !id.0.is_empty()) {
            Some(id) => (id, Author::Ours, names.holder()),
            None => (go_id(gpu, started), Author::Go, names.go_holder(accounts)),
        };
        let started = join(started, self.start_ns);
        Ok(Reservation {
            id,
            gpus: vec![gpu],
            holder,
            kind,
            author,
            started,
            heartbeat: self.last_heartbeat.map_or(started, |at| join(at, self.heartbeat_ns)),
            expiry: self.expiry_time.map(|at| join(at, self.expiry_ns)),
            note: self.note.as_deref().and_then(filled),
            command: self.command.unwrap_or_default(),
            launcher: self.launcher,
            child: self.child,
            network_namespace: self.netns,
            adopted: self.adopted.unwrap_or_default(),
            until_exit: if self.until_exit == Some(true) { UntilExit::Yes } else { UntilExit::No },
        })
    }
}

impl PastRead {
    fn past(self) -> Option<Past> {
        let account = self.account.unwrap_or_default();
        let holder = Holder { uid: self.uid, account, login: self.login, label: self.label };
        Some(Past { id: self.id, holder, started: self.started?, ended: self.ended? })
    }
}

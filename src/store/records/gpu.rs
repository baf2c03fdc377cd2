//! The record `gpu:{index}`: a GPU that is held, or free and when it was last released. The Go program shares the
//! first fields; those without a value are left out.

use serde::{Deserialize, Serialize};

use super::fields::{Accounts, Names, filled, join, moment, split, with_unknown};
use super::moment::Rfc3339;
use crate::model::identity::Identity;
use crate::model::ids::{GpuIndex, GpuUuid, LeaseId, Timestamp, Uid};
use crate::model::reservation::{Author, Holder, Kind, Past, Reservation, UntilExit};

/// Every field that is written or dropped by rule; all others are kept as they are.
const KNOWN: &[&str] = &[
    "user",
    "actual_user",
    "start_time",
    "last_heartbeat",
    "type",
    "expiry_time",
    "note",
    "last_released",
    "id",
    "uid",
    "login",
    "label",
    "uuid",
    "gpus",
    "launcher",
    "child",
    "netns",
    "command",
    "adopted",
    "until_exit",
    "start_ns",
    "heartbeat_ns",
    "expiry_ns",
    "past",
];

/// What a record says of its GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Says {
    Free { last_released: Option<Timestamp>, past: Option<Past> },
    Held(Box<Reservation>),
}

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
pub(super) fn read(
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

/// How a reservation of the Go program is called. Whole seconds: it rewrites its records with and without a fraction.
pub(super) fn go_id(gpu: GpuIndex, started: Timestamp) -> LeaseId {
    LeaseId(format!("go:{gpu}:{}", started.seconds()))
}

#[derive(Serialize, Default)]
struct HeldWritten<'a> {
    #[serde(flatten)]
    names: Names,
    start_time: i64,
    last_heartbeat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_time: Option<i64>,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(flatten)]
    ours: Option<Ours<'a>>,
}

/// What only this program writes into the record of a held GPU.
#[derive(Serialize)]
struct Ours<'a> {
    id: &'a LeaseId,
    gpus: &'a [GpuIndex],
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<&'a GpuUuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    launcher: Option<&'a Identity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    child: Option<&'a Identity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    netns: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    command: &'a [String],
    #[serde(skip_serializing_if = "<[Identity]>::is_empty")]
    adopted: &'a [Identity],
    #[serde(skip_serializing_if = "Option::is_none")]
    until_exit: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_ns: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_ns: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_ns: Option<u32>,
}

#[derive(Serialize)]
struct FreeWritten<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    last_released: Option<Rfc3339>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<&'a GpuUuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    past: Option<PastWritten<'a>>,
}

#[derive(Serialize)]
struct PastWritten<'a> {
    id: &'a LeaseId,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<Uid>,
    #[serde(skip_serializing_if = "str::is_empty")]
    account: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    started: Rfc3339,
    ended: Rfc3339,
}

/// Writes the record of a held GPU. `original` is the record of the same reservation, if there was one.
pub(super) fn write_held(held: &Reservation, uuid: Option<&GpuUuid>, original: Option<&[u8]>) -> Vec<u8> {
    let (start_time, start_ns) = split(held.started);
    let (last_heartbeat, heartbeat_ns) = split(held.heartbeat);
    let (expiry_time, expiry_ns) = held.expiry.map(split).unzip();
    let ours = Ours {
        id: &held.id,
        gpus: &held.gpus,
        uuid,
        launcher: held.launcher.as_ref(),
        child: held.child.as_ref(),
        netns: held.network_namespace,
        command: &held.command,
        adopted: &held.adopted,
        until_exit: (held.until_exit == UntilExit::Yes).then_some(true),
        start_ns,
        heartbeat_ns,
        expiry_ns: expiry_ns.flatten(),
    };
    let (names, ours) = match held.author {
        Author::Ours => (Names::ours(&held.holder), Some(ours)),
        Author::Go => (Names::go(&held.holder), None),
    };
    let note = held.note.as_deref().and_then(filled);
    let kind = held.kind.as_str();
    let record = HeldWritten { names, start_time, last_heartbeat, expiry_time, kind, note, ours };
    with_unknown(&record, original, KNOWN)
}

/// Writes the record of a free GPU; `None` for one that was never used, which has no record. `original` is the
/// record of the same GPU when it was free already.
pub(super) fn write_free(
    last_released: Option<Timestamp>,
    past: Option<&Past>,
    uuid: Option<&GpuUuid>,
    original: Option<&[u8]>,
) -> Option<Vec<u8>> {
    if last_released.is_none() && past.is_none() && original.is_none() {
        return None;
    }
    let past = past.map(|past| PastWritten {
        id: &past.id,
        uid: past.holder.uid,
        account: &past.holder.account,
        login: past.holder.login.as_deref(),
        label: past.holder.label.as_deref(),
        started: Rfc3339(past.started),
        ended: Rfc3339(past.ended),
    });
    let record = FreeWritten { last_released: last_released.map(Rfc3339), uuid, past };
    Some(with_unknown(&record, original, KNOWN))
}

//! The record of a GPU as the Go program's scripts want it: whole seconds where it is held, RFC 3339 where it is free,
//! and what only this program knows beside it.

use serde::Serialize;

use crate::model::identity::Identity;
use crate::model::ids::{GpuIndex, GpuUuid, LeaseId, Timestamp, Uid};
use crate::model::reservation::{Author, Past, Reservation, UntilExit};
use crate::store::records::fields::{Names, filled, split, with_unknown};
use crate::store::records::moment::Rfc3339;

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
pub(in crate::store::records) fn write_held(
    held: &Reservation,
    uuid: Option<&GpuUuid>,
    original: Option<&[u8]>,
) -> Vec<u8> {
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
pub(in crate::store::records) fn write_free(
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

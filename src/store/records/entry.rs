//! The record `queue:entry:{id}`: somebody in line. The Go program shares all fields but `demand`, `client` and the
//! holder's.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fields::{Accounts, Names, filled, moment, with_unknown};
use super::moment::Rfc3339;
use crate::model::identity::Identity;
use crate::model::ids::{GpuIndex, LeaseId, Timestamp, Uid};
use crate::model::request::{Demand, InUse};
use crate::model::reservation::{Author, Kind};
use crate::model::waiter::Waiter;

/// Every field that is written by rule; all others are kept as they are.
const KNOWN: &[&str] = &[
    "id",
    "user",
    "actual_user",
    "requested_count",
    "requested_ids",
    "allocated_gpus",
    "reservation_type",
    "expiry_duration",
    "note",
    "enqueue_time",
    "last_heartbeat",
    "wait_timeout",
    "uid",
    "login",
    "label",
    "demand",
    "in_use",
    "share",
    "client",
];

/// The demand as this program writes it beside the Go program's count and ids; its presence marks an entry as ours.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DemandField {
    Count(NonZeroU32),
    Exactly(Vec<GpuIndex>),
    AllFree,
}

/// Set where a request takes GPUs in unreserved use as well.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum InUseField {
    Adopt,
}

#[derive(Debug, Deserialize)]
struct Read {
    user: Option<String>,
    actual_user: Option<String>,
    requested_count: Option<u32>,
    requested_ids: Option<Vec<GpuIndex>>,
    allocated_gpus: Option<Vec<GpuIndex>>,
    reservation_type: Option<String>,
    /// Nanoseconds.
    expiry_duration: Option<i64>,
    note: Option<String>,
    #[serde(default, deserialize_with = "moment")]
    enqueue_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    last_heartbeat: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    wait_timeout: Option<Timestamp>,
    uid: Option<Uid>,
    login: Option<String>,
    label: Option<String>,
    demand: Option<DemandField>,
    in_use: Option<InUseField>,
    share: Option<NonZeroU32>,
    client: Option<Identity>,
}

/// Reads the entry of the member `id` of the queue; `score` is its place where the entry does not tell.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn read(
    bytes: &[u8],
    id: &str,
    score: Timestamp,
    accounts: &mut dyn Accounts,
) -> Result<Waiter, String> {
    let read: Read = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let kind = match read.reservation_type.as_deref() {
        Some("run") => Kind::Run,
        Some("manual") => Kind::Manual,
        _ => return Err("unknown reservation_type".to_owned()),
    };
    let names = Names {
        user: read.user,
        actual_user: read.actual_user,
        uid: read.uid,
        login: read.login,
        label: read.label,
    };
    let (demand, author, holder) = match read.demand {
        Some(demand) => (demand.demand(), Author::Ours, names.holder()),
        None => (go_demand(read.requested_count, read.requested_ids), Author::Go, names.go_holder(accounts)),
    };
    let enqueued = read.enqueue_time.unwrap_or(score);
    Ok(Waiter {
        id: LeaseId(id.to_owned()),
        holder,
        demand: demand.ok_or("it asks for nothing")?,
        in_use: read.in_use.map_or(InUse::Avoid, |InUseField::Adopt| InUse::Adopt),
        share: read.share,
        kind,
        lasts: read
            .expiry_duration
            .and_then(|nanos| u64::try_from(nanos).ok())
            .filter(|nanos| *nanos > 0)
            .map(Duration::from_nanos),
        note: read.note.as_deref().and_then(filled),
        enqueued,
        looked: read.last_heartbeat.unwrap_or(enqueued),
        give_up: read.wait_timeout,
        client: read.client,
        author,
        allocated: read.allocated_gpus.unwrap_or_default(),
    })
}

impl DemandField {
    fn of(demand: &Demand) -> Self {
        match demand {
            Demand::Count(count) => Self::Count(*count),
            Demand::Exactly(gpus) => Self::Exactly(gpus.clone()),
            Demand::AllFree => Self::AllFree,
        }
    }

    fn demand(self) -> Option<Demand> {
        match self {
            Self::Count(count) => Some(Demand::Count(count)),
            Self::Exactly(gpus) => exactly(gpus),
            Self::AllFree => Some(Demand::AllFree),
        }
    }
}

/// Ids go before a count, as in the Go program.
fn go_demand(count: Option<u32>, ids: Option<Vec<GpuIndex>>) -> Option<Demand> {
    exactly(ids.unwrap_or_default()).or_else(|| count.and_then(NonZeroU32::new).map(Demand::Count))
}

fn exactly(mut gpus: Vec<GpuIndex>) -> Option<Demand> {
    gpus.sort_unstable();
    gpus.dedup();
    (!gpus.is_empty()).then_some(Demand::Exactly(gpus))
}

#[derive(Serialize)]
struct Written<'a> {
    id: &'a LeaseId,
    #[serde(flatten)]
    names: Names,
    requested_count: u32,
    #[serde(skip_serializing_if = "<[GpuIndex]>::is_empty")]
    requested_ids: &'a [GpuIndex],
    /// Never absent in the Go program's own.
    allocated_gpus: &'a [GpuIndex],
    reservation_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    enqueue_time: Rfc3339,
    last_heartbeat: Rfc3339,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_timeout: Option<Rfc3339>,
    #[serde(skip_serializing_if = "Option::is_none")]
    demand: Option<DemandField>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_use: Option<InUseField>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a Identity>,
}

/// Writes the entry of `waiter`, with the unknown fields of `original`.
pub(super) fn write(waiter: &Waiter, original: Option<&[u8]>) -> Vec<u8> {
    let (requested_count, requested_ids) = match &waiter.demand {
        Demand::Count(count) => (count.get(), &[][..]),
        Demand::Exactly(gpus) => (u32::try_from(gpus.len()).unwrap_or(u32::MAX), gpus.as_slice()),
        Demand::AllFree => (1, &[][..]),
    };
    let (names, demand) = match waiter.author {
        Author::Ours => (Names::ours(&waiter.holder), Some(DemandField::of(&waiter.demand))),
        Author::Go => (Names::go(&waiter.holder), None),
    };
    let written = Written {
        id: &waiter.id,
        names,
        requested_count,
        requested_ids,
        allocated_gpus: &waiter.allocated,
        reservation_type: waiter.kind.as_str(),
        // The Go program reads it as a signed number of nanoseconds.
        expiry_duration: waiter
            .lasts
            .map(|lasts| i64::try_from(lasts.as_nanos()).unwrap_or(i64::MAX).unsigned_abs()),
        note: waiter.note.as_deref().and_then(filled),
        enqueue_time: Rfc3339(waiter.enqueued),
        last_heartbeat: Rfc3339(waiter.looked),
        wait_timeout: waiter.give_up.map(Rfc3339),
        demand,
        in_use: (waiter.in_use == InUse::Adopt).then_some(InUseField::Adopt),
        share: waiter.share,
        client: waiter.client.as_ref(),
    };
    with_unknown(&written, original, KNOWN)
}

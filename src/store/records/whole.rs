//! What concerns the pool as a whole: `gpu_count` and `provider`, shared with the Go program, and `pool`, which is
//! this program's own: which pool it is, who made it, which GPUs it is bound to, how they are ranked.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Cell;
use super::fields::with_unknown;
use crate::model::device::Provider;
use crate::model::ids::{GpuIndex, GpuUuid, Uid};
use crate::model::pool::{Pool, Slot};
use crate::model::record::PoolRecord;
use crate::model::strategy::Strategy;

const KNOWN: &[&str] = &["id", "owner", "strategy", "gpus", "members"];

/// More than any host has: a larger count is damage, not a pool.
const MOST_GPUS: u32 = 1024;

/// The record `pool`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct Whole {
    #[serde(default)]
    pub(super) id: String,
    /// Who made the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store) owner: Option<Uid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    strategy: Option<String>,
    /// Index → UUID, as far as it is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    gpus: BTreeMap<GpuIndex, GpuUuid>,
    /// The pool's GPUs where they are not simply the first ones, which is all that `gpu_count` can say.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    members: BTreeSet<GpuIndex>,
}

impl Whole {
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn read(pool: &Cell) -> Result<Self, String> {
        match pool {
            Cell::Absent => Ok(Self::default()),
            Cell::Unreadable(why) => Err(why.clone()),
            Cell::Bytes(bytes) => serde_json::from_slice(bytes).map_err(|error| error.to_string()),
        }
    }

    pub(super) fn strategy(&self) -> Strategy {
        if self.strategy.as_deref() == Some("affinity") { Strategy::Affinity } else { Strategy::Lru }
    }

    pub(super) fn uuid(&self, gpu: GpuIndex) -> Option<&GpuUuid> {
        self.gpus.get(&gpu)
    }

    /// Which GPUs the pool has. The Go program's count goes first: its `admin` knows nothing of the rest.
    ///
    /// # Errors
    /// Says what is wrong with the count.
    pub(super) fn members(&self, gpu_count: &Cell) -> Result<BTreeSet<GpuIndex>, String> {
        let bytes = match gpu_count {
            Cell::Absent => return Ok(self.members.clone()),
            Cell::Unreadable(why) => return Err(why.clone()),
            Cell::Bytes(bytes) => bytes,
        };
        let count = std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse::<u32>().ok());
        match count {
            Some(count) if count <= MOST_GPUS => Ok((0..count).map(GpuIndex).collect()),
            _ => Err("not a number of GPUs".to_owned()),
        }
    }

    /// The GPUs that it names itself.
    pub(super) fn named(&self) -> BTreeSet<GpuIndex> {
        self.gpus.keys().chain(&self.members).copied().collect()
    }

    /// What the record says once the pool is as in `pool`, changed by `by`.
    pub(super) fn after(&self, before: &Pool, pool: &Pool, by: Uid) -> Self {
        let bound = |(gpu, slot): (&GpuIndex, &Slot)| Some((*gpu, slot.uuid.clone()?));
        let is_damaged = |pool: &Pool| pool.damaged.contains_key(&PoolRecord::Pool);
        let made = (before.provider.is_none() && pool.provider.is_some())
            || (is_damaged(before) && !is_damaged(pool));
        Self {
            id: pool.store_id.clone(),
            owner: if made { Some(by) } else { self.owner },
            strategy: match pool.strategy {
                // Perhaps one that a newer version knows by another name.
                same if same == self.strategy() => self.strategy.clone(),
                Strategy::Lru => None,
                Strategy::Affinity => Some("affinity".to_owned()),
            },
            gpus: pool.slots.iter().filter_map(bound).collect(),
            members: if is_first_ones(pool) { BTreeSet::new() } else { pool.slots.keys().copied().collect() },
        }
    }

    pub(super) fn differs_in_name_alone(&self, other: &Self) -> bool {
        *self == Self { id: self.id.clone(), ..other.clone() }
    }

    pub(super) fn write(&self, original: Option<&[u8]>) -> Vec<u8> {
        with_unknown(self, original, KNOWN)
    }
}

/// Whether `gpu_count` alone says which GPUs the pool has. Another choice is hidden from the Go program, which
/// would take GPUs that are not the pool's: without a count it says that the pool is not initialised.
fn is_first_ones(pool: &Pool) -> bool {
    pool.slots.keys().zip(0..).all(|(gpu, at)| gpu.0 == at)
}

/// `gpu_count` for `pool`.
pub(super) fn gpu_count(pool: &Pool) -> Option<Vec<u8>> {
    (!pool.slots.is_empty() && is_first_ones(pool)).then(|| pool.slots.len().to_string().into_bytes())
}

/// The provider of a pool that has GPUs. Pools from before there was a choice have no such record.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn provider(record: &Cell) -> Result<Provider, String> {
    match record {
        Cell::Absent => Ok(Provider::Nvidia),
        Cell::Unreadable(why) => Err(why.clone()),
        Cell::Bytes(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let unknown = || format!("'{}' is no provider that is known here", text.escape_debug());
            Provider::parse(text.trim()).ok_or_else(unknown)
        }
    }
}

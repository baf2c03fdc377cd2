//! Between the pool and its records, which are the same in every store and which the Go canhazgpu can read too. No
//! I/O: a backend hands over bytes and is handed back what to change.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ids::{GpuIndex, GpuUuid, Timestamp, Uid};
use crate::model::pool::{Pool, Slot, SlotState};
use crate::model::record::PoolRecord;
use crate::model::waiter::Waiter;

mod changes;
pub(in crate::store) mod ended;
mod entry;
mod fields;
mod gpu;
mod moment;
mod salvage;
#[cfg(test)]
mod tests;
mod whole;

pub(in crate::store) use changes::{Changes, EndedLines, Write, changes};
pub(in crate::store) use fields::Accounts;

/// The value of one key as it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::store) enum Cell {
    #[default]
    Absent,
    Bytes(Vec<u8>),
    /// There is something, but not a text.
    Unreadable(String),
}

impl Cell {
    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Absent | Self::Unreadable(_) => None,
        }
    }
}

/// One member of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Queued {
    pub(in crate::store) id: String,
    /// When it was enqueued, as precisely as the store keeps the order.
    pub(in crate::store) score: Timestamp,
    pub(in crate::store) entry: Cell,
}

/// The keys of the whole pool, enough to tell which GPUs it has.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Head {
    pub(in crate::store) gpu_count: Cell,
    pub(in crate::store) provider: Cell,
    pub(in crate::store) pool: Cell,
}

impl Head {
    /// Whose records a backend has to read.
    pub(in crate::store) fn members(&self) -> BTreeSet<GpuIndex> {
        let whole = whole::Whole::read(&self.pool).unwrap_or_default();
        whole.members(&self.gpu_count).unwrap_or_else(|_| whole.named())
    }

    /// Who made the pool, where that is known.
    pub(in crate::store) fn owner(&self) -> Option<Uid> {
        whole::Whole::read(&self.pool).ok()?.owner
    }
}

/// Everything that was read for one transaction.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Raw {
    pub(in crate::store) head: Head,
    pub(in crate::store) gpus: BTreeMap<GpuIndex, Cell>,
    pub(in crate::store) queue: Vec<Queued>,
    /// Records of many lines that cannot be read at all, and why.
    pub(in crate::store) damaged: BTreeMap<PoolRecord, String>,
}

/// A pool with the records it was read from.
#[derive(Debug)]
pub(in crate::store) struct Loaded {
    pub(in crate::store) pool: Pool,
    raw: Raw,
    whole: whole::Whole,
}

/// Makes the pool of its records. A damaged record of a GPU costs that GPU, a damaged entry of the queue that waiter;
/// what a damaged record of the whole pool said is told by the others, as far as they do. All stay as they are.
/// `candidate` names the pool if it has no name yet.
pub(in crate::store) fn load(raw: Raw, candidate: &str, accounts: &mut dyn Accounts) -> Loaded {
    let mut damaged = BTreeMap::new();
    let whole = sound(PoolRecord::Pool, whole::Whole::read(&raw.head.pool), &mut damaged).unwrap_or_default();
    let members = sound(PoolRecord::GpuCount, whole.members(&raw.head.gpu_count), &mut damaged);
    let members = members.filter(|members| damaged.is_empty() || !members.is_empty());
    let mut pool = Pool { strategy: whole.strategy(), ..Pool::default() };
    pool.store_id = if whole.id.is_empty() { candidate.to_owned() } else { whole.id.clone() };
    for index in members.unwrap_or_else(|| salvage::members(&whole, &raw.gpus)) {
        let bound = whole.uuid(index).cloned();
        let (state, named) = slot(&mut pool, raw.gpus.get(&index).unwrap_or(&Cell::Absent), index, accounts);
        pool.slots.insert(index, Slot { uuid: bound.or(named), state });
    }
    if !pool.slots.is_empty() {
        let provider = sound(PoolRecord::Provider, whole::provider(&raw.head.provider), &mut damaged);
        pool.provider = provider.or_else(|| salvage::provider(&pool));
    }
    if damaged.contains_key(&PoolRecord::Pool) {
        salvage::name(&mut pool);
    }
    damaged.extend(raw.damaged.clone());
    pool.damaged = damaged;
    pool.waiters = raw.queue.iter().filter_map(|queued| waiter(queued, accounts)).collect();
    pool.waiters.sort_by(|a, b| (a.enqueued, &a.id).cmp(&(b.enqueued, &b.id)));
    Loaded { pool, raw, whole }
}

/// What a record says; what is wrong with it is put down.
fn sound<T>(
    record: PoolRecord,
    read: Result<T, String>,
    damaged: &mut BTreeMap<PoolRecord, String>,
) -> Option<T> {
    read.map_err(|why| damaged.insert(record, why)).ok()
}

/// The state of one GPU; a reservation found there joins those of `pool`.
fn slot(
    pool: &mut Pool,
    cell: &Cell,
    index: GpuIndex,
    accounts: &mut dyn Accounts,
) -> (SlotState, Option<GpuUuid>) {
    let bytes = match cell {
        Cell::Absent => return (SlotState::Free { last_released: None, past: None }, None),
        Cell::Unreadable(why) => return (SlotState::Damaged { why: why.clone() }, None),
        Cell::Bytes(bytes) => bytes,
    };
    match gpu::read(bytes, index, accounts) {
        Err(why) => (SlotState::Damaged { why }, None),
        Ok((gpu::Says::Free { last_released, past }, uuid)) => {
            (SlotState::Free { last_released, past }, uuid)
        }
        Ok((gpu::Says::Held(held), uuid)) => {
            let state = SlotState::Held(held.id.clone());
            let joined = pool.reservations.entry(held.id.clone()).or_insert_with(|| {
                let mut first = (*held).clone();
                first.gpus.clear();
                first
            });
            joined.gpus.push(index);
            joined.heartbeat = joined.heartbeat.max(held.heartbeat);
            (state, uuid)
        }
    }
}

fn waiter(queued: &Queued, accounts: &mut dyn Accounts) -> Option<Waiter> {
    entry::read(queued.entry.bytes()?, &queued.id, queued.score, accounts).ok()
}

/// The key of a GPU's record, without the store's prefix.
pub(in crate::store) fn gpu_key(index: GpuIndex) -> String {
    format!("gpu:{index}")
}

/// The key of a waiter's entry, without the store's prefix.
pub(in crate::store) fn entry_key(id: &str) -> String {
    format!("queue:entry:{id}")
}

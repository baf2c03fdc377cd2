//! What a verb changed, as writes to records: only what differs is written.

use std::collections::{BTreeSet, HashMap};

use super::{Cell, Loaded, ended, entry, entry_key, gpu, gpu_key, whole};
use crate::model::ids::{GpuIndex, LeaseId, Timestamp, Uid};
use crate::model::pool::{Pool, Slot, SlotState};
use crate::model::record::PoolRecord;
use crate::model::waiter::Waiter;

/// One write. Keys are without the store's prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Write {
    Put { key: String, value: Vec<u8> },
    Delete { key: String },
    Enqueue { id: String, at: Timestamp },
    Dequeue { id: String },
}

/// A reservation that ended, for the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct EndedLines {
    pub(in crate::store) id: LeaseId,
    pub(in crate::store) at: Timestamp,
    pub(in crate::store) lines: Vec<String>,
}

/// Everything that one transaction writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::store) struct Changes {
    pub(in crate::store) writes: Vec<Write>,
    pub(in crate::store) ended: Vec<EndedLines>,
    /// Records that cannot be read: nothing is added to them.
    pub(in crate::store) untouched: BTreeSet<PoolRecord>,
}

impl Changes {
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.ended.is_empty()
    }

    fn put_or_delete(&mut self, key: String, value: Option<Vec<u8>>, before: &Cell) {
        match value {
            Some(value) if before.bytes() == Some(&value) => {}
            Some(value) => self.writes.push(Write::Put { key, value }),
            None if *before == Cell::Absent => {}
            None => self.writes.push(Write::Delete { key }),
        }
    }
}

/// The difference between the pool as loaded and `after`, made by `by`.
pub(in crate::store) fn changes(loaded: &Loaded, after: &Pool, by: Uid) -> Changes {
    let mut changes = Changes { untouched: after.damaged.keys().copied().collect(), ..Changes::default() };
    for (index, slot) in &after.slots {
        changed_slot(&mut changes, loaded, after, *index, slot);
    }
    for index in loaded.pool.slots.keys().filter(|index| !after.slots.contains_key(index)) {
        changes.writes.push(Write::Delete { key: gpu_key(*index) });
    }
    changed_queue(&mut changes, loaded, after);
    for ended in &after.ended {
        let lines = ended::write(ended);
        changes.ended.push(EndedLines { id: ended.reservation.id.clone(), at: ended.at, lines });
    }
    changed_head(&mut changes, loaded, after, by);
    changes
}

fn changed_head(changes: &mut Changes, loaded: &Loaded, after: &Pool, by: Uid) {
    let (before, head) = (&loaded.pool, &loaded.raw.head);
    let is_kept = |record| after.damaged.contains_key(&record);
    let is_cleared = |record| before.damaged.contains_key(&record) && !is_kept(record);
    if (before.slots.keys().ne(after.slots.keys()) && !is_kept(PoolRecord::GpuCount))
        || is_cleared(PoolRecord::GpuCount)
    {
        changes.put_or_delete("gpu_count".to_owned(), whole::gpu_count(after), &head.gpu_count);
    }
    if (before.provider != after.provider && !is_kept(PoolRecord::Provider))
        || is_cleared(PoolRecord::Provider)
    {
        let provider = after.provider.map(|provider| provider.as_str().as_bytes().to_vec());
        changes.put_or_delete("provider".to_owned(), provider, &head.provider);
    }
    for record in [PoolRecord::Queue, PoolRecord::Ended, PoolRecord::History] {
        if is_cleared(record) {
            changes.writes.push(Write::Delete { key: record.key().to_owned() });
        }
    }
    if is_kept(PoolRecord::Pool) {
        return;
    }
    let whole = loaded.whole.after(before, after, by);
    let only_named = loaded.whole.differs_in_name_alone(&whole);
    // A name alone is not worth a write: it comes with the first thing that is.
    if !only_named || is_cleared(PoolRecord::Pool) || (whole != loaded.whole && !changes.is_empty()) {
        changes.put_or_delete("pool".to_owned(), Some(whole.write(head.pool.bytes())), &head.pool);
    }
}

fn changed_slot(changes: &mut Changes, loaded: &Loaded, after: &Pool, index: GpuIndex, slot: &Slot) {
    let before = loaded.pool.slots.get(&index);
    let cell = loaded.raw.gpus.get(&index).unwrap_or(&Cell::Absent);
    let key = gpu_key(index);
    match (&slot.state, before.map(|slot| &slot.state)) {
        (SlotState::Damaged { .. }, _) => {}
        (SlotState::Held(id), was) => {
            let Some(held) = after.reservations.get(id) else { return };
            let same = matches!(was, Some(SlotState::Held(before)) if before == id);
            if same && loaded.pool.reservations.get(id) == Some(held) {
                return;
            }
            let original = if same { cell.bytes() } else { None };
            let value = gpu::write_held(held, slot.uuid.as_ref(), original);
            changes.writes.push(Write::Put { key, value });
        }
        (free, Some(was)) if free == was => {}
        (SlotState::Free { last_released, past }, was) => {
            // What a record says of a reservation that this program does not know goes with the reservation.
            let original = if matches!(was, Some(SlotState::Free { .. })) { cell.bytes() } else { None };
            match gpu::write_free(*last_released, past.as_ref(), slot.uuid.as_ref(), original) {
                Some(value) => changes.writes.push(Write::Put { key, value }),
                // A GPU that joins the pool may have a record from an earlier one, which was not read.
                None => changes.writes.push(Write::Delete { key }),
            }
        }
    }
}

fn changed_queue(changes: &mut Changes, loaded: &Loaded, after: &Pool) {
    let before: HashMap<&LeaseId, &Waiter> = by_id(&loaded.pool);
    let now = by_id(after);
    for waiter in &loaded.pool.waiters {
        if !now.contains_key(&waiter.id) {
            leave(changes, waiter);
        }
    }
    for waiter in &after.waiters {
        match before.get(&waiter.id) {
            None => arrive(changes, waiter),
            Some(was) if *was == waiter => {}
            Some(was) => rewrite(changes, loaded, was, waiter),
        }
    }
}

fn by_id(pool: &Pool) -> HashMap<&LeaseId, &Waiter> {
    pool.waiters.iter().map(|waiter| (&waiter.id, waiter)).collect()
}

fn arrive(changes: &mut Changes, waiter: &Waiter) {
    changes.writes.push(Write::Put { key: entry_key(waiter.id.as_str()), value: entry::write(waiter, None) });
    changes.writes.push(Write::Enqueue { id: waiter.id.0.clone(), at: waiter.enqueued });
}

fn rewrite(changes: &mut Changes, loaded: &Loaded, was: &Waiter, is: &Waiter) {
    let queued = loaded.raw.queue.iter().find(|queued| queued.id == is.id.0);
    let value = entry::write(is, queued.and_then(|queued| queued.entry.bytes()));
    changes.writes.push(Write::Put { key: entry_key(is.id.as_str()), value });
    if was.enqueued != is.enqueued {
        changes.writes.push(Write::Enqueue { id: is.id.0.clone(), at: is.enqueued });
    }
}

fn leave(changes: &mut Changes, waiter: &Waiter) {
    changes.writes.push(Write::Delete { key: entry_key(waiter.id.as_str()) });
    changes.writes.push(Write::Dequeue { id: waiter.id.0.clone() });
}

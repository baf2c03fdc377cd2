//! What a record of the whole pool said that cannot be read, as far as the other records tell.

use std::collections::{BTreeMap, BTreeSet};

use super::Cell;
use super::whole::Whole;
use crate::model::device::{Provider, store_of_fake};
use crate::model::ids::{GpuIndex, GpuUuid};
use crate::model::pool::Pool;

/// The GPUs that the pool is bound to, or else those up to the last that has a record.
pub(super) fn members(whole: &Whole, gpus: &BTreeMap<GpuIndex, Cell>) -> BTreeSet<GpuIndex> {
    let bound = whole.named();
    if !bound.is_empty() {
        return bound;
    }
    let last = gpus.iter().rev().find(|(_, cell)| **cell != Cell::Absent).map(|(index, _)| index.0);
    last.map_or_else(BTreeSet::new, |last| (0..=last).map(GpuIndex).collect())
}

/// Simulated GPUs are told by their UUIDs.
pub(super) fn provider(pool: &Pool) -> Option<Provider> {
    let first = uuids(pool).next()?;
    Some(if store_of_fake(first).is_some() { Provider::Fake } else { Provider::Nvidia })
}

/// Simulated GPUs carry the name of their pool. Without it they cannot be told from those of another.
pub(super) fn name(pool: &mut Pool) {
    if pool.provider != Some(Provider::Fake) {
        return;
    }
    let found = uuids(pool).find_map(store_of_fake).map(str::to_owned);
    match found {
        Some(store_id) => pool.store_id = store_id,
        None => pool.provider = None,
    }
}

fn uuids(pool: &Pool) -> impl Iterator<Item = &GpuUuid> {
    pool.slots.values().filter_map(|slot| slot.uuid.as_ref())
}

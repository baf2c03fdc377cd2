//! Damaged records: what cannot be done without them, and how they are thrown away.

use std::collections::BTreeSet;

use super::{Pool, SlotState};
use crate::model::device::Provider;
use crate::model::record::{PoolRecord, Record};
use crate::model::request::{Actor, Authority};
use crate::model::verb::{Outcome, Refusal};

impl Pool {
    /// Throws a damaged record away. One that can be read stays.
    pub(super) fn reset(&mut self, actor: &Actor, record: Record) -> Outcome {
        if actor.authority != Authority::Admin {
            return Outcome::Refused(Refusal::NeedsAuthority);
        }
        match record {
            Record::OfPool(record) => {
                let was_damaged = self.damaged.remove(&record).is_some();
                // Nothing tells otherwise: as in a pool from before there was a choice.
                if was_damaged && record == PoolRecord::Provider && !self.slots.is_empty() {
                    self.provider.get_or_insert(Provider::Nvidia);
                }
                Outcome::Done
            }
            Record::OfGpu(gpu) => {
                let pool = self.slots.keys().copied().collect();
                let Some(slot) = self.slots.get_mut(&gpu) else {
                    return Outcome::Refused(Refusal::NotInPool { ids: vec![gpu], pool });
                };
                match slot.state {
                    SlotState::Damaged { .. } => {
                        slot.state = SlotState::Free { last_released: None, past: None };
                        Outcome::Done
                    }
                    SlotState::Free { .. } => Outcome::Done,
                    SlotState::Held(_) => {
                        Outcome::Refused(Refusal::StillReserved { gpus: BTreeSet::from([gpu]) })
                    }
                }
            }
        }
    }

    /// Whether what is left of the pool's records tells which GPUs it has and where they come from.
    pub(super) fn is_told(&self) -> Result<(), Refusal> {
        if self.provider.is_some() && !self.slots.is_empty() {
            return Ok(());
        }
        match self.damaged.iter().find(|(record, _)| record.is_of_the_gpus()) {
            Some((record, why)) => Err(Refusal::Damaged { record: *record, why: why.clone() }),
            None => Ok(()),
        }
    }

    /// Whether anybody can be put in line.
    pub(super) fn has_a_line(&self) -> Result<(), Refusal> {
        self.is_sound(PoolRecord::Queue)
    }

    /// Whether it is known which reservations have ended.
    pub(super) fn knows_what_ended(&self) -> Result<(), Refusal> {
        self.is_sound(PoolRecord::Ended)
    }

    fn is_sound(&self, record: PoolRecord) -> Result<(), Refusal> {
        match self.damaged.get(&record) {
            Some(why) => Err(Refusal::Damaged { record, why: why.clone() }),
            None => Ok(()),
        }
    }
}

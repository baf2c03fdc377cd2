//! What a helper has told of one scan, as far as it has come. Pure.

use std::collections::BTreeMap;

use super::wire::{Said, Slot};
use crate::model::seen::{Reading, Unknown};

/// What was heard of one scan so far.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    pub(super) count: Option<u32>,
    pub(super) readings: BTreeMap<Slot, Reading>,
    pub(super) anybody_answered: bool,
}

impl Hearing {
    pub(super) fn take(&mut self, said: Said, silent: Unknown) {
        match said {
            Said::Answer { slot, reading } => {
                self.anybody_answered = true;
                self.readings.insert(slot, reading);
            }
            Said::StillBusy { slot } => {
                self.readings.insert(slot, Reading::Unknown(silent));
            }
            Said::Count { .. } | Said::Named { .. } | Said::Refused(_) | Said::Stale => {}
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.count.is_some_and(|count| self.readings.len() == count as usize)
    }
}

//! One GPU of the pool with all that was seen of it: what everything else about occupancy is read from. Pure.

use std::time::Duration;

use crate::model::ids::{GpuIndex, LeaseId, Timestamp, Uid};
use crate::model::pool::{Pool, Slot, SlotState};
use crate::model::process::Process;
use crate::model::reservation::{Past, Reservation};
use crate::model::seen::{GpuProcess, GpuSeen, Measured, Reading, Seat, Seen, Unknown};

use super::{Usage, role};

/// How long after a release memory without a process is taken for memory that is still being given back: drivers
/// free it a while after the exit. Longer than that it belongs to somebody who is not visible from here.
const DRAINS_FOR: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) gpu: GpuIndex,
    pub(super) right: Right<'a>,
    pub(super) seat: Option<&'a Seat>,
    pub(super) seen: &'a Seen<'a>,
    device: Option<&'a GpuSeen>,
}

/// A process that the driver lists on the GPU, and that is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed<'a> {
    pub(super) on_gpu: &'a GpuProcess,
    /// The UUID of the slice that it is on.
    pub(super) slice: Option<&'a str>,
    pub(super) process: &'a Process,
}

/// What the pool says of the GPU.
#[derive(Debug, Clone, Copy)]
pub(super) enum Right<'a> {
    Nobody {
        last_released: Option<Timestamp>,
        past: Option<&'a Past>,
    },
    Reserved {
        id: &'a LeaseId,
        /// Absent from a pool that is not whole.
        reservation: Option<&'a Reservation>,
    },
    Damaged {
        why: &'a str,
    },
}

impl<'a> Site<'a> {
    pub(super) fn all(pool: &'a Pool, seen: &'a Seen<'a>) -> impl Iterator<Item = Site<'a>> {
        pool.slots.iter().map(move |(&gpu, slot)| Self::new(pool, seen, gpu, slot))
    }

    fn new(pool: &'a Pool, seen: &'a Seen<'a>, gpu: GpuIndex, slot: &'a Slot) -> Self {
        let device = match &slot.uuid {
            Some(uuid) => seen.gpu(uuid),
            None => seen.gpus.iter().find(|seen| seen.device.index == gpu),
        };
        let uuid = slot.uuid.as_ref().or(device.map(|seen| &seen.device.uuid));
        let seat = uuid.and_then(|uuid| seen.seats.get(uuid));
        let right = match &slot.state {
            SlotState::Free { last_released, past } => {
                Right::Nobody { last_released: *last_released, past: past.as_ref() }
            }
            SlotState::Held(id) => Right::Reserved { id, reservation: pool.reservations.get(id) },
            SlotState::Damaged { why } => Right::Damaged { why },
        };
        Self { gpu, right, seat, seen, device }
    }

    pub(super) fn usage(&self, now: Timestamp) -> Usage {
        let measured = match self.measured() {
            Ok(measured) => measured,
            Err(unknown) => return Usage::Unknown(unknown),
        };
        let used = measured.used;
        if self.users().next().is_some() {
            Usage::InUse { used }
        } else if used <= self.seen.threshold {
            Usage::Idle { used }
        } else if self.was_just_released(now) {
            Usage::Draining { used }
        } else {
            Usage::InUse { used }
        }
    }

    /// The processes that the driver lists here and that are still there.
    pub(super) fn listed(&self) -> impl Iterator<Item = Listed<'a>> + use<'a> {
        let owners = self.seen.owners;
        let reading = self.reading().ok();
        let listed = reading.into_iter().flat_map(Reading::processes);
        listed.filter_map(move |(on_gpu, slice)| {
            Some(Listed { on_gpu, slice, process: owners.get(&on_gpu.pid)? })
        })
    }

    /// Those of them that are use by themselves.
    fn users(&self) -> impl Iterator<Item = Listed<'a>> + use<'a> {
        let holder = self.holder_uid();
        self.listed().filter(move |listed| !role::is_system(listed.process, listed.on_gpu.context, holder))
    }

    fn holder_uid(&self) -> Option<Uid> {
        match self.right {
            Right::Reserved { reservation, .. } => reservation?.holder.uid,
            Right::Nobody { .. } | Right::Damaged { .. } => None,
        }
    }

    fn measured(&self) -> Result<&'a Measured, Unknown> {
        match self.reading()? {
            Reading::Measured(measured) => Ok(measured),
            Reading::Sliced(_) => Err(Unknown::Mig),
            Reading::Unknown(unknown) => Err(unknown.clone()),
        }
    }

    fn reading(&self) -> Result<&'a Reading, Unknown> {
        let Some(device) = self.device else {
            return Err(self.unseen());
        };
        // CUDA_VISIBLE_DEVICES carries the index: granted like this, it would name another GPU.
        if device.device.index != self.gpu && matches!(self.right, Right::Nobody { .. }) {
            let message = format!("the driver counts it as GPU {} now", device.device.index);
            return Err(Unknown::Error { message });
        }
        Ok(&device.reading)
    }

    fn unseen(&self) -> Unknown {
        if self.seen.gpus.is_empty() {
            Unknown::Error { message: "the driver does not answer".to_owned() }
        } else {
            Unknown::Missing
        }
    }

    fn was_just_released(&self, now: Timestamp) -> bool {
        let Right::Nobody { last_released: Some(released), .. } = self.right else {
            return false;
        };
        now.since(released) < DRAINS_FOR
    }
}

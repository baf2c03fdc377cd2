//! The record `gpu:{index}`: a GPU that is held, or free and when it was last released. The Go program shares the
//! first fields; those without a value are left out.

use crate::model::ids::{GpuIndex, LeaseId, Timestamp};
use crate::model::reservation::{Past, Reservation};

mod read;
mod write;

pub(super) use read::read;
pub(super) use write::{write_free, write_held};

/// What a record says of its GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Says {
    Free { last_released: Option<Timestamp>, past: Option<Past> },
    Held(Box<Reservation>),
}

/// How a reservation of the Go program is called. Whole seconds: it rewrites its records with and without a fraction.
pub(super) fn go_id(gpu: GpuIndex, started: Timestamp) -> LeaseId {
    LeaseId(format!("go:{gpu}:{}", started.seconds()))
}

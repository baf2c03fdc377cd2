//! What the helper tells the launcher: one line of JSON each. Both ends are the same program, so the form may change.

use serde::{Deserialize, Serialize};

use super::inventory::Persistence;
use crate::model::ids::Megabytes;
use crate::model::seen::Reading;

/// One line; `scan` is the number of the request that it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) scan: u64,
    pub(super) said: Said,
}

/// A GPU's place in the driver's own order.
pub(super) type Slot = u32;

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    /// Nobody can be asked.
    Refused(Refusal),
    /// The driver was reloaded under this helper: only a new one can ask it.
    Stale,
    /// So many GPUs are being asked, by this version of the driver, where it tells.
    Count {
        gpus: u32,
        driver: Option<String>,
    },
    /// Told once per GPU, before its first reading, so that it has a name even if it then hangs.
    Named {
        slot: Slot,
        identity: Identity,
    },
    Answer {
        slot: Slot,
        reading: Reading,
    },
    /// It has not yet answered an earlier scan, so it was not asked again.
    StillBusy {
        slot: Slot,
    },
}

/// What tells one GPU from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) uuid: String,
    pub(super) pci_bus_id: String,
    // The rest where the GPU tells: it is what its UUID says, also in a bad state or to somebody with few rights.
    pub(super) name: Option<String>,
    pub(super) memory: Option<Megabytes>,
    pub(super) persistence: Option<Persistence>,
}

/// Why nobody can be asked.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Refusal {
    NoLibrary { library: String, cause: String },
    NoDriver,
    NoDevices,
    NoPermission,
    Forbidden,
    DriverMismatch,
    NoGpus,
    Other(String),
}

impl From<Refusal> for super::GpuError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoLibrary { library, cause } => Self::NoLibrary { library, cause },
            Refusal::NoDriver => Self::NoDriver,
            Refusal::NoDevices => Self::NoDevices,
            Refusal::NoPermission => Self::NoPermission,
            Refusal::Forbidden => Self::Forbidden,
            Refusal::DriverMismatch => Self::DriverMismatch,
            Refusal::NoGpus => Self::NoGpus,
            Refusal::Other(message) => Self::Other(message),
        }
    }
}

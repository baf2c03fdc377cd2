//! The records that concern the pool as a whole, by the names that errors print. Pure.

use std::fmt;

use super::ids::GpuIndex;

/// A record of the whole pool. While one cannot be read it is kept as it is, and what it said is told by the others,
/// as far as they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PoolRecord {
    /// Which pool it is, and which GPUs it is bound to.
    Pool,
    GpuCount,
    Provider,
    Queue,
    /// Which reservations have ended.
    Ended,
    History,
}

impl PoolRecord {
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::GpuCount => "gpu_count",
            Self::Provider => "provider",
            Self::Queue => "queue",
            Self::Ended => "ended",
            Self::History => "usage_history_sorted",
        }
    }

    pub(crate) fn named(key: &str) -> Option<Self> {
        [Self::Pool, Self::GpuCount, Self::Provider, Self::Queue, Self::Ended, Self::History]
            .into_iter()
            .find(|record| record.key() == key)
    }

    /// Whether it says which GPUs there are and where they come from.
    pub(super) const fn is_of_the_gpus(self) -> bool {
        matches!(self, Self::Pool | Self::GpuCount | Self::Provider)
    }
}

/// What can be thrown away when it is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    OfGpu(GpuIndex),
    OfPool(PoolRecord),
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfGpu(gpu) => write!(f, "gpu:{gpu}"),
            Self::OfPool(record) => f.write_str(record.key()),
        }
    }
}

//! One GPU as the driver describes it. Pure.

use super::ids::{GpuIndex, GpuUuid, Megabytes};

/// A physical GPU. Two devices are the same one exactly when their UUIDs are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) uuid: GpuUuid,
    /// Position by PCI bus id, as CUDA counts with CUDA_DEVICE_ORDER=PCI_BUS_ID.
    pub(crate) index: GpuIndex,
    pub(crate) name: String,
    pub(crate) memory: Megabytes,
}

/// Where the pool's GPUs come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    Nvidia,
    /// Simulated GPUs, for trying the program out on a machine without any.
    Fake,
}

impl Provider {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Nvidia => "nvidia",
            Self::Fake => "fake",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "nvidia" => Some(Self::Nvidia),
            "fake" => Some(Self::Fake),
            _ => None,
        }
    }
}

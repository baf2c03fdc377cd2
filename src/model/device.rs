//! One GPU as the driver describes it. Pure.

use super::ids::{GpuIndex, GpuUuid, Megabytes};

/// A physical GPU. Two devices are the same one exactly when their UUIDs are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) uuid: GpuUuid,
    /// Position by PCI bus id, as CUDA counts with CUDA_DEVICE_ORDER=PCI_BUS_ID.
    pub(crate) index: GpuIndex,
    /// As the driver calls its model; absent where it did not tell.
    pub(crate) name: Option<String>,
    /// In all; absent where the driver did not tell.
    pub(crate) memory: Option<Megabytes>,
}

/// The simulated GPUs with these indices of the store `store_id`. Their UUIDs carry the store's id, so that the seats of
/// two stores on one machine do not meet.
pub(crate) fn fake_devices(store_id: &str, indices: impl IntoIterator<Item = GpuIndex>) -> Vec<Device> {
    let device = |index| Device {
        uuid: GpuUuid(format!("GPU-fake-{store_id}-{index}")),
        index,
        name: Some("Fake GPU".to_owned()),
        memory: Some(Megabytes(81_920)),
    };
    indices.into_iter().map(device).collect()
}

/// The id of the store whose simulated GPU this is.
pub(crate) fn store_of_fake(uuid: &GpuUuid) -> Option<&str> {
    uuid.as_str().strip_prefix("GPU-fake-")?.rsplit_once('-').map(|(store, _)| store)
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

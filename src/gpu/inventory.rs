//! From what each GPU said to one list in the order in which people count. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::wire::{Identity, Slot};
use crate::model::device::Device;
use crate::model::ids::{GpuIndex, GpuUuid};
use crate::model::seen::{GpuSeen, Reading, Unknown};

/// What the driver said of all GPUs.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    /// By index, ascending.
    pub(crate) gpus: Vec<GpuSeen>,
    /// GPUs that are there but never said which they are.
    pub(crate) nameless: Vec<Nameless>,
    pub(crate) upkeep: Upkeep,
}

/// How the driver is kept. Nothing is decided by it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Upkeep {
    /// The driver's version, where it tells.
    pub(crate) driver: Option<String>,
    /// Of the GPUs that tell.
    pub(crate) persistence: BTreeMap<GpuIndex, Persistence>,
}

/// Whether the driver keeps a GPU initialised while nobody uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Persistence {
    On,
    Off,
}

/// A GPU without a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nameless {
    /// Where it must be, if the driver counts in the order of PCI bus ids, as it does.
    pub(crate) index: GpuIndex,
    pub(crate) why: Unknown,
}

impl Scan {
    /// Gives nameless GPUs the names of those `known` (the pool's) at their indices, unless those have been seen.
    pub(crate) fn name_from(&mut self, known: &[Device]) {
        let seen: Vec<GpuUuid> = self.gpus.iter().map(|gpu| gpu.device.uuid.clone()).collect();
        let nameless = std::mem::take(&mut self.nameless);
        for gpu in nameless {
            match known.iter().find(|device| device.index == gpu.index && !seen.contains(&device.uuid)) {
                Some(device) => {
                    self.gpus.push(GpuSeen { device: device.clone(), reading: Reading::Unknown(gpu.why) });
                }
                None => self.nameless.push(gpu),
            }
        }
        self.gpus.sort_by_key(|gpu| gpu.device.index);
    }
}

/// Joins identities and readings, one per slot. GPUs are counted by PCI bus id, as CUDA counts them; those without an
/// identity keep their slot, so that one that is silent does not change the index of any other.
pub(super) fn arrange(
    identities: &BTreeMap<Slot, Identity>,
    readings: BTreeMap<Slot, Reading>,
    driver: Option<String>,
) -> Scan {
    let mut named = Vec::new();
    let mut nameless = Vec::new();
    let mut free = Vec::new();
    for (slot, reading) in readings {
        match (identities.get(&slot), reading) {
            (Some(identity), reading) => {
                named.push((identity, reading));
                free.push(slot);
            }
            (None, Reading::Unknown(why)) => nameless.push(Nameless { index: GpuIndex(slot), why }),
            (None, Reading::Measured(_) | Reading::Sliced(_)) => {
                let why = Unknown::Error { message: "it did not say which GPU it is".to_owned() };
                nameless.push(Nameless { index: GpuIndex(slot), why });
            }
        }
    }
    named.sort_by_key(|(identity, _)| bus_order(&identity.pci_bus_id));
    let gpus: Vec<_> = free.into_iter().zip(named).collect();
    let persistence = gpus
        .iter()
        .filter_map(|(slot, (identity, _))| Some((GpuIndex(*slot), identity.persistence?)))
        .collect();
    Scan {
        gpus: gpus.into_iter().map(|(slot, (identity, reading))| seen(slot, identity, reading)).collect(),
        nameless,
        upkeep: Upkeep { driver, persistence },
    }
}

fn seen(slot: Slot, identity: &Identity, reading: Reading) -> GpuSeen {
    let device = Device {
        uuid: GpuUuid(identity.uuid.clone()),
        index: GpuIndex(slot),
        name: identity.name.clone(),
        memory: identity.memory,
    };
    GpuSeen { device, reading }
}

/// Domain, bus, device and function as numbers: their hexadecimal text sorts so only where all are padded alike.
fn bus_order(bus_id: &str) -> (Vec<u32>, &str) {
    let numbers = bus_id.split([':', '.']).map(|part| u32::from_str_radix(part, 16).unwrap_or(u32::MAX));
    (numbers.collect(), bus_id)
}

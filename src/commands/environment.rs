//! The variables that tell a command which GPUs are its own. Pure: the environment it starts from is an argument.

use std::ffi::OsString;

use crate::config::CudaIds;
use crate::model::gpu_list;
use crate::model::ids::{GpuIndex, LeaseId};
use crate::model::pool::Pool;

/// Names the reservation to whatever runs inside it.
pub(crate) const RESERVATION: &str = "CANHAZGPU_RESERVATION";
pub(crate) const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// What is set, in the order in which it is shown.
pub(crate) fn variables(
    pool: &Pool,
    id: &LeaseId,
    gpus: &[GpuIndex],
    cuda_ids: CudaIds,
) -> Vec<(String, String)> {
    let indices = gpu_list::compact(gpus);
    let visible = match cuda_ids {
        CudaIds::Index => indices.clone(),
        CudaIds::Uuid => uuids(pool, gpus).unwrap_or_else(|| indices.clone()),
    };
    let variables = [
        (VISIBLE, visible.clone()),
        // Without it CUDA counts the fastest first, and an index names another GPU than the driver's.
        ("CUDA_DEVICE_ORDER", "PCI_BUS_ID".into()),
        ("NVIDIA_VISIBLE_DEVICES", visible),
        (RESERVATION, id.to_string()),
        ("CANHAZGPU_DEVICES", indices),
    ];
    variables.map(|(name, value)| (name.to_owned(), value)).into()
}

/// `inherited` with the variables put in, in place of what was there under these names.
pub(crate) fn within(
    inherited: impl Iterator<Item = (OsString, OsString)>,
    variables: &[(String, String)],
) -> Vec<(OsString, OsString)> {
    let replaced = |name: &OsString| variables.iter().any(|(ours, _)| name == ours.as_str());
    let ours = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    inherited.filter(|(name, _)| !replaced(name)).chain(ours).collect()
}

fn uuids(pool: &Pool, gpus: &[GpuIndex]) -> Option<String> {
    let uuids: Option<Vec<&str>> =
        gpus.iter().map(|gpu| pool.slots.get(gpu)?.uuid.as_ref().map(|uuid| uuid.as_str())).collect();
    uuids.map(|uuids| uuids.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::GpuUuid;
    use crate::model::pool::{Slot, SlotState};

    fn pool() -> Pool {
        let slot = |index: u32| {
            let state = SlotState::Free { last_released: None, past: None };
            (GpuIndex(index), Slot { uuid: Some(GpuUuid(format!("GPU-{index}"))), state })
        };
        Pool { slots: (0..4).map(slot).collect(), ..Pool::default() }
    }

    fn of(cuda_ids: CudaIds) -> Vec<(String, String)> {
        variables(&pool(), &LeaseId::from("abc"), &[GpuIndex(1), GpuIndex(3)], cuda_ids)
    }

    fn value(variables: &[(String, String)], name: &str) -> String {
        variables.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    #[test]
    fn cuda_counts_by_pci_bus_id_and_sees_the_reserved_gpus() {
        let by_index = of(CudaIds::Index);
        assert_eq!(value(&by_index, "CUDA_VISIBLE_DEVICES"), "1,3");
        assert_eq!(value(&by_index, "NVIDIA_VISIBLE_DEVICES"), "1,3");
        assert_eq!(value(&by_index, "CUDA_DEVICE_ORDER"), "PCI_BUS_ID");
        assert_eq!(value(&by_index, "CANHAZGPU_RESERVATION"), "abc");
        let by_uuid = of(CudaIds::Uuid);
        assert_eq!(value(&by_uuid, "CUDA_VISIBLE_DEVICES"), "GPU-1,GPU-3");
        assert_eq!(value(&by_uuid, "CANHAZGPU_DEVICES"), "1,3");
    }

    #[test]
    fn inherited_values_are_replaced_and_others_are_kept() {
        let inherited = [("CUDA_VISIBLE_DEVICES", "7"), ("HOME", "/root")];
        let inherited = inherited.into_iter().map(|(name, value)| (name.into(), value.into()));
        let environment = within(inherited, &of(CudaIds::Index));
        let visible: Vec<_> = environment.iter().filter(|(name, _)| name == VISIBLE).collect();
        assert_eq!(visible, [&(VISIBLE.into(), "1,3".into())]);
        assert!(environment.contains(&("HOME".into(), "/root".into())));
    }
}

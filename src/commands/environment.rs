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

//! Which processes are on a GPU: the right version of the driver's lists, both lists as one. Runs in the helper.

use std::collections::BTreeMap;

use nvml_wrapper::Device;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;

use crate::model::ids::{Megabytes, Pid};
use crate::model::seen::{Context, GpuProcess};
use crate::sys::nvml_v1;

/// How often a list that grew while it was read is asked for again.
const TRIES: u32 = 8;

/// A version of the driver's process lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    First,
    Second,
    Third,
}

/// The versions to try with this driver, best first; one that the driver lacks is passed over.
///
/// Drivers 535.43 to 535.86 write longer entries into the third list than its callers make room for.
pub(super) fn versions(driver: &str) -> &'static [Version] {
    let mut parts = driver.split('.').map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(535), Some(43..=86)) => &[Version::Second, Version::First],
        _ => &[Version::Third, Version::Second, Version::First],
    }
}

/// A process and its memory in bytes.
type Entry = (u32, Option<u64>);

/// Every process on the GPU, by pid. Whether they exist where the caller can see them is not asked here.
pub(super) fn all(device: &Device<'_>, versions: &[Version]) -> Result<Vec<GpuProcess>, NvmlError> {
    let compute = newest(versions, |version| compute(device, version))?;
    let graphics = match newest(versions, |version| graphics(device, version)) {
        // No graphics at all, such as in a virtual GPU.
        Err(NvmlError::NotSupported) => Vec::new(),
        other => other?,
    };
    Ok(merge(&compute, &graphics))
}

fn newest(
    versions: &[Version],
    ask: impl Fn(Version) -> Result<Vec<Entry>, NvmlError>,
) -> Result<Vec<Entry>, NvmlError> {
    let mut missing = NvmlError::FunctionNotFound;
    for &version in versions {
        match patiently(|| ask(version)) {
            Err(error @ (NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound)) => missing = error,
            other => return other,
        }
    }
    Err(missing)
}

/// The list may grow between the question for its length and the one for itself.
fn patiently<T>(ask: impl Fn() -> Result<T, NvmlError>) -> Result<T, NvmlError> {
    for _ in 1..TRIES {
        match ask() {
            Err(NvmlError::InsufficientSize(_)) => {}
            other => return other,
        }
    }
    ask()
}

fn compute(device: &Device<'_>, version: Version) -> Result<Vec<Entry>, NvmlError> {
    match version {
        Version::Third => device.running_compute_processes().map(entries),
        Version::Second => device.running_compute_processes_v2().map(entries),
        Version::First => nvml_v1::compute_processes(device).map(first_entries),
    }
}

fn graphics(device: &Device<'_>, version: Version) -> Result<Vec<Entry>, NvmlError> {
    match version {
        Version::Third => device.running_graphics_processes().map(entries),
        Version::Second => device.running_graphics_processes_v2().map(entries),
        Version::First => nvml_v1::graphics_processes(device).map(first_entries),
    }
}

fn entries(list: Vec<ProcessInfo>) -> Vec<Entry> {
    let memory = |used| match used {
        UsedGpuMemory::Used(bytes) => Some(bytes),
        UsedGpuMemory::Unavailable => None,
    };
    list.into_iter().map(|process| (process.pid, memory(process.used_gpu_memory))).collect()
}

fn first_entries(list: Vec<nvml_v1::Process>) -> Vec<Entry> {
    list.into_iter()
        .map(|process| (process.pid, Some(process.used).filter(|&used| used != u64::MAX)))
        .collect()
}

/// A process on both lists computes, and its memory counts once.
fn merge(compute: &[Entry], graphics: &[Entry]) -> Vec<GpuProcess> {
    let mut merged: BTreeMap<Pid, GpuProcess> = BTreeMap::new();
    for (list, context) in [(compute, Context::Compute), (graphics, Context::Graphics)] {
        for &(pid, bytes) in list {
            // A number that is none of a process is no evidence of one; its memory shows in the GPU's sum.
            let Some(pid) = i32::try_from(pid).ok().filter(|&pid| pid > 0).map(Pid) else { continue };
            let memory = bytes.map(Megabytes::from_bytes);
            let entry = merged.entry(pid).or_insert(GpuProcess { pid, memory, context });
            entry.memory = entry.memory.max(memory);
        }
    }
    merged.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_list_is_not_asked_for_where_it_is_wrong() {
        for driver in ["535.43.02", "535.54.03", "535.86.10"] {
            assert_eq!(versions(driver)[0], Version::Second, "{driver}");
        }
        for driver in ["470.256.02", "530.30.02", "535.98", "535.104.05", "580.82.07", "", "x.y"] {
            assert_eq!(versions(driver)[0], Version::Third, "{driver}");
        }
    }

    #[test]
    fn a_process_on_both_lists_computes_once() {
        let mb = |count: u64| Some(count << 20);
        let merged =
            merge(&[(7, mb(5)), (3, None)], &[(7, mb(5)), (9, mb(1)), (0, mb(4)), (u32::MAX, mb(4))]);
        let entry = |pid, memory, context| GpuProcess { pid: Pid(pid), memory, context };
        assert_eq!(
            merged,
            [
                entry(3, None, Context::Compute),
                entry(7, Some(Megabytes(5)), Context::Compute),
                entry(9, Some(Megabytes(1)), Context::Graphics),
            ]
        );
    }

    #[test]
    fn a_list_that_never_holds_still_is_an_error_not_an_empty_list() {
        let asked = std::cell::Cell::new(0);
        let answer: Result<Vec<Entry>, _> = patiently(|| {
            asked.set(asked.get() + 1);
            Err(NvmlError::InsufficientSize(None))
        });
        assert!(matches!(answer, Err(NvmlError::InsufficientSize(_))));
        assert_eq!(asked.get(), TRIES);
    }
}

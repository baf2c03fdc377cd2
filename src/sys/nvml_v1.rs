//! The first versions of two NVML calls, for which nvml-wrapper has no safe form: memory before driver 510, process
//! lists before 450. Knows nothing else of NVML; when to use them is decided in gpu.

use std::ptr;

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try, nvml_try_count};

/// nvmlMemory_t, in bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    pub(crate) total: u64,
    pub(crate) free: u64,
    /// With what the driver reserves for itself.
    pub(crate) used: u64,
}

/// nvmlProcessInfo_v1_t.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// In bytes; all ones where the driver cannot tell.
    pub(crate) used: u64,
}

/// Room for processes that start between the question for their number and the one for the list.
const HEADROOM: u32 = 8;

pub(crate) fn memory(device: &Device<'_>) -> Result<Memory, NvmlError> {
    let ask = nvml_sym(device.nvml().lib().nvmlDeviceGetMemoryInfo.as_ref())?;
    let mut memory = Memory::default();
    // SAFETY: the handle is that of a live `Device`, and `Memory` has the layout of nvmlMemory_t, which is written.
    nvml_try(unsafe { ask(device.handle(), (&raw mut memory).cast()) })?;
    Ok(memory)
}

macro_rules! process_list {
    ($(#[$doc:meta])* $name:ident, $symbol:ident) => {
        $(#[$doc])*
        pub(crate) fn $name(device: &Device<'_>) -> Result<Vec<Process>, NvmlError> {
            let ask = nvml_sym(device.nvml().lib().$symbol.as_ref())?;
            let mut count = 0;
            // SAFETY: the handle is that of a live `Device`; with a count of 0 nothing is written but the count.
            nvml_try_count(unsafe { ask(device.handle(), &raw mut count, ptr::null_mut()) })?;
            count += HEADROOM;
            let mut found = vec![Process::default(); count as usize];
            // SAFETY: as above, and `found` has room for `count` entries with the layout of nvmlProcessInfo_v1_t.
            nvml_try(unsafe { ask(device.handle(), &raw mut count, found.as_mut_ptr().cast()) })?;
            found.truncate(count as usize);
            Ok(found)
        }
    };
}

process_list! {
    /// Fails with `InsufficientSize` if many processes started meanwhile: ask again.
    compute_processes, nvmlDeviceGetComputeRunningProcesses
}
process_list! {
    /// As `compute_processes`.
    graphics_processes, nvmlDeviceGetGraphicsRunningProcesses
}

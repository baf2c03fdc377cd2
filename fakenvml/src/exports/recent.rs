//! The C symbols that the old build lacks: the second memory struct, the third process lists, MIG, nvmlShutdown.

use std::ffi::{c_uint, c_ulonglong};

use super::{process_list, total_mb, used_mb};
use crate::answers::{Handle, RawHandle, about_gpu, instance, instances, put};
use crate::code::Code;
use crate::files::{Kind, Mig};
use crate::lists::{ProcessV2, list_v3};
use crate::world::{Call, Needs, World, answer};

/// As many instances as today's GPUs can have.
const MOST_INSTANCES: c_uint = 7;

#[repr(C)]
pub struct MemoryV2 {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlShutdown() -> c_uint {
    answer(Call::of("nvmlShutdown", None), Needs::Init, |_| {
        World::shut_down();
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: RawHandle, memory: *mut MemoryV2) -> c_uint {
    about_gpu("nvmlDeviceGetMemoryInfo_v2", device, |world, handle, gpu| {
        if memory.is_null() {
            return Err(Code::INVALID_ARGUMENT);
        }
        // SAFETY: not null, so valid by NVML's contract.
        let version = unsafe { (*memory).version };
        if version as usize != size_of::<MemoryV2>() | 2 << 24 {
            return Err(Code::ARGUMENT_VERSION_MISMATCH);
        }
        let (total, used) = (total_mb(handle, &gpu)?, used_mb(world, handle, &gpu)?);
        let info = MemoryV2 {
            version,
            total: total << 20,
            reserved: gpu.reserved_mb << 20,
            free: total.saturating_sub(used + gpu.reserved_mb) << 20,
            used: used << 20,
        };
        // SAFETY: NVML's contract: a valid pointer.
        unsafe { put(memory, info) }
    })
}

process_list!(nvmlDeviceGetComputeRunningProcesses_v3, ProcessV2, Kind::Compute, list_v3);
process_list!(nvmlDeviceGetGraphicsRunningProcesses_v3, ProcessV2, Kind::Graphics, list_v3);

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMigMode(
    device: RawHandle,
    current: *mut c_uint,
    pending: *mut c_uint,
) -> c_uint {
    about_gpu("nvmlDeviceGetMigMode", device, |_, _, gpu| {
        let mode = match gpu.mig {
            Mig::Unsupported => return Err(Code::NOT_SUPPORTED),
            Mig::Off => 0,
            Mig::On(_) => 1,
        };
        // SAFETY: NVML's contract: valid pointers.
        unsafe { put(current, mode).and(put(pending, mode)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMaxMigDeviceCount(device: RawHandle, count: *mut c_uint) -> c_uint {
    about_gpu("nvmlDeviceGetMaxMigDeviceCount", device, |_, _, gpu| {
        let most = if matches!(gpu.mig, Mig::Unsupported) { 0 } else { MOST_INSTANCES };
        // SAFETY: NVML's contract: a valid pointer.
        unsafe { put(count, most) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    device: RawHandle,
    index: c_uint,
    instance_handle: *mut RawHandle,
) -> c_uint {
    about_gpu("nvmlDeviceGetMigDeviceHandleByIndex", device, |world, handle, gpu| {
        instances(&gpu)?;
        instance(&gpu, index)?;
        // SAFETY: NVML's contract: a valid pointer.
        unsafe { put(instance_handle, Handle { gpu: handle.gpu, slot: Some(index) }.pack(world)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceIsMigDeviceHandle(device: RawHandle, is_instance: *mut c_uint) -> c_uint {
    about_gpu("nvmlDeviceIsMigDeviceHandle", device, |_, handle, _| {
        // SAFETY: NVML's contract: a valid pointer.
        unsafe { put(is_instance, handle.slot.is_some().into()) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetDeviceHandleFromMigDeviceHandle(
    instance_handle: RawHandle,
    device: *mut RawHandle,
) -> c_uint {
    about_gpu("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", instance_handle, |world, handle, _| {
        handle.slot.ok_or(Code::INVALID_ARGUMENT)?;
        // SAFETY: NVML's contract: a valid pointer.
        unsafe { put(device, Handle { gpu: handle.gpu, slot: None }.pack(world)) }
    })
}

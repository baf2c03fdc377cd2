//! The C symbols that every driver has. Signatures are those of nvml.h; what a symbol means is said there.

#[cfg(not(feature = "old"))]
mod recent;

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong};

use crate::answers::{Handle, RawHandle, about_gpu, instance, may_tell, put, put_text};
use crate::code::Code;
use crate::files::{Gpu, Kind, Mig, Process};
use crate::lists::{ProcessV1, ProcessV2, list};
use crate::world::{Call, Needs, World, answer};

#[repr(C)]
pub struct Memory {
    total: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[repr(C)]
pub struct Utilization {
    gpu: c_uint,
    memory: c_uint,
}

#[repr(C)]
pub struct PciInfo {
    bus_id_legacy: [c_char; 16],
    domain: c_uint,
    bus: c_uint,
    device: c_uint,
    device_id: c_uint,
    subsystem_id: c_uint,
    bus_id: [c_char; 32],
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInit_v2() -> c_uint {
    answer(Call::of("nvmlInit_v2", None), Needs::Nothing, |world| {
        world.initialise();
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> c_uint {
    answer(Call::of("nvmlInitWithFlags", None), Needs::Nothing, |world| {
        world.initialise();
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlErrorString(_code: c_uint) -> *const c_char {
    c"an error of the test double".as_ptr()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetDriverVersion(version: *mut c_char, length: c_uint) -> c_uint {
    answer(Call::of("nvmlSystemGetDriverVersion", None), Needs::Init, |world| {
        // SAFETY: NVML's contract: room for `length` bytes.
        unsafe { put_text(version, length, &world.driver.version) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetNVMLVersion(version: *mut c_char, length: c_uint) -> c_uint {
    answer(Call::of("nvmlSystemGetNVMLVersion", None), Needs::Init, |world| {
        // SAFETY: NVML's contract: room for `length` bytes.
        unsafe { put_text(version, length, &format!("12.{}", world.driver.version)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(version: *mut c_int) -> c_uint {
    answer(Call::of("nvmlSystemGetCudaDriverVersion_v2", None), Needs::Init, |_| {
        // SAFETY: NVML's contract: a valid pointer.
        unsafe { put(version, 13_000) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> c_uint {
    // SAFETY: NVML's contract: a valid pointer.
    answer(Call::of("nvmlDeviceGetCount_v2", None), Needs::Init, |world| unsafe { put(count, world.count()) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut RawHandle) -> c_uint {
    answer(Call::of("nvmlDeviceGetHandleByIndex_v2", Some(index)), Needs::Init, |world| {
        world.gpu(index)?;
        // SAFETY: NVML's contract: a valid pointer.
        unsafe { put(device, Handle { gpu: index, slot: None }.pack(world)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByUUID(uuid: *const c_char, device: *mut RawHandle) -> c_uint {
    // SAFETY: NVML's contract: a NUL-terminated string and a valid pointer.
    unsafe { handle_by("nvmlDeviceGetHandleByUUID", uuid, device, |gpu| &gpu.uuid) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByPciBusId_v2(
    id: *const c_char,
    device: *mut RawHandle,
) -> c_uint {
    // SAFETY: NVML's contract: a NUL-terminated string and a valid pointer.
    unsafe { handle_by("nvmlDeviceGetHandleByPciBusId_v2", id, device, |gpu| &gpu.pci_bus_id) }
}

/// # Safety
/// `wanted` is null or a NUL-terminated string, `device` null or valid.
unsafe fn handle_by(
    function: &str,
    wanted: *const c_char,
    device: *mut RawHandle,
    key: impl Fn(&Gpu) -> &String,
) -> c_uint {
    answer(Call::of(function, None), Needs::Init, |world| {
        if wanted.is_null() {
            return Err(Code::INVALID_ARGUMENT);
        }
        // SAFETY: not null, so a NUL-terminated string by the caller's promise.
        let wanted = unsafe { CStr::from_ptr(wanted) }.to_bytes();
        let is_it = |gpu: &u32| world.gpu(*gpu).is_ok_and(|gpu| key(&gpu).as_bytes() == wanted);
        let gpu = (0..world.count()).find(is_it).ok_or(Code::NOT_FOUND)?;
        // SAFETY: the caller's promise.
        unsafe { put(device, Handle { gpu, slot: None }.pack(world)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetIndex(device: RawHandle, index: *mut c_uint) -> c_uint {
    // SAFETY: NVML's contract: a valid pointer.
    about_gpu("nvmlDeviceGetIndex", device, |_, handle, _| unsafe { put(index, handle.gpu) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetName(device: RawHandle, name: *mut c_char, length: c_uint) -> c_uint {
    about_gpu("nvmlDeviceGetName", device, |_, handle, gpu| {
        let text = handle.slot.map_or(Ok(&gpu.name), |slot| instance(&gpu, slot).map(|found| &found.name))?;
        // SAFETY: NVML's contract: room for `length` bytes.
        unsafe { put_text(name, length, text) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUUID(device: RawHandle, uuid: *mut c_char, length: c_uint) -> c_uint {
    about_gpu("nvmlDeviceGetUUID", device, |_, handle, gpu| {
        let text = handle.slot.map_or(Ok(&gpu.uuid), |slot| instance(&gpu, slot).map(|found| &found.uuid))?;
        // SAFETY: NVML's contract: room for `length` bytes.
        unsafe { put_text(uuid, length, text) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPciInfo_v3(device: RawHandle, pci: *mut PciInfo) -> c_uint {
    about_gpu("nvmlDeviceGetPciInfo_v3", device, |_, _, gpu| {
        let mut parts =
            gpu.pci_bus_id.split([':', '.']).map(|part| c_uint::from_str_radix(part, 16).unwrap_or(0));
        let mut info = PciInfo {
            bus_id_legacy: [0; 16],
            domain: parts.next().unwrap_or(0),
            bus: parts.next().unwrap_or(0),
            device: parts.next().unwrap_or(0),
            device_id: 0x2330_10de,
            subsystem_id: 0,
            bus_id: [0; 32],
        };
        // SAFETY: both arrays are as long as is said. The old form has four digits of the domain fewer.
        unsafe {
            put_text(info.bus_id.as_mut_ptr(), 32, &gpu.pci_bus_id)?;
            put_text(info.bus_id_legacy.as_mut_ptr(), 16, gpu.pci_bus_id.get(4..).unwrap_or(""))?;
        }
        // SAFETY: NVML's contract: a valid pointer.
        unsafe { put(pci, info) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo(device: RawHandle, memory: *mut Memory) -> c_uint {
    about_gpu("nvmlDeviceGetMemoryInfo", device, |world, handle, gpu| {
        let (total, used) = (total_mb(handle, &gpu)?, used_mb(world, handle, &gpu)? + gpu.reserved_mb);
        let info = Memory { total: total << 20, free: total.saturating_sub(used) << 20, used: used << 20 };
        // SAFETY: NVML's contract: a valid pointer.
        unsafe { put(memory, info) }
    })
}

fn total_mb(handle: Handle, gpu: &Gpu) -> Result<u64, Code> {
    handle.slot.map_or(Ok(gpu.total_mb), |slot| instance(gpu, slot).map(|found| found.total_mb))
}

/// What the GPU's own count and its processes use, without what the driver reserves; on a slice what is on it.
fn used_mb(world: &World, handle: Handle, gpu: &Gpu) -> Result<u64, Code> {
    may_tell(gpu, handle)?;
    let counts = |process: &Process| {
        process.memory_mb.is_some() && (handle.slot.is_none() || handle.slot == process.slice)
    };
    let of_processes = world.processes(handle.gpu, counts)?;
    Ok(gpu.used_mb + of_processes.iter().filter_map(|(_, process)| process.memory_mb).sum::<u64>())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUtilizationRates(device: RawHandle, rates: *mut Utilization) -> c_uint {
    about_gpu("nvmlDeviceGetUtilizationRates", device, |_, _, gpu| {
        let sliced = matches!(gpu.mig, Mig::On(_));
        let percent = gpu.utilization.filter(|_| !sliced).ok_or(Code::NOT_SUPPORTED)?;
        // SAFETY: NVML's contract: a valid pointer.
        unsafe { put(rates, Utilization { gpu: percent, memory: percent / 2 }) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPersistenceMode(device: RawHandle, mode: *mut c_uint) -> c_uint {
    about_gpu("nvmlDeviceGetPersistenceMode", device, |_, _, gpu| {
        let is_on = gpu.persistence.ok_or(Code::NOT_SUPPORTED)?;
        // SAFETY: NVML's contract: a valid pointer.
        unsafe { put(mode, c_uint::from(is_on)) }
    })
}

macro_rules! process_list {
    ($name:ident, $entry:ty, $kind:expr, $list:ident) => {
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(device: RawHandle, count: *mut c_uint, infos: *mut $entry) -> c_uint {
            // SAFETY: NVML's contract: a valid count, and room for that many entries.
            unsafe { $list(stringify!($name), device, $kind, count, infos) }
        }
    };
}
#[cfg(not(feature = "old"))]
use process_list;

process_list!(nvmlDeviceGetComputeRunningProcesses, ProcessV1, Kind::Compute, list);
process_list!(nvmlDeviceGetComputeRunningProcesses_v2, ProcessV2, Kind::Compute, list);
process_list!(nvmlDeviceGetGraphicsRunningProcesses, ProcessV1, Kind::Graphics, list);
process_list!(nvmlDeviceGetGraphicsRunningProcesses_v2, ProcessV2, Kind::Graphics, list);

//! Process lists in the three forms that drivers had.

use std::ffi::c_uint;

use crate::answers::{self, Handle, RawHandle};
use crate::code::Code;
use crate::files::{Kind, Process};
use crate::world::{Call, World};

const NO_INSTANCE: u32 = u32::MAX;
/// The driver's word for "cannot tell".
const NOT_AVAILABLE: u64 = u64::MAX;

/// An entry before version 2.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct ProcessV1 {
    pid: u32,
    used: u64,
}

/// An entry of version 2, and of version 3 where drivers got it right.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct ProcessV2 {
    pid: u32,
    used: u64,
    gpu_instance: u32,
    compute_instance: u32,
}

/// What version 3 wrote into the caller's array in drivers 535.43 to 535.86: entries longer than the caller's.
#[cfg_attr(feature = "old", expect(dead_code, reason = "version 3 is not in the old build"))]
#[repr(C)]
#[derive(Clone, Copy)]
struct ProcessTooLong {
    entry: ProcessV2,
    protected: u64,
}

impl From<(u32, u64)> for ProcessV1 {
    fn from((pid, used): (u32, u64)) -> Self {
        Self { pid, used }
    }
}

impl From<(u32, u64)> for ProcessV2 {
    fn from((pid, used): (u32, u64)) -> Self {
        Self { pid, used, gpu_instance: NO_INSTANCE, compute_instance: NO_INSTANCE }
    }
}

/// # Safety
/// `count` is null or valid; `infos` has room for as many entries as `count` says.
pub(crate) unsafe fn list<T: From<(u32, u64)> + Copy>(
    function: &str,
    device: RawHandle,
    kind: Kind,
    count: *mut c_uint,
    infos: *mut T,
) -> u32 {
    // SAFETY: the caller's promise is this function's own.
    let call = unsafe { call(function, count) };
    answers::on_device_in(call, device, |world, handle| {
        let entries: Vec<T> = entries(world, handle, kind)?.into_iter().map(T::from).collect();
        // SAFETY: the caller's promise is this function's own.
        unsafe { fill(&entries, entries.len(), count, infos) }
    })
}

/// As `list`, with the mistake of the drivers that made it.
///
/// # Safety
/// As for `list`.
#[cfg(not(feature = "old"))]
pub(crate) unsafe fn list_v3(
    function: &str,
    device: RawHandle,
    kind: Kind,
    count: *mut c_uint,
    infos: *mut ProcessV2,
) -> u32 {
    // SAFETY: the caller's promise is this function's own.
    let call = unsafe { call(function, count) };
    answers::on_device_in(call, device, |world, handle| {
        let found = entries(world, handle, kind)?;
        let right: Vec<ProcessV2> = found.iter().map(|&entry| entry.into()).collect();
        if !too_long_in(&world.driver.version) {
            // SAFETY: the caller's promise is this function's own.
            return unsafe { fill(&right, right.len(), count, infos) };
        }
        let long: Vec<ProcessTooLong> =
            right.iter().map(|&entry| ProcessTooLong { entry, protected: 0 }).collect();
        let length = size_of_val(long.as_slice()) / size_of::<ProcessV2>();
        // SAFETY: `length` entries of the shorter form lie within the memory of the longer ones, which has no padding
        // that matters: it is looked at as bytes only.
        let seen = unsafe { std::slice::from_raw_parts(long.as_ptr().cast::<ProcessV2>(), length) };
        // SAFETY: the caller's promise is this function's own.
        unsafe { fill(seen, right.len(), count, infos) }
    })
}

#[cfg(not(feature = "old"))]
fn too_long_in(version: &str) -> bool {
    let mut parts = version.split('.');
    parts.next() == Some("535")
        && parts
            .next()
            .and_then(|minor| minor.parse::<u32>().ok())
            .is_some_and(|minor| (43..=86).contains(&minor))
}

/// # Safety
/// `count` is null or valid.
unsafe fn call(function: &str, count: *const c_uint) -> Call<'_> {
    // SAFETY: valid by the caller's promise, or null.
    let counts = unsafe { count.as_ref() } == Some(&0);
    Call { counts, ..Call::of(function, None) }
}

/// # Safety
/// `count` is null or valid; `infos` has room for as many entries as `count` says.
unsafe fn fill<T: Copy>(entries: &[T], length: usize, count: *mut c_uint, infos: *mut T) -> Result<(), Code> {
    if count.is_null() {
        return Err(Code::INVALID_ARGUMENT);
    }
    // SAFETY: not null, so valid by the caller's promise.
    let room = unsafe { count.replace(length as c_uint) } as usize;
    if length > room {
        return Err(Code::INSUFFICIENT_SIZE);
    }
    if !infos.is_null() {
        // SAFETY: there is room for `room` entries, and no more are written.
        unsafe { infos.copy_from_nonoverlapping(entries.as_ptr(), entries.len().min(room)) };
    }
    Ok(())
}

fn entries(world: &World, handle: Handle, kind: Kind) -> Result<Vec<(u32, u64)>, Code> {
    answers::may_tell(&world.gpu(handle.gpu)?, handle)?;
    let on_list = |process: &Process| {
        process.listed
            && (process.kind == kind || process.kind == Kind::Both)
            && (handle.slot.is_none() || handle.slot == process.slice)
    };
    Ok(world
        .processes(handle.gpu, on_list)?
        .into_iter()
        .map(|(pid, process)| (pid, process.memory_mb.map_or(NOT_AVAILABLE, |mb| mb << 20)))
        .collect())
}

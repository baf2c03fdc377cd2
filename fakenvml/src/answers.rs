//! What the exported functions have in common: handles, and writing to the caller's memory.

use std::ffi::{c_char, c_uint, c_void};
use std::ptr;

use crate::code::Code;
use crate::files::{Gpu, Mig, MigInstance};
use crate::world::{Call, Needs, World, answer};

/// nvmlDevice_t. Not an address: GPU, slot and the driver's generation packed into one, so that a handle from before
/// a reload is noticed.
pub(crate) type RawHandle = *mut c_void;

#[derive(Clone, Copy)]
pub(crate) struct Handle {
    pub(crate) gpu: u32,
    /// Of a MIG instance.
    pub(crate) slot: Option<u32>,
}

impl Handle {
    pub(crate) fn pack(self, world: &World) -> RawHandle {
        let generation = usize::from(world.driver.generation);
        let slot = self.slot.map_or(0, |slot| slot as usize + 1);
        ptr::without_provenance_mut(generation << 32 | slot << 16 | (self.gpu as usize + 1))
    }

    fn parts(raw: RawHandle) -> Option<(usize, Self)> {
        let bits = raw.addr();
        let gpu = (bits & 0xffff).checked_sub(1)?;
        let slot = ((bits >> 16) & 0xffff).checked_sub(1).map(|slot| slot as u32);
        Some((bits >> 32, Self { gpu: gpu as u32, slot }))
    }
}

/// A call about a device that must be there.
pub(crate) fn on_device(
    function: &str,
    device: RawHandle,
    body: impl FnOnce(&World, Handle) -> Result<(), Code>,
) -> u32 {
    on_device_in(Call::of(function, None), device, body)
}

/// As `on_device`, for a call of which more is known.
pub(crate) fn on_device_in(
    call: Call<'_>,
    device: RawHandle,
    body: impl FnOnce(&World, Handle) -> Result<(), Code>,
) -> u32 {
    let parts = Handle::parts(device);
    let call = Call { gpu: parts.map(|(_, handle)| handle.gpu), ..call };
    answer(call, Needs::Init, |world| match parts {
        Some((generation, handle)) if generation == usize::from(world.driver.generation) => {
            body(world, handle)
        }
        _ => Err(Code::INVALID_ARGUMENT),
    })
}

/// A call that tells something of the GPU behind a handle.
pub(crate) fn about_gpu(
    function: &str,
    device: RawHandle,
    body: impl FnOnce(&World, Handle, Gpu) -> Result<(), Code>,
) -> u32 {
    on_device(function, device, |world, handle| {
        let gpu = world.gpu(handle.gpu)?;
        body(world, handle, gpu)
    })
}

pub(crate) fn instances(gpu: &Gpu) -> Result<&[MigInstance], Code> {
    match &gpu.mig {
        Mig::On(instances) => Ok(instances),
        Mig::Unsupported | Mig::Off => Err(Code::NOT_SUPPORTED),
    }
}

/// The whole of a GPU in MIG mode, its memory and its processes, is told to the privileged only.
pub(crate) fn may_tell(gpu: &Gpu, of: Handle) -> Result<(), Code> {
    // SAFETY: geteuid only asks.
    let privileged = unsafe { libc::geteuid() } == 0;
    let whole = matches!(gpu.mig, Mig::On(_)) && of.slot.is_none();
    if whole && !privileged { Err(Code::NO_PERMISSION) } else { Ok(()) }
}

pub(crate) fn instance(gpu: &Gpu, slot: u32) -> Result<&MigInstance, Code> {
    instances(gpu)?.iter().find(|instance| instance.slot == slot).ok_or(Code::NOT_FOUND)
}

/// # Safety
/// `at` is null or valid for a write.
pub(crate) unsafe fn put<T>(at: *mut T, value: T) -> Result<(), Code> {
    if at.is_null() {
        return Err(Code::INVALID_ARGUMENT);
    }
    // SAFETY: not null, so valid by the caller's promise.
    unsafe { at.write(value) };
    Ok(())
}

/// # Safety
/// `at` is null or has room for `room` bytes.
pub(crate) unsafe fn put_text(at: *mut c_char, room: c_uint, text: &str) -> Result<(), Code> {
    if at.is_null() {
        return Err(Code::INVALID_ARGUMENT);
    }
    if text.len() >= room as usize {
        return Err(Code::INSUFFICIENT_SIZE);
    }
    // SAFETY: there is room for the text and the NUL behind it.
    unsafe {
        at.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), text.len());
        at.add(text.len()).write(0);
    }
    Ok(())
}

//! Memory that was needed to start and is not needed to wait.

/// Gives what was freed back to the kernel, where the C library can.
pub(crate) fn give_back_unused() {
    // SAFETY: malloc_trim may be called at any time, from any thread; it touches only what is free.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

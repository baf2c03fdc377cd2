//! Makes the calling process unkillable for as long as a file exists, as a driver call that never returns does.
//!
//! A task in uninterruptible sleep cannot be had without a driver: the parent of a vfork waits in state D, but
//! killably. What can be had is the stop that a traced task makes on its way out (PTRACE_O_TRACEEXIT): SIGKILL is
//! consumed, a second one is dropped because the process is dying already, the process keeps its descriptors and its
//! pid, and waitpid does not report it until the tracer lets go. So a forked child, the warden, traces the calling
//! thread and lets go when the file is gone.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

/// The warden lets go after this many looks even if the file stays, so that no test leaves an immortal behind.
const PATIENCE: u32 = 60_000;
const BETWEEN_LOOKS: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 2_000_000 };

/// Returns once the warden is in place, or it is certain that none is to be had (no ptrace): then the call just hangs.
pub(crate) fn guard_against_kill(file: &Path) {
    let Ok(file) = CString::new(file.as_os_str().as_bytes()) else { return };
    let Ok([seen, ready]) = pipe() else { return };
    // SAFETY: gettid only asks.
    let thread = unsafe { libc::gettid() };
    // SAFETY: the child makes async-signal-safe calls only, on memory of its own copy, and ends with _exit.
    let warden = unsafe { libc::fork() };
    if warden == 0 {
        watch(thread, &file, ready);
    }
    // SAFETY: both descriptors are ours; the warden is a child of ours, and declaring it allows it to trace us where
    // Yama asks for that. The read ends when the warden writes, or is gone.
    unsafe {
        libc::prctl(libc::PR_SET_PTRACER, libc::c_ulong::try_from(warden).unwrap_or(0), 0, 0, 0);
        libc::close(ready);
        let mut byte = 0_u8;
        libc::read(seen, (&raw mut byte).cast(), 1);
        libc::close(seen);
    }
}

fn pipe() -> io::Result<[i32; 2]> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for the two descriptors.
    match unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } {
        0 => Ok(ends),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The warden's life. Async-signal-safe: system calls on its own copy of memory, nothing allocated.
fn watch(thread: i32, file: &CString, ready: i32) -> ! {
    // SAFETY: system calls with valid arguments; this process is a copy of nobody's but its own use.
    unsafe {
        libc::setsid();
        // It must not keep the pipe of the process it guards open.
        let ready = libc::dup2(ready, 0);
        libc::syscall(libc::SYS_close_range, 1_u32, u32::MAX, 0_u32);
        if seize(thread) {
            libc::write(ready, b"g".as_ptr().cast(), 1);
            libc::close(ready);
            keep(thread, file);
        }
        // Ending detaches, and the traced thread goes on dying or living.
        libc::_exit(0)
    }
}

/// # Safety
/// `thread` is a thread of the parent.
unsafe fn seize(thread: i32) -> bool {
    let options: *mut libc::c_void = ptr::without_provenance_mut(libc::PTRACE_O_TRACEEXIT as usize);
    // Under Yama the parent allows it a moment after the fork.
    (0..500).any(|_| {
        // SAFETY: PTRACE_SEIZE takes no address; the caller vouches for the thread.
        let done =
            unsafe { libc::ptrace(libc::PTRACE_SEIZE, thread, ptr::null_mut::<libc::c_void>(), options) };
        if done != 0 {
            // SAFETY: a constant timespec.
            unsafe { libc::nanosleep(&BETWEEN_LOOKS, ptr::null_mut()) };
        }
        done == 0
    })
}

/// # Safety
/// `thread` was seized by this process.
unsafe fn keep(thread: i32, file: &CString) {
    for _ in 0..PATIENCE {
        let mut status = 0;
        // SAFETY: the tracee is ours and `status` and `file` are valid; a stop at the exit event is left as it is, every
        // other one goes on with its signal.
        unsafe {
            if libc::access(file.as_ptr(), libc::F_OK) != 0 {
                return;
            }
            if libc::waitpid(thread, &mut status, libc::WNOHANG | libc::__WALL) == thread
                && libc::WIFSTOPPED(status)
                && status >> 16 == 0
            {
                let signal = ptr::without_provenance_mut::<libc::c_void>(libc::WSTOPSIG(status) as usize);
                libc::ptrace(libc::PTRACE_CONT, thread, ptr::null_mut::<libc::c_void>(), signal);
            }
            libc::nanosleep(&BETWEEN_LOOKS, ptr::null_mut());
        }
    }
}

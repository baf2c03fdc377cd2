//! From fork to exec: a child that waits at a gate until it may become the program. Restores what was inherited, so
//! that the program starts exactly as if nobody stood in between.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::addressed::Addressed;
use super::inherited;
use super::lifeline;
use super::signal::{Disposition, Mask, Signal, SignalSet, mask, set_disposition};
use crate::model::ids::Pid;

/// What the child ends with if it was never let through the gate.
const NEVER_RAN: libc::c_int = 125;
const NOT_EXECUTABLE: libc::c_int = 126;
const NOT_FOUND: libc::c_int = 127;

/// A program with its arguments and environment as execve wants them.
#[derive(Debug)]
pub(crate) struct Image {
    program: CString,
    argv: Vec<CString>,
    env: Vec<CString>,
}

impl Image {
    /// Fails only where a string has a zero byte inside.
    pub(crate) fn new(program: &Path, argv: &[OsString], env: &[(OsString, OsString)]) -> io::Result<Self> {
        let argv = argv.iter().map(|word| CString::new(word.as_bytes()));
        let env = env.iter().map(|(name, value)| {
            let mut entry = name.clone().into_vec();
            entry.push(b'=');
            entry.extend_from_slice(value.as_bytes());
            CString::new(entry)
        });
        Ok(Self {
            program: CString::new(program.as_os_str().as_bytes())?,
            argv: argv.collect::<Result<_, _>>()?,
            env: env.collect::<Result<_, _>>()?,
        })
    }
}

/// Becomes the program: this process, its descriptors, its place in groups and sessions. Returns only if it cannot.
pub(crate) fn become_image(image: &Image) -> Errno {
    let argv = pointers(&image.argv);
    let env = pointers(&image.env);
    let shell_argv = shell_argv(&image.program, &argv);
    // SAFETY: every pointer is live and every array ends in a null; on return nothing but signals and descriptors
    // that were closed to begin with has changed.
    unsafe {
        restore(inherited::mask(), inherited::ignored(), inherited::closed());
        libc::execve(image.program.as_ptr(), argv.as_ptr(), env.as_ptr());
        if Errno::last() == Errno::ENOEXEC {
            libc::execve(c"/bin/sh".as_ptr(), shell_argv.as_ptr(), env.as_ptr());
        }
    }
    Errno::last()
}

/// Parent's side of a child that waits at its gate.
#[derive(Debug)]
pub(crate) struct Gated {
    pub(crate) pid: Pid,
    /// One byte lets the child through; end of file ends it.
    pub(crate) gate: OwnedFd,
    /// Carries the errno of an exec that failed; end of file when it succeeded. Never blocks.
    pub(crate) failure: OwnedFd,
}

/// Forks. The caller has one thread and has blocked every signal.
pub(crate) fn fork_gated(image: &Image) -> io::Result<Gated> {
    let (gate_read, gate) = pipe2(OFlag::O_CLOEXEC)?;
    let (failure, failure_write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    // SAFETY: getpid has no preconditions.
    let launcher = unsafe { libc::getpid() };
    let argv = pointers(&image.argv);
    let env = Addressed::to_child_of(launcher, &image.env);
    let shell_argv = shell_argv(&image.program, &argv);
    let lifelines = lifeline::numbers();
    let child = Child {
        launcher,
        program: image.program.as_ptr(),
        argv: argv.as_ptr(),
        shell_argv: shell_argv.as_ptr(),
        env: &env,
        lifelines: &lifelines,
        gate: gate_read.as_raw_fd(),
        gate_write: gate.as_raw_fd(),
        failure: failure_write.as_raw_fd(),
        mask: inherited::mask(),
        ignored: inherited::ignored(),
        closed: inherited::closed(),
    };
    // SAFETY: `Child::run` is async-signal-safe, as its comment argues, and every pointer in `child` outlives the call
    // in both processes.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: as above; this is the child.
        0 => unsafe { child.run() },
        pid => {
            // In the child too: whoever is first, the group exists when either goes on. EACCES (it has done exec)
            // cannot be before the gate opens.
            // SAFETY: setpgid has no preconditions.
            unsafe { libc::setpgid(pid, pid) };
            Ok(Gated { pid: Pid(pid), gate, failure })
        }
    }
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// What execvp and every shell do with a script that names no interpreter: /bin/sh reads it.
fn shell_argv(program: &CString, argv: &[*const libc::c_char]) -> Vec<*const libc::c_char> {
    let rest = argv.get(1..).filter(|rest| !rest.is_empty()).unwrap_or(&[ptr::null()]);
    [c"/bin/sh".as_ptr(), program.as_ptr()].into_iter().chain(rest.iter().copied()).collect()
}

/// Everything the child needs, worked out before the fork.
struct Child<'a> {
    launcher: libc::pid_t,
    program: *const libc::c_char,
    argv: *const *const libc::c_char,
    shell_argv: *const *const libc::c_char,
    env: &'a Addressed,
    lifelines: &'a [RawFd],
    gate: RawFd,
    gate_write: RawFd,
    failure: RawFd,
    mask: SignalSet,
    ignored: SignalSet,
    closed: [bool; 3],
}

impl Child<'_> {
    /// The child from fork to exec.
    ///
    /// # Safety
    /// To be called right after fork, with live pointers. Async-signal-safe: it makes system calls and loops over
    /// slices; it neither allocates nor locks nor can it panic.
    unsafe fn run(&self) -> ! {
        // SAFETY: system calls with numbers and with pointers that the caller vouches for.
        unsafe {
            // First: a seat that stayed open here would be held while the launcher is dead, and a gate whose write end
            // we hold ourselves never ends.
            for fd in self.lifelines {
                libc::close(*fd);
            }
            libc::close(self.gate_write);
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            // The launcher may have died before that took effect. Not compared with 1: it may be process 1.
            if libc::getppid() != self.launcher {
                libc::_exit(NEVER_RAN);
            }
            libc::setpgid(0, 0);
            self.wait_at_gate();
            restore(self.mask, self.ignored, self.closed);
            self.env.say(libc::getpid());
            libc::execve(self.program, self.argv, self.env.as_ptr());
            let errno = *libc::__errno_location();
            if errno == libc::ENOEXEC {
                libc::execve(c"/bin/sh".as_ptr(), self.shell_argv, self.env.as_ptr());
            }
            libc::write(self.failure, (&raw const errno).cast(), size_of::<libc::c_int>());
            libc::_exit(if errno == libc::ENOENT { NOT_FOUND } else { NOT_EXECUTABLE })
        }
    }

    /// # Safety
    /// As [`Child::run`].
    unsafe fn wait_at_gate(&self) {
        let mut byte = 0_u8;
        // SAFETY: `byte` is valid for writes of one byte.
        unsafe {
            loop {
                match libc::read(self.gate, (&raw mut byte).cast(), 1) {
                    1 => return,
                    -1 if *libc::__errno_location() == libc::EINTR => {}
                    _ => libc::_exit(NEVER_RAN),
                }
            }
        }
    }
}

/// Puts back what was inherited. The mask comes last: what arrived meanwhile is delivered under the dispositions that
/// the program would have had. Async-signal-safe.
///
/// # Safety
/// Nothing of ours may use a standard descriptor afterwards that was closed at the start.
unsafe fn restore(blocked: SignalSet, ignored: SignalSet, closed: [bool; 3]) {
    for signal in Signal::all() {
        let to = if ignored.contains(signal) { Disposition::Ignore } else { Disposition::Default };
        set_disposition(signal, to);
    }
    for (fd, closed) in (0..).zip(closed) {
        if closed {
            // SAFETY: the program shall find it closed, and the caller vouches that nobody else uses it.
            unsafe { libc::close(fd) };
        }
    }
    mask(Mask::Set, blocked);
}

/// The errno of an exec that failed, once the child has ended.
pub(crate) fn failure(pipe: &OwnedFd) -> Option<Errno> {
    let mut bytes = [0_u8; size_of::<i32>()];
    let read = nix::unistd::read(pipe, &mut bytes).ok()?;
    (read == bytes.len()).then(|| Errno::from_raw(i32::from_ne_bytes(bytes)))
}

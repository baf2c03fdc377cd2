//! Which process is meant, and whether it lives. A pidfd decides that, never whether /proc can be read and never
//! kill(pid, 0): that succeeds on zombies and fails on processes of other users.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::unistd::getsid;

use crate::model::identity::{Evidence, Here, Identity, Life};
use crate::model::ids::Pid;
use crate::sys::pidfd::Pidfd;

use super::proc_dir::Proc;
use super::stat::{Stat, State};

/// Where this process stands.
///
/// # Errors
/// Where /proc does not tell: then no process can be told apart from others.
pub(crate) fn here() -> io::Result<Here> {
    let boot = read("/proc/sys/kernel/random/boot_id")?;
    Ok(Here {
        boot: String::from_utf8_lossy(&boot).trim().to_owned(),
        pid_namespace: namespace("/proc/self/ns/pid")?,
        network_namespace: namespace("/proc/self/ns/net")?,
    })
}

/// The identity of this process.
///
/// # Errors
/// Where /proc does not tell.
pub(crate) fn own_identity(here: &Here) -> io::Result<Identity> {
    // By /proc/self, which means us also where /proc is of another pid namespace.
    let stat = Stat::parse(&read("/proc/self/stat")?).ok_or(io::ErrorKind::InvalidData)?;
    Ok(identity(here, own_pid(), stat.start))
}

/// The identity of a process that is there, a zombie included; `None` if it is not, or if /proc does not show it.
pub(crate) fn identity_of(here: &Here, pid: Pid) -> Option<Identity> {
    Some(identity(here, pid, Proc::here().stat(pid)?.start))
}

/// The verdict on a process.
pub(crate) fn life(here: &Here, process: &Identity) -> Life {
    here.judge(process, || evidence(Proc::here(), process.pid))
}

pub(super) fn own_pid() -> Pid {
    Pid(nix::unistd::getpid().as_raw())
}

fn identity(here: &Here, pid: Pid, start: u64) -> Identity {
    Identity { boot: here.boot.clone(), namespace: here.pid_namespace, pid, start }
}

/// What can be found out about the process with this number. Needs no permission over it.
pub(super) fn evidence(proc: Proc, pid: Pid) -> Evidence {
    let opened = Pidfd::open(pid);
    if opened.as_ref().is_err_and(names_no_process) {
        return Evidence::Gone;
    }
    let stat = proc.stat(pid);
    let ended = match opened {
        // Silent after the reading: the number was its own all the time.
        Ok(process) => process.has_ended(),
        // Kernels before 5.3 and some sandboxes have no pidfd, and descriptors can run out.
        Err(_) => is_gone(pid) || stat.is_some_and(|stat| stat.state == State::Ended),
    };
    if ended {
        return Evidence::Gone;
    }
    let stopped = stat.is_some_and(|stat| stat.state == State::Stopped);
    Evidence::Running { start: stat.map(|stat| stat.start), stopped }
}

/// ESRCH: nothing has the number. EINVAL and, on newer kernels, ENOENT: a thread has it, or it is none.
fn names_no_process(error: &Errno) -> bool {
    matches!(error, Errno::ESRCH | Errno::EINVAL | Errno::ENOENT)
}

/// Unlike kill(2), getsid(2) asks for no permission.
fn is_gone(pid: Pid) -> bool {
    getsid(Some(nix::unistd::Pid::from_raw(pid.0))) == Err(Errno::ESRCH)
}

fn namespace(path: &str) -> io::Result<u64> {
    fs::metadata(path).map(|file| file.ino()).map_err(|error| named(path, error))
}

fn read(path: &str) -> io::Result<Vec<u8>> {
    fs::read(path).map_err(|error| named(path, error))
}

fn named(path: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot read {path}: {error}"))
}

//! The directories of processes in /proc, held open while they are read: what is read from one belongs to one
//! process, whatever becomes of its number.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, fstat};

use crate::model::ids::{Pid, Uid};

use super::stat::Stat;

/// /proc as it is mounted here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proc {
    mount: Mount,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mount {
    /// It numbers processes as we do.
    Ours,
    /// Of another pid namespace (`unshare --pid` without a mount): its numbers are other processes'.
    Foreign,
}

/// One process's directory.
#[derive(Debug)]
pub(super) struct ProcDir {
    dir: OwnedFd,
}

impl Proc {
    pub(super) fn here() -> Self {
        let own_number = std::process::id().to_string();
        let ours = fs::read_link("/proc/self").is_ok_and(|link| link == Path::new(&own_number));
        Self { mount: if ours { Mount::Ours } else { Mount::Foreign } }
    }

    /// Opens the directory of a process.
    ///
    /// # Errors
    /// ENOENT where the process is not there, or not shown (hidepid), or where /proc is of another namespace.
    pub(super) fn open(self, pid: Pid) -> io::Result<ProcDir> {
        if self.mount == Mount::Foreign {
            return Err(io::ErrorKind::NotFound.into());
        }
        // O_PATH asks for no permission over the directory itself, which hidepid=1 would refuse.
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = open(Path::new(&format!("/proc/{pid}")), flags, Mode::empty())?;
        Ok(ProcDir { dir })
    }

    /// `None` where it cannot be read, for whatever reason.
    pub(super) fn stat(self, pid: Pid) -> Option<Stat> {
        Stat::parse(&self.open(pid).ok()?.read("stat").ok()?)
    }
}

impl ProcDir {
    /// The effective uid, which the kernel shows as the owner of the directory, also under hidepid=1.
    ///
    /// # Errors
    /// ENOENT under hidepid=2.
    pub(super) fn uid(&self) -> io::Result<Uid> {
        Ok(Uid(fstat(&self.dir)?.st_uid))
    }

    /// The beginning of one of its files: a process may give itself a command line of megabytes.
    ///
    /// # Errors
    /// EPERM under hidepid=1; ENOENT or ESRCH when the process is gone.
    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        const MOST: u64 = 64 * 1024;
        let file = openat(&self.dir, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        // Room for nearly all of them at once: the kernel writes the text anew for every read.
        let mut text = Vec::with_capacity(4096);
        File::from(file).take(MOST).read_to_end(&mut text)?;
        Ok(text)
    }
}

//! What the launcher gives up once its command has it: descriptors that came from outside would keep a pipe, a lock or a
//! socket of the user's open for as long as we live.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::sys::stat::Mode;
use nix::unistd::{dup2_stdin, dup2_stdout};

/// Closes every descriptor from 3 up that would survive exec: ours are all close-on-exec, so these came from whoever
/// started us. Then /dev/null takes the place of 0 and 1; 2 stays for messages.
pub(crate) fn let_go_of_inherited() -> io::Result<()> {
    for fd in inherited()? {
        // SAFETY: it is not close-on-exec, so no owner in this program made it, and it is open as just read: there is
        // one thread.
        unsafe { libc::close(fd) };
    }
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    Ok(())
}

fn inherited() -> io::Result<Vec<RawFd>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(fd) = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()) else {
            continue;
        };
        // SAFETY: the number was just read from the list of open ones, and is only asked for its flags.
        let flags = fcntl(unsafe { BorrowedFd::borrow_raw(fd) }, FcntlArg::F_GETFD);
        let survives = flags.is_ok_and(|bits| !FdFlag::from_bits_retain(bits).contains(FdFlag::FD_CLOEXEC));
        if fd > 2 && survives {
            found.push(fd);
        }
    }
    Ok(found)
}

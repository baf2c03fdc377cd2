//! How large a terminal is.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Columns and rows of a terminal; neither is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
}

/// The size of the terminal behind `fd`. None where it is no terminal, or one that does not know (a pty without a
/// size reports zero).
pub(crate) fn of(fd: BorrowedFd<'_>) -> Option<Size> {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: TIOCGWINSZ writes one winsize to the address given, which is valid for that; the descriptor is borrowed.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, size.as_mut_ptr()) };
    if result != 0 {
        return None;
    }
    // SAFETY: winsize is four integers, for which zero is a value, and the call above succeeded.
    let libc::winsize { ws_row: rows, ws_col: columns, .. } = unsafe { size.assume_init() };
    (columns > 0 && rows > 0).then_some(Size { columns, rows })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_terminal_tells_its_size_and_a_file_has_none() {
        let wanted = nix::pty::Winsize { ws_row: 24, ws_col: 61, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = nix::pty::openpty(Some(&wanted), None).unwrap();
        assert_eq!(of(pty.slave.as_fd()), Some(Size { columns: 61, rows: 24 }));
        assert_eq!(of(nix::pty::openpty(None, None).unwrap().slave.as_fd()), None, "it reports zero");
        assert_eq!(of(std::fs::File::open("/dev/null").unwrap().as_fd()), None);
    }
}

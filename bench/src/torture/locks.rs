//! Exclusive locks that children inherit, and that can be looked at without being taken (which flock cannot).

use std::fs::File;
use std::os::fd::AsRawFd;

/// Takes the lock of the file, unless somebody has it. It goes with the last descriptor of this opening.
pub(crate) fn take(file: &File) -> bool {
    let mut wanted = whole(libc::F_WRLCK);
    // SAFETY: the descriptor is open and `wanted` a flock that the call may read.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw mut wanted) == 0 }
}

/// Gives it back at once: a child that is about to be executed may still have a copy of the descriptor.
pub(crate) fn give_back(file: &File) {
    let mut nothing = whole(libc::F_UNLCK);
    // SAFETY: as in `take`.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw mut nothing) };
}

/// Whether somebody else has it.
pub(crate) fn is_taken(file: &File) -> bool {
    let mut asked = whole(libc::F_RDLCK);
    // SAFETY: the descriptor is open and `asked` a flock that the call may write to.
    let answered = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut asked) == 0 };
    answered && i32::from(asked.l_type) != libc::F_UNLCK
}

fn whole(kind: i32) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_seen_without_being_taken_and_goes_with_its_file() {
        let path = std::env::temp_dir().join(format!("chg-lock-{}", std::process::id()));
        let open =
            || File::options().create(true).truncate(true).read(true).write(true).open(&path).expect("open");
        let (mine, other) = (open(), open());
        assert!(!is_taken(&other) && take(&mine) && is_taken(&other) && !take(&other));
        let inherited = mine.try_clone().expect("dup");
        drop(mine);
        assert!(is_taken(&other), "a copy of the descriptor keeps it");
        give_back(&inherited);
        assert!(!is_taken(&other) && take(&other));
        std::fs::remove_file(&path).expect("remove");
    }
}

//! Acting on files as somebody else, for one thread and one scope. Only root can; what else the thread may do stays.

use std::io;
use std::marker::PhantomData;

/// While it lives, this thread touches files with another identity. Dropping it restores the thread's own.
#[derive(Debug)]
pub(crate) struct ActingAs {
    uid: libc::uid_t,
    gid: libc::gid_t,
    death_signal: libc::c_int,
    dumpable: libc::c_int,
    /// The identity is the thread's: the guard must not wander to another one.
    _of_this_thread: PhantomData<*const ()>,
}

/// Takes the filesystem identity of `uid` and `gid`.
///
/// # Errors
/// The kernel did not grant it; nothing was changed.
pub(crate) fn act_as(uid: u32, gid: u32) -> io::Result<ActingAs> {
    // A change of identity clears both (commit_creds in the kernel), which has nothing to do with files.
    let (death_signal, dumpable) = (death_signal(), dumpable());
    let before = ActingAs {
        gid: set_gid(gid),
        uid: set_uid(uid),
        death_signal,
        dumpable,
        _of_this_thread: PhantomData,
    };
    // setfsuid reports no failure: asking for an impossible id tells which one is in force.
    if set_uid(libc::uid_t::MAX) != uid || set_gid(libc::gid_t::MAX) != gid {
        drop(before);
        return Err(io::Error::from(io::ErrorKind::PermissionDenied));
    }
    Ok(before)
}

impl Drop for ActingAs {
    fn drop(&mut self) {
        set_uid(self.uid);
        set_gid(self.gid);
        // SAFETY: prctl with these options takes an integer and touches no memory of ours.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, self.death_signal, 0, 0, 0);
            if self.dumpable == 1 {
                libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0);
            }
        }
    }
}

fn set_uid(uid: libc::uid_t) -> libc::uid_t {
    // SAFETY: setfsuid takes an integer and touches no memory of ours; glibc makes it for this thread alone.
    let before = unsafe { libc::setfsuid(uid) };
    before.cast_unsigned()
}

fn set_gid(gid: libc::gid_t) -> libc::gid_t {
    // SAFETY: as in `set_uid`.
    let before = unsafe { libc::setfsgid(gid) };
    before.cast_unsigned()
}

fn death_signal() -> libc::c_int {
    let mut signal: libc::c_int = 0;
    // SAFETY: PR_GET_PDEATHSIG writes one int through the pointer, which is valid for that.
    unsafe { libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut signal, 0, 0, 0) };
    signal
}

fn dumpable() -> libc::c_int {
    // SAFETY: PR_GET_DUMPABLE takes no pointer.
    unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn files_made_meanwhile_are_the_others_and_the_rest_is_as_before() {
        if !nix::unistd::geteuid().is_root() {
            let _ = writeln!(io::stderr(), "SKIP: only root can act as somebody else");
            return;
        }
        let place = tempfile::tempdir_in(fakenvml::ground()).unwrap();
        std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let dumpable_before = dumpable();

        let guard = act_as(12_345, 12_346).unwrap();
        std::fs::write(place.path().join("theirs"), "").unwrap();
        drop(guard);
        std::fs::write(place.path().join("ours"), "").unwrap();

        let theirs = std::fs::metadata(place.path().join("theirs")).unwrap();
        assert_eq!((theirs.uid(), theirs.gid()), (12_345, 12_346));
        assert_eq!(std::fs::metadata(place.path().join("ours")).unwrap().uid(), 0);
        assert_eq!(dumpable(), dumpable_before);
    }
}

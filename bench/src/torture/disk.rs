//! What happens to an embedded store: its disk is full for a while, somebody sits on its lock, its file is removed.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bench::Result;
use rusqlite::Connection;

use crate::random::Random;
use crate::world::World;

/// A disk of a few megabytes, which only this program and its children see.
#[derive(Debug)]
pub(crate) struct Small(PathBuf);

impl Small {
    /// Puts it where the store will be. `None` where that is not allowed.
    pub(crate) fn mount(directory: &Path) -> Option<Self> {
        let mounted = mount(directory);
        if !mounted {
            println!("SKIP: no file system can be mounted here, so that no disk is ever full");
        }
        mounted.then(|| Self(directory.to_owned()))
    }

    fn fill(&self) -> Result<PathBuf> {
        let path = self.0.join("filler");
        let mut file = File::create(&path)?;
        let some = [0; 4096];
        while file.write_all(&some).is_ok() {}
        Ok(path)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let Ok(path) = std::ffi::CString::new(self.0.as_os_str().as_bytes()) else { return };
        // SAFETY: the path is a string that ends with NUL.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    }
}

/// A file system of our own at `directory`, where nobody else sees it.
fn mount(directory: &Path) -> bool {
    let Ok(path) = std::ffi::CString::new(directory.as_os_str().as_bytes()) else { return false };
    let none = std::ptr::null();
    // SAFETY: every string ends with NUL, and the kernel only reads them.
    unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none.cast()) == 0
            && libc::mount(
                c"tmpfs".as_ptr(),
                path.as_ptr(),
                c"tmpfs".as_ptr(),
                libc::MS_NOSUID | libc::MS_NODEV,
                c"size=4m,mode=0777".as_ptr().cast(),
            ) == 0
    }
}

/// Does one of these. The store is well when this returns.
pub(crate) fn strike(world: &World, random: &mut Random) -> Result<()> {
    let span = Duration::from_millis(random.between(0, 1_500));
    match (random.between(0, 3), &world.disk) {
        (0, Some(disk)) => {
            world.store_goes(false);
            world.note(&format!("the disk is full, for {span:?}"));
            let filler = disk.fill()?;
            std::thread::sleep(span);
            fs::remove_file(filler)?;
            world.store_is_back();
        }
        (1, _) => {
            let _no_manual_reservation = world.data.write();
            world.store_goes(true);
            world.note("the database is removed");
            for name in ["pool.db", "pool.db-wal", "pool.db-shm"] {
                let removed = fs::remove_file(world.place.directory.join(name));
                removed.or_else(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                })?;
            }
            world.store_is_back();
        }
        // No outage: whoever comes has to wait, and no more.
        _ => {
            world.note(&format!("somebody sits on the database's lock, for {span:?}"));
            let database = Connection::open(world.place.directory.join("pool.db"))?;
            database.busy_timeout(Duration::from_secs(20))?;
            database.execute_batch("BEGIN IMMEDIATE")?;
            std::thread::sleep(span);
            database.execute_batch("ROLLBACK")?;
        }
    }
    Ok(())
}

//! The ground that the embedded store stands on: where its path leads, by nobody else's hand, and that it is this
//! machine's alone.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statfs::statfs;
use nix::unistd::geteuid;

use super::place::explain;
use crate::store::StoreError;
use crate::store::session::Session;

/// File systems that several hosts have at once, by the numbers of statfs(2). SQLite's log is shared memory, which ends
/// at the host (sqlite.org/wal.html). What FUSE shows is left out: it tells only that it is FUSE.
const OF_THE_NETWORK: [(i64, &str); 11] = [
    (0x6969, "NFS"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x517B, "SMB"),
    (0x5346_414F, "AFS"),
    (0x7375_7245, "Coda"),
    (0x564C, "NCP"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x00C3_6400, "Ceph"),
];

/// Where `directory` leads; `None` if there is none.
pub(super) fn resolve(directory: &Path, session: &Session) -> Result<Option<PathBuf>, StoreError> {
    let failed = |error: io::Error| explain(session, directory, &error);
    match fs::symlink_metadata(directory) {
        Ok(found) if found.is_symlink() => refuse_foreign_link(directory, found.uid(), session)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
        Ok(_) => {}
    }
    // The kernel follows nobody's links in a sticky directory but their owner's (fs.protected_symlinks); realpath(3)
    // reads them one by one and would.
    let by_kernel = match fs::metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    let resolved = fs::canonicalize(directory).map_err(failed)?;
    let by_name = fs::symlink_metadata(&resolved).map_err(failed)?;
    if (by_kernel.dev(), by_kernel.ino()) != (by_name.dev(), by_name.ino()) {
        return Err(session.unfit(format!("{} is being moved about", directory.display())));
    }
    Ok(Some(resolved))
}

/// In a directory where anybody may make links, one of somebody else's could lead root anywhere.
fn refuse_foreign_link(link: &Path, maker: u32, session: &Session) -> Result<(), StoreError> {
    let parent = link.parent().unwrap_or(Path::new("/"));
    let around = fs::metadata(parent).map_err(|error| explain(session, parent, &error))?;
    let anybody_may = around.mode() & 0o1002 == 0o1002;
    if anybody_may && maker != geteuid().as_raw() && maker != around.uid() {
        return Err(session.unfit(format!("{} is a link that uid {maker} made", link.display())));
    }
    Ok(())
}

/// Refuses a directory that other hosts may use at the same time.
pub(super) fn refuse_shared(directory: &Path, session: &Session) -> Result<(), StoreError> {
    let found = statfs(directory).map_err(|errno| explain(session, directory, &errno.into()))?;
    match of_the_network(found.filesystem_type().0) {
        Some(name) => Err(session.unfit(format!(
            "{} lies on a network file system ({name}), which does not keep several hosts apart",
            directory.display()
        ))),
        None => Ok(()),
    }
}

fn of_the_network(number: i64) -> Option<&'static str> {
    // The kernel's numbers have 32 bits; some architectures show them with a sign.
    let known = |entry: &&(i64, &str)| entry.0 == number & 0xFFFF_FFFF;
    OF_THE_NETWORK.iter().find(known).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_of_the_network_are_told_from_those_of_a_machine() {
        let ours = [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x2FC1_2FC1, 0x6573_5546];
        assert!(ours.iter().all(|number| of_the_network(*number).is_none()), "ext4, XFS, Btrfs, tmpfs, …");
        assert_eq!(of_the_network(0x6969), Some("NFS"));
        assert_eq!(of_the_network(i64::from(0xFF53_4D42_u32.cast_signed())), Some("CIFS"));
    }
}

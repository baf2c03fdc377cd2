//! Where the embedded store lies: its directory and database file, checked before SQLite sees them, and made so that
//! nobody ever meets them half done.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, Flock, FlockArg, RenameFlags, renameat2};
use nix::unistd::{AccessFlags, Gid, geteuid};

use super::{ground, schema};
use crate::model::ids::Uid;
use crate::store::StoreError;
use crate::store::session::{Session, jittered};
use crate::sys::fsid::{self, ActingAs};

const DATABASE: &str = "pool.db";
/// Under construction; only ever touched under the directory's lock.
const UNFINISHED: &str = "pool.db.new";
const STICKY: u32 = 0o1000;
const SET_GROUP: u32 = 0o2000;

/// Who may use a store that is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Access {
    /// Mode 0777.
    #[default]
    Everybody,
    /// Mode 2770, for this group.
    Group(u32),
}

/// What to do about a store that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Make(Access),
    Fail,
}

/// What lies where an embedded store is, or would be. Nothing is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) directory: Option<Rights>,
    pub(crate) database: Option<Rights>,
}

/// Whose a file is, and who may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) owner: Uid,
    /// The nine bits of read, write and execute, and those in front of them.
    pub(crate) mode: u32,
}

/// Looks at the files of the store in `directory`.
pub(crate) fn files(directory: &Path) -> Files {
    let rights = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some(Rights { owner: Uid(found.uid()), mode: found.mode() & 0o7777 })
    };
    Files { directory: rights(directory), database: rights(&directory.join(DATABASE)) }
}

/// A database that is there and fit to be opened.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    /// Device and inode: a database that was replaced is another one.
    pub(super) identity: (u64, u64),
    /// Uid and gid of the database: whoever came first.
    owner: (u32, u32),
    /// Uid of the directory: whose store it is.
    pub(super) keeper: u32,
}

impl Place {
    /// Finds the database of the store in `directory`, or makes it.
    pub(super) fn find(
        directory: &Path,
        missing: Missing,
        session: &Session,
        until: Instant,
    ) -> Result<Self, StoreError> {
        let directory = match (ground::resolve(directory, session)?, missing) {
            (Some(directory), _) => directory,
            (None, Missing::Make(access)) => make_directory(directory, access, session)?,
            (None, Missing::Fail) => return Err(session.unreachable("there is none")),
        };
        let keeper = check_directory(&directory, session)?;
        let file = directory.join(DATABASE);
        match fs::symlink_metadata(&file) {
            Ok(found) => Self::checked(file, &found, keeper, session),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let Missing::Make(_) = missing else { return Err(session.unreachable("there is none")) };
                make_database(&directory, session, until)?;
                let found = fs::symlink_metadata(&file).map_err(|error| explain(session, &file, &error))?;
                Self::checked(file, &found, keeper, session)
            }
            Err(error) => Err(explain(session, &file, &error)),
        }
    }

    /// A name that leads elsewhere, or a file with a second name, could be anybody's file that is not a pool.
    fn checked(file: PathBuf, found: &Metadata, keeper: u32, session: &Session) -> Result<Self, StoreError> {
        if !found.is_file() || found.nlink() != 1 {
            return Err(session.foreign(format!("{} is not a plain file of its own", file.display())));
        }
        let owner = (found.uid(), found.gid());
        {
            let _identity = identity(owner, session)?;
            let may = nix::unistd::eaccess(&file, AccessFlags::R_OK | AccessFlags::W_OK);
            may.map_err(|errno| explain(session, &file, &errno.into()))?;
        }
        Ok(Self { file, identity: (found.dev(), found.ino()), owner, keeper })
    }

    /// Whether this database is still the one that everybody else finds.
    pub(super) fn is_current(&self) -> bool {
        // By name: closing a descriptor of the file would drop SQLite's locks on it.
        fs::symlink_metadata(&self.file).is_ok_and(|found| (found.dev(), found.ino()) == self.identity)
    }

    pub(super) fn identity(&self, session: &Session) -> Result<Option<ActingAs>, StoreError> {
        identity(self.owner, session)
    }
}

/// Root works on another's store as that other one: what lies in a directory that anybody may write to must not make
/// root write elsewhere, and files that SQLite makes beside the database must stay the owner's.
fn identity((uid, gid): (u32, u32), session: &Session) -> Result<Option<ActingAs>, StoreError> {
    if !geteuid().is_root() || uid == 0 {
        return Ok(None);
    }
    fsid::act_as(uid, gid)
        .map(Some)
        .map_err(|error| session.denied(format!("as its owner, uid {uid}: {error}")))
}

/// Whether the directory will do for all its users; whose it is.
fn check_directory(directory: &Path, session: &Session) -> Result<u32, StoreError> {
    let found = fs::metadata(directory).map_err(|error| explain(session, directory, &error))?;
    if !found.is_dir() {
        return Err(session.foreign(format!("{} is not a directory", directory.display())));
    }
    // Whoever comes first makes SQLite's -wal and -shm, and in a sticky directory the kernel then keeps the others,
    // even the owner, from them (fs.protected_regular).
    if found.mode() & STICKY != 0 && found.mode() & 0o022 != 0 {
        let directory = directory.display();
        return Err(session
            .denied(format!("{directory} is sticky, which locks its users out; 'chmod -t {directory}'")));
    }
    ground::refuse_shared(directory, session)?;
    let _identity = identity((found.uid(), found.gid()), session)?;
    // SQLite makes files beside the database: reading alone is not enough.
    let may = nix::unistd::eaccess(directory, AccessFlags::W_OK | AccessFlags::X_OK);
    may.map_err(|errno| explain(session, directory, &errno.into()))?;
    Ok(found.uid())
}

/// Makes the directory with its final mode under another name, and gives it its own when it is right.
fn make_directory(directory: &Path, access: Access, session: &Session) -> Result<PathBuf, StoreError> {
    let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
        return Err(session.foreign("it has no name"));
    };
    let parent = fs::canonicalize(parent).map_err(|error| explain(session, parent, &error))?;
    ground::refuse_shared(&parent, session)?;
    let wanted = parent.join(name);
    let failed = |error: io::Error| explain(session, &wanted, &error);
    let unfinished = parent.join(format!(".{}.{}", name.to_string_lossy(), session.candidate));
    DirBuilder::new().mode(0o700).create(&unfinished).map_err(failed)?;
    let made = open_up(&unfinished, access).and_then(|()| {
        match renameat2(AT_FDCWD, &unfinished, AT_FDCWD, &wanted, RenameFlags::RENAME_NOREPLACE) {
            // Not every filesystem knows the flag; a directory with something in it is not replaced anyway.
            Err(Errno::EINVAL) => fs::rename(&unfinished, &wanted),
            other => other.map_err(io::Error::from),
        }
    });
    match made {
        Ok(()) => Ok(wanted),
        Err(error) => {
            // Best effort: what counts is whether somebody else was quicker.
            let _ = fs::remove_dir(&unfinished);
            ground::resolve(&wanted, session)?.ok_or_else(|| failed(error))
        }
    }
}

fn open_up(directory: &Path, access: Access) -> io::Result<()> {
    let mode = match access {
        Access::Everybody => 0o777,
        Access::Group(gid) => {
            nix::unistd::chown(directory, None, Some(Gid::from_raw(gid)))?;
            0o770 | SET_GROUP
        }
    };
    fs::set_permissions(directory, Permissions::from_mode(mode))
}

/// Makes the database beside its place and moves it there whole. The directory's lock lets one do it at a time.
fn make_database(directory: &Path, session: &Session, until: Instant) -> Result<(), StoreError> {
    let found = fs::metadata(directory).map_err(|error| explain(session, directory, &error))?;
    let _identity = identity((found.uid(), found.gid()), session)?;
    let _lock = lock(directory, session, until)?;
    let file = directory.join(DATABASE);
    if fs::symlink_metadata(&file).is_ok() {
        return Ok(());
    }
    let failed = |error: io::Error| explain(session, &file, &error);
    let unfinished = directory.join(UNFINISHED);
    // Left behind by somebody who was killed here, or by whoever removed the database alone: SQLite would take an
    // old log for this database's.
    for stale in [UNFINISHED, "pool.db.new-wal", "pool.db.new-shm", "pool.db-wal", "pool.db-shm"] {
        match fs::remove_file(directory.join(stale)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    // SQLite would make it 0644 whatever the directory says.
    let mode = found.mode() & 0o666;
    make_empty(&unfinished, mode).map_err(failed)?;
    schema::make(&unfinished, session)?;
    // SQLite makes these two under the umask and opens them up afterwards: another account that looks in between is
    // refused, and takes the store for one that can only be read.
    for beside in ["pool.db-wal", "pool.db-shm"] {
        make_empty(&directory.join(beside), mode).map_err(failed)?;
    }
    fs::rename(&unfinished, &file).map_err(failed)
}

fn make_empty(file: &Path, mode: u32) -> io::Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    made.set_permissions(Permissions::from_mode(mode))
}

fn lock(directory: &Path, session: &Session, until: Instant) -> Result<Flock<File>, StoreError> {
    let begun = Instant::now();
    let mut handle = File::open(directory).map_err(|error| explain(session, directory, &error))?;
    loop {
        match Flock::lock(handle, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((_, errno)) if errno != Errno::EWOULDBLOCK => {
                return Err(explain(session, directory, &errno.into()));
            }
            Err(_) if Instant::now() >= until => return Err(session.busy(begun)),
            Err((again, _)) => handle = again,
        }
        std::thread::sleep(jittered(Duration::from_millis(1), Duration::from_millis(3)));
    }
}

/// What an error of the filesystem means for the reader.
pub(super) fn explain(session: &Session, path: &Path, error: &io::Error) -> StoreError {
    let cause = format!("{}: {}", path.display(), Errno::from_raw(error.raw_os_error().unwrap_or(0)).desc());
    match error.kind() {
        io::ErrorKind::PermissionDenied => session.denied(cause),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => session.unreachable(cause),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            session.not_writable(cause)
        }
        _ => session.unreachable(cause),
    }
}

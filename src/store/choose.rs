//! Which store a host uses when nobody named one: the same for every user, and never another one because the first
//! does not answer.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::open::Options;
use super::redis::RedisStore;
use super::session::Session;
use super::sqlite::{Access, Missing};
use super::url::{RedisUrl, Server, StoreUrl};
use crate::model::ids::GpuIndex;
use crate::model::pool::Pool;

/// The store of a host whose administrator made one.
pub(crate) const SYSTEM: &str = "/var/lib/canhazgpu";
/// The store of any other host, made at its first use. (/dev/shm will not do: logind removes a user's files there.)
pub(crate) const FALLBACK: &str = "/var/tmp/canhazgpu";
/// The inode of the pid namespace that a kernel starts with (PROC_PID_INIT_INO).
const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;
/// Where the Go program looks for its Redis.
const GO_REDIS: (&str, u16) = ("localhost", 6379);
pub(crate) const GO_REDIS_URL: &str = "redis://localhost:6379/0";

/// What the choice depends on; asked only when it can matter.
pub(crate) trait Facts {
    fn exists(&self, directory: &Path) -> bool;

    /// Whether this process is outside the pid namespace that the kernel started with.
    fn in_container(&self) -> bool;

    /// A configuration file of the Go program in the user's home.
    fn go_config(&self) -> Option<PathBuf>;

    /// A pool of the Go program on this host's Redis: its size, as the record says it.
    fn go_pool(&self) -> Option<String>;
}

/// The store to use, and whether it may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) url: StoreUrl,
    pub(crate) missing: Missing,
}

/// Why no store is made before somebody has named one; each says which setting does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "this is a container, and a pool made in it would not be the host's; name the store to use, such as --store sqlite:{SYSTEM}"
    )]
    Container,
    #[error(
        "{} configures the Go canhazgpu; name the store to use: --store {GO_REDIS_URL} to share with it, --store sqlite:{FALLBACK} to leave it",
        path.display()
    )]
    GoConfig { path: PathBuf },
    #[error(
        "the Redis on this host has a canhazgpu pool of {gpus} GPUs; name the store to use: --store {GO_REDIS_URL} to share it, --store sqlite:{FALLBACK} to leave it"
    )]
    GoPool { gpus: String },
    #[error("the store {FALLBACK} has live reservations of GPU {}; they have to end first", listed(gpus))]
    FallbackInUse { gpus: Vec<GpuIndex> },
}

fn listed(gpus: &[GpuIndex]) -> String {
    gpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Chooses the store: the named one, or this host's.
///
/// # Errors
/// There is none yet, and making one in silence could split the host's users.
pub(crate) fn choose(named: Option<StoreUrl>, facts: &dyn Facts) -> Result<Chosen, Refusal> {
    if let Some(url) = named {
        return Ok(Chosen { url, missing: Missing::Make(Access::default()) });
    }
    for directory in [SYSTEM, FALLBACK] {
        if facts.exists(Path::new(directory)) {
            // Made by then: whoever finds an empty directory may put the database there.
            return Ok(Chosen { url: sqlite(directory), missing: Missing::Make(Access::default()) });
        }
    }
    if facts.in_container() {
        return Err(Refusal::Container);
    }
    if let Some(path) = facts.go_config() {
        return Err(Refusal::GoConfig { path });
    }
    if let Some(gpus) = facts.go_pool() {
        return Err(Refusal::GoPool { gpus: gpus.escape_debug().to_string() });
    }
    Ok(Chosen { url: sqlite(FALLBACK), missing: Missing::Make(Access::Everybody) })
}

fn sqlite(directory: &str) -> StoreUrl {
    StoreUrl::Sqlite(PathBuf::from(directory))
}

/// Whether the host's store may be made while `fallback`, swept, is the pool that its users have had so far.
///
/// # Errors
/// Somebody holds GPUs there; making another store would give them out a second time.
pub(crate) fn may_make_system(fallback: &Pool) -> Result<(), Refusal> {
    let mut gpus: Vec<GpuIndex> = fallback.reservations.values().flat_map(|held| held.gpus.clone()).collect();
    gpus.sort_unstable();
    if gpus.is_empty() { Ok(()) } else { Err(Refusal::FallbackInUse { gpus }) }
}

/// The facts of this host, with the home directory of the user.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) home: Option<PathBuf>,
}

impl Facts for Host {
    fn exists(&self, directory: &Path) -> bool {
        // A directory that cannot be looked into is there all the same.
        fs::symlink_metadata(directory).is_ok()
    }

    fn in_container(&self) -> bool {
        // Where /proc does not tell, caution: a refusal says how to go on, a second pool does not.
        fs::metadata("/proc/self/ns/pid").map_or(true, |found| found.ino() != INITIAL_PID_NAMESPACE)
    }

    fn go_config(&self) -> Option<PathBuf> {
        let entries = fs::read_dir(self.home.as_deref()?).ok()?;
        let mut found: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.file_name().is_some_and(|name| is_go_config(&name.to_string_lossy())))
            .collect();
        found.sort();
        found.into_iter().next()
    }

    fn go_pool(&self) -> Option<String> {
        let server = Server::Tcp { host: GO_REDIS.0.to_owned(), port: GO_REDIS.1 };
        let url = RedisUrl { server, user: None, password: None, database: 0 };
        let quick = Duration::from_millis(300);
        let options =
            Options { connect_timeout: quick, answer_timeout: quick, patience: quick, ..Options::default() };
        let session = Session::new(url.to_string(), quick).ok()?;
        // The Go program knows no password: a server that wants one is not its.
        RedisStore::new(url, &options, session).gpu_count().ok()?
    }
}

/// `.canhazgpu.yaml`, or another of the endings that its configuration library knows.
fn is_go_config(name: &str) -> bool {
    name.strip_prefix(".canhazgpu.").is_some_and(|ending| !ending.is_empty() && !ending.contains('.'))
}

#[cfg(test)]
mod tests;

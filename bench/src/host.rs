//! A host of our own: a temporary directory with a Redis server in it, stores by name, and commands that know nothing
//! of the caller's surroundings.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{self, Running, quiet, wait_until};
use crate::resp::Client;
use crate::{Result, clock};

/// Which kind of store a measurement works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Redis,
}

impl Kind {
    pub const BOTH: [Self; 2] = [Self::Sqlite, Self::Redis];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Redis => "Redis",
        }
    }
}

/// A temporary directory; removed, and its server ended, when it is dropped.
#[derive(Debug)]
pub struct Host {
    pub dir: PathBuf,
    pub chg: PathBuf,
    server: Option<Running>,
    /// The server's own, which it keeps when it is started again.
    environment: Vec<(&'static str, OsString)>,
    databases: u32,
}

impl Host {
    pub fn new(chg: &Path) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("chg-bench-{:016x}", clock::random()));
        open_dir(&dir)?;
        open_dir(&dir.join("home"))?;
        let chg = chg.canonicalize().map_err(|error| format!("{}: {error}", chg.display()))?;
        let mut host = Self { dir, chg, server: None, environment: Vec::new(), databases: 0 };
        host.start_redis()?;
        Ok(host)
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.join("redis.sock")
    }

    pub fn start_redis(&mut self) -> Result<()> {
        let mut server = Command::new("redis-server");
        server.args(["--port", "0", "--unixsocketperm", "777", "--databases", "64"]);
        server.args(["--save", "", "--appendonly", "yes", "--dir"]).arg(&self.dir);
        server.arg("--unixsocket").arg(self.socket()).envs(self.environment.iter().cloned());
        self.server = Some(Running::start(quiet(&mut server))?);
        wait_until("redis-server answers", || {
            Client::connect(&self.socket()).is_ok_and(|mut client| client.is_ready())
        })
    }

    /// Starts the server again, with more in its environment.
    pub fn restart_redis_with(
        &mut self,
        more: impl IntoIterator<Item = (&'static str, OsString)>,
    ) -> Result<()> {
        self.environment.extend(more);
        self.kill_redis()?;
        self.start_redis()
    }

    pub fn redis_pid(&self) -> Option<i32> {
        self.server.as_ref().map(Running::pid)
    }

    /// Kills the server as a crash would.
    pub fn kill_redis(&mut self) -> Result<()> {
        if let Some(server) = &mut self.server {
            process::signal(server.pid(), libc::SIGKILL);
            server.wait()?;
        }
        wait_until("the socket is dead", || UnixStream::connect(self.socket()).is_err())
    }

    /// What the server had written down, so that it may start without.
    pub fn forget_redis_data(&self) -> Result<()> {
        match fs::remove_dir_all(self.dir.join("appendonlydir")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// A new store with a pool of simulated GPUs.
    pub fn fake(&mut self, kind: Kind, gpus: u32) -> Result<Place> {
        let place = self.place(kind)?;
        let gpus = gpus.to_string();
        process::output(self.command(&place).args(["admin", "--gpus", &gpus, "--provider", "fake"]))?;
        Ok(place)
    }

    /// A new store with a pool of the GPUs that this library reports.
    pub fn nvml(&mut self, kind: Kind, library: &Path, gpus: u32) -> Result<Place> {
        let mut place = self.place(kind)?;
        self.equip(&mut place, library, gpus)?;
        Ok(place)
    }

    /// Makes the pool of a store that is not there yet.
    pub fn equip(&self, place: &mut Place, library: &Path, gpus: u32) -> Result<()> {
        place.nvml = Some(library.to_owned());
        process::output(self.command(place).args(["admin", "--gpus", &gpus.to_string()]))?;
        Ok(())
    }

    /// Where a store may be made.
    pub fn place(&mut self, kind: Kind) -> Result<Place> {
        let number = self.databases;
        self.databases += 1;
        let directory = self.dir.join(format!("store-{number}"));
        let url = match kind {
            Kind::Sqlite => {
                open_dir(&directory)?;
                format!("sqlite:{}", directory.display())
            }
            Kind::Redis => format!("redis+unix://{}?db={number}", self.socket().display()),
        };
        Ok(Place { kind, url, number, directory, nvml: None })
    }

    /// The product, on this store.
    pub fn command(&self, place: &Place) -> Command {
        let mut command = self.bare(&self.chg);
        command.env("CANHAZGPU_STORE", &place.url);
        if let Some(library) = &place.nvml {
            command.env("CANHAZGPU_NVML_LIB", library);
        }
        command
    }

    /// Any program, without the caller's environment.
    pub fn bare(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.dir.join("home"));
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.server = None;
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn open_dir(path: &Path) -> Result<()> {
    fs::create_dir(path)?;
    Ok(fs::set_permissions(path, Permissions::from_mode(0o777))?)
}

/// One store, and where its GPUs come from.
#[derive(Debug, Clone)]
pub struct Place {
    pub kind: Kind,
    pub url: String,
    /// Of the Redis database.
    pub number: u32,
    /// Of the embedded store.
    pub directory: PathBuf,
    pub nvml: Option<PathBuf>,
}

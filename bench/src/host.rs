//! A host of our own: a temporary directory with a Redis server in it, stores by name, and commands that know nothing
//! of the caller's surroundings.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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

/// A temporary directory; removed, and all that was started on it ended, when this is dropped or its owner is gone.
#[derive(Debug)]
pub struct Host {
    pub dir: PathBuf,
    pub chg: PathBuf,
    server: Option<Running>,
    _caretaker: Caretaker,
    /// The server's own, which it keeps when it is started again.
    environment: Vec<(&'static str, OsString)>,
    databases: u32,
}

impl Host {
    pub fn new(chg: &Path) -> Result<Self> {
        let chg = chg.canonicalize().map_err(|error| format!("{}: {error}", chg.display()))?;
        let dir = fakenvml::ground().join(format!("chg-bench-{:016x}", clock::random()));
        open_dir(&dir)?;
        let dir = dir.canonicalize()?;
        let _caretaker = Caretaker::of(&dir)?;
        open_dir(&home(&dir))?;
        let mut host = Self { dir, chg, server: None, environment: Vec::new(), databases: 0, _caretaker };
        host.start_redis()?;
        Ok(host)
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.join("redis.sock")
    }

    pub fn start_redis(&mut self) -> Result<()> {
        let mut server = self.bare("redis-server");
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
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", home(&self.dir));
        command.stdin(Stdio::null());
        command
    }
}

/// By which the processes of a host are known.
fn home(dir: &Path) -> PathBuf {
    dir.join("home")
}

/// Waits, in a group that nobody else's signals reach, for the end of file that our end brings, a SIGKILL and a panic that
/// aborts too; then ends every process of the host and removes its directory.
#[derive(Debug)]
struct Caretaker(Child);

const TAKES_CARE: &str = r#"read -r _
# The server writes its title over its environment, and is known by where it works.
while found=$(find /proc -maxdepth 2 -name cwd -lname "$1"; grep -lsF "HOME=$2" /proc/[0-9]*/environ)
    [ -n "$found" ]; do
    for file in $found; do
        pid=${file#/proc/}
        kill -KILL "${pid%/*}"
    done
done
rm -rf "$1""#;

impl Caretaker {
    fn of(dir: &Path) -> Result<Self> {
        let mut sh = Command::new("sh");
        sh.args(["-c", TAKES_CARE, "sh"]).arg(dir).arg(home(dir));
        Ok(Self(quiet(&mut sh).stdin(Stdio::piped()).process_group(0).spawn()?))
    }
}

impl Drop for Caretaker {
    fn drop(&mut self) {
        self.0.stdin = None;
        let _ = self.0.wait();
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

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    /// Played by a process of its own: see [`a_host_ends_with_whoever_made_it`].
    #[test]
    #[ignore = "a stage for another test"]
    fn owner() {
        let host = Host::new(Path::new("/bin/true")).expect("a host");
        let sleeper = host.bare("sleep").arg("600").spawn().expect("sleep");
        println!("\nhost {} {} {}", host.dir.display(), host.redis_pid().expect("a server"), sleeper.id());
        let _ = std::io::stdin().read_line(&mut String::new());
        std::process::abort();
    }

    #[test]
    fn a_host_ends_with_whoever_made_it() {
        let mut owner = Command::new(std::env::current_exe().expect("this program"));
        owner.args(["--exact", "host::tests::owner", "--ignored", "--nocapture"]);
        owner.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut owner = owner.spawn().expect("this program");
        let mut lines =
            BufReader::new(owner.stdout.take().expect("a pipe")).lines().map_while(std::result::Result::ok);
        let line = lines.find(|line| line.starts_with("host ")).expect("its host");
        let words: Vec<&str> = line.split(' ').collect();
        let pids = [words[2], words[3]].map(|pid| pid.parse().expect("a pid"));
        assert!(pids.iter().all(|pid| process::started(*pid).is_some()), "{line}");
        owner.kill().expect("kill");
        owner.wait().expect("wait");
        wait_until("its processes have ended", || pids.iter().all(|pid| process::started(*pid).is_none()))
            .expect("the end");
        wait_until("its directory is gone", || !Path::new(words[1]).exists()).expect("no directory");
    }
}

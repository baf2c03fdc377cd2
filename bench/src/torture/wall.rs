//! The wall clock of the clients, and that of the Redis server: both can be set, as people and NTP do. What a program
//! reads is changed by a small library that is loaded into it; the machine's own clock is left alone.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bench::{Result, process};

use crate::random::Random;
use crate::world::World;

const LIBRARY: &str = include_str!("stepped.c");

pub(crate) struct WallClock {
    library: PathBuf,
    clients: Offset,
    server: Offset,
}

struct Offset {
    path: PathBuf,
    file: File,
}

impl WallClock {
    pub(crate) fn new(dir: &Path) -> Result<Self> {
        let (source, library) = (dir.join("stepped.c"), dir.join("stepped.so"));
        fs::write(&source, LIBRARY)?;
        process::output(
            Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source),
        )?;
        fs::set_permissions(&library, Permissions::from_mode(0o755))?;
        Ok(Self { library, clients: Offset::new(dir, "clients")?, server: Offset::new(dir, "server")? })
    }

    pub(crate) fn of_the_clients(&self) -> [(&'static str, OsString); 2] {
        self.environment(&self.clients)
    }

    pub(crate) fn of_the_server(&self) -> [(&'static str, OsString); 2] {
        self.environment(&self.server)
    }

    fn environment(&self, offset: &Offset) -> [(&'static str, OsString); 2] {
        [("LD_PRELOAD", self.library.clone().into()), ("STEPPED_CLOCK", offset.path.clone().into())]
    }

    /// What `date` reads in the surroundings of a client: the proof that a step is seen.
    fn read(&self) -> Result<i64> {
        let mut date = Command::new("date");
        Ok(process::output(date.arg("+%s").envs(self.of_the_clients()))?.trim().parse()?)
    }

    /// # Errors
    /// If a step does not reach programs here.
    pub(crate) fn prove(&self) -> Result<()> {
        let before = self.read()?;
        self.clients.set(1_000_000)?;
        let after = self.read()?;
        self.clients.set(0)?;
        if after - before < 999_000 {
            return Err(format!("the wall clock cannot be stepped: {before}, {after}").into());
        }
        Ok(())
    }
}

impl Offset {
    fn new(dir: &Path, name: &str) -> Result<Self> {
        let path = dir.join(format!("clock-{name}"));
        let file = File::create(&path)?;
        let offset = Self { path, file };
        offset.set(0)?;
        fs::set_permissions(&offset.path, Permissions::from_mode(0o644))?;
        Ok(offset)
    }

    fn set(&self, seconds: i64) -> Result<()> {
        Ok(self.file.write_all_at(&(seconds * 1_000_000_000).to_ne_bytes(), 0)?)
    }
}

/// Sets one of the clocks, anywhere within a month of the true time.
pub(crate) fn step(world: &World, random: &mut Random) -> Result<()> {
    let seconds = match random.between(0, 4) {
        0 => 0,
        1 => random.between(0, 10),
        2 => random.between(0, 7200),
        _ => random.between(0, 30 * 86_400),
    };
    let seconds = i64::try_from(seconds)? * if random.happens(50) { 1 } else { -1 };
    let (whose, offset) =
        if random.happens(50) { ("clients", &world.clock.clients) } else { ("server", &world.clock.server) };
    world.note(&format!("the clock of the {whose} is set {seconds} s from the true time"));
    offset.set(seconds)
}

/// Sets the clocks now and then until the schedule is over.
pub(crate) fn wander(world: &World, mut random: Random, until: Instant) {
    while Instant::now() < until && !world.is_stopped() {
        std::thread::sleep(Duration::from_millis(random.between(200, 1_500)));
        if let Err(error) = step(world, &mut random) {
            world.wrong(&format!("the clock cannot be set: {error}"));
        }
    }
}

//! The state of the loaded library, which is little, and the way of every call: log, faults, then the answer.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::code::Code;
use crate::files::{self, Driver, Gpu};
use crate::{alive, faults, place};

/// The driver's generation at nvmlInit, plus one; 0 before it.
static INITIALISED: AtomicU32 = AtomicU32::new(0);

/// The scenario as one call sees it.
pub(crate) struct World {
    pub(crate) dir: PathBuf,
    pub(crate) driver: Driver,
}

/// One call, as it is logged and as faults see it.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) function: &'a str,
    /// The GPU that it is about.
    pub(crate) gpu: Option<u32>,
    /// It asks only how long a list is.
    pub(crate) counts: bool,
}

impl<'a> Call<'a> {
    pub(crate) const fn of(function: &'a str, gpu: Option<u32>) -> Self {
        Self { function, gpu, counts: false }
    }
}

/// Whether a call works before nvmlInit.
#[derive(PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    Init,
}

/// Every call goes through here.
pub(crate) fn answer(call: Call<'_>, needs: Needs, body: impl FnOnce(&World) -> Result<(), Code>) -> u32 {
    reply(call, needs, body).err().unwrap_or(Code::SUCCESS).0
}

fn reply(call: Call<'_>, needs: Needs, body: impl FnOnce(&World) -> Result<(), Code>) -> Result<(), Code> {
    let dir = scenario().ok_or(Code::DRIVER_NOT_LOADED)?;
    log(dir, call);
    faults::strike(dir, call)?;
    let driver: Driver = read(&files::driver_file(dir))?.ok_or(Code::DRIVER_NOT_LOADED)?;
    if needs == Needs::Init && INITIALISED.load(Ordering::SeqCst) != u32::from(driver.generation) + 1 {
        return Err(Code::UNINITIALIZED);
    }
    body(&World { dir: dir.to_owned(), driver })
}

fn scenario() -> Option<&'static Path> {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    if let Some(dir) = FOUND.get() {
        return Some(dir);
    }
    let dir = place::scenario()?;
    Some(FOUND.get_or_init(|| dir))
}

fn log(dir: &Path, call: Call<'_>) {
    // Only if the file is there: a scenario without a log has none made by whoever calls first.
    let Ok(mut file) = OpenOptions::new().append(true).open(files::calls_file(dir)) else { return };
    let gpu = call.gpu.map_or_else(|| "-".to_owned(), |gpu| gpu.to_string());
    // One write per line, so that lines of several processes do not mix; a full disk costs the log only.
    let _ = file.write_all(format!("{} {} {gpu}\n", std::process::id(), call.function).as_bytes());
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, Code> {
    files::read(path).map_err(|_| Code::UNKNOWN)
}

impl World {
    pub(crate) fn initialise(&self) {
        INITIALISED.store(u32::from(self.driver.generation) + 1, Ordering::SeqCst);
    }

    #[cfg(not(feature = "old"))]
    pub(crate) fn shut_down() {
        INITIALISED.store(0, Ordering::SeqCst);
    }

    pub(crate) fn count(&self) -> u32 {
        (0..).take_while(|&gpu| files::gpu_file(&self.dir, gpu).exists()).count() as u32
    }

    pub(crate) fn gpu(&self, gpu: u32) -> Result<Gpu, Code> {
        read(&files::gpu_file(&self.dir, gpu))?.ok_or(Code::INVALID_ARGUMENT)
    }

    /// The live processes of a GPU among the `wanted`, by pid.
    pub(crate) fn processes(
        &self,
        gpu: u32,
        wanted: impl Fn(&files::Process) -> bool,
    ) -> Result<Vec<(u32, files::Process)>, Code> {
        let dir = files::processes_dir(&self.dir, gpu);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(|_| Code::UNKNOWN)?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            if let Some(process) = read::<files::Process>(&entry.path())?
                && wanted(&process)
                && alive::is_same(pid, process.start)
            {
                found.push((pid.unsigned_abs(), process));
            }
        }
        found.sort_unstable_by_key(|&(pid, _)| pid);
        Ok(found)
    }
}

//! The scenario directory: what lies where, and its forms on disk. Writers replace files by rename, so a reader never
//! sees half a file.
//!
//! ```text
//! driver.json               the driver as a whole
//! gpus/<index>/gpu.json     one GPU, at its NVML index
//! gpus/<index>/procs/<pid>  a process with a context there
//! faults/<where>.<serial>   what goes wrong, see faults.rs
//! control/<pid>             where a worker listens, see worker.sh
//! cuda-order                CUDA's index, UUID and NVML's index of each GPU, for the worker
//! calls                     one line per call, if the file is there
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::code::Code;

/// The driver as a whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Driver {
    pub version: String,
    /// Counted up by a reload: who initialised before it is told that it is not initialised.
    pub generation: u16,
}

/// One GPU. Memory in MB of 2^20 bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Gpu {
    pub uuid: String,
    pub name: String,
    pub pci_bus_id: String,
    pub total_mb: u64,
    /// Set aside by the driver itself: part of `used` in the first memory struct, apart from it in the second.
    pub reserved_mb: u64,
    /// In use by no process that can be seen: memory still being given back, processes of other containers.
    pub used_mb: u64,
    /// Percent; `None` where the GPU does not tell.
    pub utilization: Option<u32>,
    /// Persistence mode; `None` where the GPU does not tell.
    #[serde(default)]
    pub persistence: Option<bool>,
    pub mig: Mig,
}

/// Multi-instance mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mig {
    /// Not a GPU that has it.
    Unsupported,
    Off,
    On(Vec<MigInstance>),
}

/// One slice of a GPU in MIG mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigInstance {
    /// Slots may have holes between them.
    pub slot: u32,
    pub uuid: String,
    pub name: String,
    pub total_mb: u64,
}

/// A process on a GPU.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Process {
    /// Start time in clock ticks since boot. The entry ends with this process, not with its number.
    pub start: u64,
    /// `None`: the driver does not tell.
    pub memory_mb: Option<u64>,
    pub kind: Kind,
    /// False for a process of another pid namespace: it uses memory and is not listed.
    #[serde(default = "yes")]
    pub listed: bool,
    /// The slot of the slice that it is on.
    #[serde(default)]
    pub slice: Option<u32>,
}

const fn yes() -> bool {
    true
}

/// What a process does on the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Compute,
    Graphics,
    Both,
}

/// What goes wrong in a call.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Fault {
    /// Returned instead of an answer.
    #[serde(default)]
    pub code: Option<Code>,
    /// Waited before anything is returned.
    #[serde(default)]
    pub delay_ms: u64,
    /// Not returned at all, until the fault is taken away.
    #[serde(default)]
    pub hang: Option<Hang>,
    /// The calling process aborts.
    #[serde(default)]
    pub crash: bool,
    /// One call only.
    #[serde(default)]
    pub once: bool,
}

/// How a call hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hang {
    /// As in a lock: SIGKILL ends it.
    Killable,
    /// As in a wedged driver: SIGKILL has no effect, the process stays and cannot be reaped.
    Unkillable,
}

pub(crate) fn driver_file(dir: &Path) -> PathBuf {
    dir.join("driver.json")
}

pub(crate) fn gpu_dir(dir: &Path, gpu: u32) -> PathBuf {
    dir.join("gpus").join(gpu.to_string())
}

pub(crate) fn gpu_file(dir: &Path, gpu: u32) -> PathBuf {
    gpu_dir(dir, gpu).join("gpu.json")
}

pub(crate) fn processes_dir(dir: &Path, gpu: u32) -> PathBuf {
    gpu_dir(dir, gpu).join("procs")
}

pub(crate) fn faults_dir(dir: &Path) -> PathBuf {
    dir.join("faults")
}

pub(crate) fn calls_file(dir: &Path) -> PathBuf {
    dir.join("calls")
}

/// `None` if it is not there; anything unreadable is a mistake in the scenario and named in the error.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts a whole file in place of the old one.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let draft = parent.join(format!(".draft-{}-{serial}", std::process::id()));
    fs::write(&draft, serde_json::to_vec(value)?)?;
    fs::rename(&draft, path)
}

//! Asks NVML: loading it, and what one GPU says of itself. Runs in the helper, never in the launcher.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::path::Path;

use nix::errno::Errno;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::inventory::Persistence;
use super::processes::{self, Version};
use super::wire::{Identity, Refusal, Slot};
use crate::model::ids::Megabytes;
use crate::model::seen::{Measured, Reading, Slice, Unknown};
use crate::sys::nvml_v1;

const LIBRARY: &str = "libnvidia-ml.so.1";
/// NVML_ERROR_ARGUMENT_VERSION_MISMATCH: the driver does not know this version of a struct.
const VERSION_MISMATCH: u32 = 25;
/// NVML_ERROR_GPU_NOT_FOUND.
const GPU_NOT_FOUND: u32 = 28;
const MIG_ENABLED: u32 = 1;
/// What every question to the driver goes through, and what is there as long as it is loaded, in containers too.
const CONTROL: &str = "/dev/nvidiactl";
const LOADED: &str = "/sys/module/nvidia";

/// The loaded library. It is never unloaded: the helper ends with it, and shutting it down may hang, or panic where
/// the library lacks nvmlShutdown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Driver {
    nvml: &'static Nvml,
    /// Its version, where it tells.
    pub(super) version: Option<&'static str>,
    versions: &'static [Version],
}

/// Why a GPU, or the driver, gives no reading.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The driver was reloaded: what was opened before is void.
    Stale,
    Unknown(Unknown),
}

/// One GPU, opened.
#[derive(Debug)]
pub(super) struct Gpu {
    device: Device<'static>,
    versions: &'static [Version],
}

impl Driver {
    pub(super) fn load(library: Option<&Path>) -> Result<Self, Refusal> {
        let library = library.map_or_else(|| OsStr::new(LIBRARY), Path::as_os_str);
        let nvml = Nvml::builder().lib_path(library).init().map_err(|error| refusal(library, error))?;
        let nvml: &'static Nvml = Box::leak(Box::new(nvml));
        let version = nvml.sys_driver_version().ok().map(|version| &*version.leak());
        // A driver that does not tell its version is taken for one without special rules.
        let versions = processes::versions(version.unwrap_or_default());
        Ok(Self { nvml, version, versions })
    }

    pub(super) fn count(self) -> Result<u32, Trouble> {
        self.nvml.device_count().map_err(|error| trouble("number of GPUs", error))
    }

    /// Initialises the GPU: seconds, where nothing keeps it initialised.
    pub(super) fn open(self, slot: Slot) -> Result<Gpu, Trouble> {
        let device = self.nvml.device_by_index(slot).map_err(|error| trouble("opening it", error))?;
        Ok(Gpu { device, versions: self.versions })
    }
}

impl Gpu {
    pub(super) fn identity(&self) -> Result<Identity, Trouble> {
        let uuid = self.device.uuid().map_err(|error| trouble("UUID", error))?;
        let pci_bus_id = self.device.pci_info().map_err(|error| trouble("PCI bus id", error))?.bus_id;
        let name = self.device.name().ok();
        let persistence = self.device.is_in_persistent_mode().ok();
        let persistence = persistence.map(|on| if on { Persistence::On } else { Persistence::Off });
        let memory = told(memory(&self.device))?.map(|(_, total)| total);
        Ok(Identity { uuid, pci_bus_id, name, memory, persistence })
    }

    pub(super) fn reading(&self) -> Result<Reading, Trouble> {
        if let Some(slices) = self.slices()? {
            return Ok(Reading::Sliced(slices));
        }
        let (used, total) = memory(&self.device)?;
        let processes =
            processes::all(&self.device, self.versions).map_err(|error| trouble("processes", error))?;
        // Many GPUs do not tell, and nothing is decided by it.
        let utilization = self.device.utilization_rates().ok().map(|rates| rates.gpu);
        Ok(Reading::Measured(Measured { used, total, utilization, processes }))
    }

    /// The instances of a GPU in MIG mode; `None` if it is in no such mode.
    fn slices(&self) -> Result<Option<Vec<Slice>>, Trouble> {
        match self.device.mig_mode() {
            Ok(mode) if mode.current == MIG_ENABLED => {}
            Ok(_)
            | Err(NvmlError::NotSupported | NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(trouble("MIG mode", error)),
        }
        let most = self.device.mig_device_count().map_err(|error| trouble("MIG instances", error))?;
        let mut slices = Vec::new();
        for slot in 0..most {
            match self.device.mig_device_by_index(slot) {
                Ok(instance) => slices.push(self.slice(&instance)?),
                // The slots that are in use may have holes between them.
                Err(NvmlError::NotFound | NvmlError::InvalidArg) => {}
                Err(error) => return Err(trouble("MIG instances", error)),
            }
        }
        Ok(Some(slices))
    }

    /// The GPU itself tells of its memory and its processes in MIG mode to the privileged only, an instance to everybody.
    fn slice(&self, instance: &Device<'_>) -> Result<Slice, Trouble> {
        let uuid = instance.uuid().map_err(|error| trouble("UUID of an instance", error))?;
        // NVIDIA H100 80GB HBM3 MIG 1g.10gb
        let name = instance.name().unwrap_or_default();
        let profile = name.find("MIG ").map_or("MIG", |at| &name[at..]).to_owned();
        let used = told(memory(instance))?.map(|(used, _)| used);
        let listed = processes::all(instance, self.versions).map_err(|error| trouble("processes", error));
        Ok(Slice { profile, uuid, used, processes: told(listed)? })
    }
}

/// Used and total.
fn memory(device: &Device<'_>) -> Result<(Megabytes, Megabytes), Trouble> {
    let (used, total) = match device.memory_info() {
        Err(
            NvmlError::FailedToLoadSymbol(_)
            | NvmlError::FunctionNotFound
            | NvmlError::UnexpectedVariant(VERSION_MISMATCH),
        ) => nvml_v1::memory(device).map(|memory| (memory.used, memory.total)),
        newer => newer.map(|memory| (memory.used, memory.total)),
    }
    .map_err(|error| trouble("memory", error))?;
    Ok((Megabytes::from_bytes(used), Megabytes::from_bytes(total)))
}

/// What may be left untold. A reload of the driver concerns everything.
fn told<T>(answer: Result<T, Trouble>) -> Result<Option<T>, Trouble> {
    match answer {
        Err(Trouble::Stale) => Err(Trouble::Stale),
        other => Ok(other.ok()),
    }
}

fn refusal(library: &OsStr, error: NvmlError) -> Refusal {
    match error {
        NvmlError::LibloadingError(_) | NvmlError::FailedToLoadSymbol(_) => Refusal::NoLibrary {
            library: library.to_string_lossy().into_owned(),
            cause: why_not_loaded(library, &error),
        },
        // It says so too where its device file is missing.
        NvmlError::DriverNotLoaded if Path::new(LOADED).exists() && !Path::new(CONTROL).exists() => {
            Refusal::NoDevices
        }
        NvmlError::DriverNotLoaded => Refusal::NoDriver,
        NvmlError::NoPermission => Refusal::NoPermission,
        NvmlError::OperatingSystem => Refusal::Forbidden,
        // "Unknown error" is all that it says where a control group forbids the file.
        NvmlError::Unknown if is_forbidden() => Refusal::Forbidden,
        NvmlError::LibRmVersionMismatch => Refusal::DriverMismatch,
        NvmlError::UnexpectedVariant(GPU_NOT_FOUND) => Refusal::NoGpus,
        other => Refusal::Other(words(&other)),
    }
}

/// Whether a control group keeps us from the driver: file modes are refused with EACCES.
fn is_forbidden() -> bool {
    let opened = OpenOptions::new().read(true).write(true).open(CONTROL);
    opened.is_err_and(|error| error.raw_os_error() == Some(Errno::EPERM as i32))
}

/// The wrapper has words for the codes of older drivers only.
fn words(error: &NvmlError) -> String {
    match error {
        NvmlError::UnexpectedVariant(code) => format!("error {code} of NVML"),
        known => known.to_string(),
    }
}

/// The loader's own words, which begin with the library's name; the reader has that already.
fn why_not_loaded(library: &OsStr, error: &NvmlError) -> String {
    let words = match error {
        NvmlError::LibloadingError(cause) => {
            std::error::Error::source(cause).map_or_else(|| cause.to_string(), ToString::to_string)
        }
        _ => "it is not NVML".to_owned(),
    };
    let prefix = format!("{}: ", library.to_string_lossy());
    words.strip_prefix(&prefix).unwrap_or(&words).to_owned()
}

fn trouble(asked: &str, error: NvmlError) -> Trouble {
    match error {
        NvmlError::Uninitialized | NvmlError::DriverNotLoaded | NvmlError::LibRmVersionMismatch => {
            Trouble::Stale
        }
        NvmlError::GpuLost => Trouble::Unknown(Unknown::Lost),
        // The second where it is a control group that forbids it.
        NvmlError::NoPermission | NvmlError::OperatingSystem => Trouble::Unknown(Unknown::NoPermission),
        other => Trouble::Unknown(Unknown::Error { message: format!("{asked}: {}", words(&other)) }),
    }
}

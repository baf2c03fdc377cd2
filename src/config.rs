//! Settings in layers, each value with where it came from: flags, environment, the user's file, the host's file,
//! defaults. What concerns everybody is the host's: where its file sets that, only a flag goes before. Pure, but for
//! `sources`, which reads the files.

mod datum;
mod environment;
mod error;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod options;
mod resolve;
mod settings;
mod sift;
mod sources;
mod store;

#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use datum::{Account, CudaIds};
pub(crate) use error::ConfigError;
pub(crate) use options::{
    Colour, ExtendOptions, Form, Nesting, ReleaseOptions, ReportOptions, ReserveForm, ReserveOptions,
    RunOptions, StatusForm, StatusOptions, Talk,
};
pub(crate) use resolve::{InForce, Layers, Origin, Value};
pub(crate) use sources::{HOST_FILE, Sources};

use crate::cli::Globals;
use crate::model::device::Provider;
use crate::model::ids::Megabytes;
use resolve::Settings;

/// What is in force for this call.
#[derive(Debug)]
pub(crate) struct Config {
    settings: Settings,
}

/// Limits that the host's file sets for everybody; nothing goes before them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Policy {
    /// Of a manual reservation, and of a run's timeout.
    pub(crate) max_duration: Option<Value<Duration>>,
    pub(crate) max_gpus_per_user: Option<Value<NonZeroU32>>,
    /// Of a run that names no timeout.
    pub(crate) default_timeout: Option<Value<Duration>>,
}

impl Config {
    /// Reads what the process was given.
    ///
    /// # Errors
    /// A file that is there but cannot be read, an unknown key, a bad value.
    pub(crate) fn load(sources: &Sources, flags: &Globals) -> Result<Self, ConfigError> {
        let (host, user) = (sources.host_layer()?, sources.user_layer()?);
        Self::from_layers(&Layers {
            flags,
            host: host.as_ref(),
            environment: &sources.environment,
            user: user.as_ref(),
        })
    }

    /// As [`Self::load`], but files with a mistake in them are left out, and variables that are one. Returns the mistakes
    /// too.
    ///
    /// # Errors
    /// A mistake on the command line itself.
    pub(crate) fn load_what_is_good(
        sources: &Sources,
        flags: &Globals,
    ) -> Result<(Self, Vec<ConfigError>), ConfigError> {
        sift::load(sources, flags)
    }

    /// The pure part of [`Self::load`].
    ///
    /// # Errors
    /// An unknown key, a bad value.
    pub(crate) fn from_layers(layers: &Layers<'_>) -> Result<Self, ConfigError> {
        Settings::resolve(layers).map(|settings| Self { settings })
    }

    /// The URL of the store; `None` where nobody named one, and the machine's own is meant.
    pub(crate) fn store(&self) -> Option<Value<String>> {
        store::named(&self.settings)
    }

    /// What the names of all records in Redis begin with.
    pub(crate) fn redis_prefix(&self) -> Option<Value<String>> {
        self.settings.get("redis.prefix")
    }

    pub(crate) fn redis_password_file(&self) -> Option<Value<PathBuf>> {
        self.settings.get("redis.password_file")
    }

    /// Memory in use at or below this does not count as use.
    pub(crate) fn memory_threshold(&self) -> Megabytes {
        self.settings.get("memory_threshold").map_or(Megabytes(1024), |set| set.value)
    }

    /// Where GPUs come from, if somebody said so.
    pub(crate) fn provider(&self) -> Option<Value<Provider>> {
        self.settings.get("provider")
    }

    /// Another libnvidia-ml.so.1.
    pub(crate) fn nvml_lib(&self) -> Option<Value<String>> {
        self.settings.get("nvml_lib")
    }

    /// How long one GPU may take to answer.
    pub(crate) fn scan_deadline(&self) -> Duration {
        self.settings.get("scan.deadline").map_or(Duration::from_secs(5), |set| set.value)
    }

    /// How CUDA_VISIBLE_DEVICES names GPUs.
    pub(crate) fn cuda_ids(&self) -> CudaIds {
        self.settings.get("cuda.ids").map_or(CudaIds::Index, |set| set.value)
    }

    /// Accounts that may touch everybody's reservations. Only the host's file names them.
    pub(crate) fn admins(&self) -> Vec<Account> {
        self.settings.get("admins").map_or_else(Vec::new, |set| set.value)
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            max_duration: self.settings.get("policy.max_duration"),
            max_gpus_per_user: self.settings.get("policy.max_gpus_per_user"),
            default_timeout: self.settings.get("policy.default_timeout"),
        }
    }

    /// Where shims are installed, if somebody said so.
    pub(crate) fn shim_dir(&self) -> Option<Value<PathBuf>> {
        self.settings.get("shim.dir")
    }

    /// Every value in force, as `doctor` shows it; no password among them.
    pub(crate) fn in_force(&self) -> Vec<InForce> {
        self.settings.in_force()
    }

    /// Variables named like settings that are none, misspelt or another version's, and what each was probably meant to
    /// be.
    pub(crate) fn stray_variables(&self) -> Vec<(String, Option<String>)> {
        self.settings.strays.iter().map(|name| (name.clone(), settings::meant_variable(name))).collect()
    }
}

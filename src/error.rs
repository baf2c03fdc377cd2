//! One error type at the edge: what failed, what to do next, and the exit status it means.

use crate::cli::UsageError;
use crate::config::ConfigError;
use crate::exit::Exit;
use crate::gpu::GpuError;
use crate::model::verb::Refusal;
use crate::output::OutputError;
use crate::seat::SeatError;
use crate::shim::{FindError, InstallError};
use crate::store::StoreError;
use crate::supervise::SpawnError;

/// Whatever keeps a verb from its end. The status of a command that ran is never one of these.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Gpu(#[from] GpuError),
    #[error(transparent)]
    Choice(#[from] crate::store::Refusal),
    #[error(transparent)]
    Seat(#[from] SeatError),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    ShimmedProgram(#[from] FindError),
    #[error(transparent)]
    ShimFile(#[from] InstallError),
    #[error("{message}")]
    Refused { refusal: Box<Refusal>, message: String, hint: Option<String> },
    #[error("{name}: {why}")]
    NotFound { name: String, why: &'static str },
    #[error("{name}: {why}")]
    NotExecutable { name: String, why: String },
    /// The kernel refused something that we need.
    #[error("{doing}: {cause}")]
    System { doing: &'static str, cause: std::io::Error },
    /// A verb cannot be done, for a reason that it knows itself.
    #[error("{message}")]
    Failed { message: String, hint: Option<String> },
}

/// Adds what was being done to the kernel's answer.
pub(crate) trait While<T> {
    fn doing(self, doing: &'static str) -> Result<T, Error>;
}

impl<T, E: Into<std::io::Error>> While<T> for Result<T, E> {
    fn doing(self, doing: &'static str) -> Result<T, Error> {
        self.map_err(|cause| Error::System { doing, cause: cause.into() })
    }
}

/// Which family of exit statuses a verb keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// A run: low statuses belong to the command, ours begin at 124.
    Run,
    /// Every other verb: 1 failed, 2 wrong usage.
    Verb,
}

impl Error {
    /// The next step for whoever reads the error.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Usage(error) => error.hint().map(str::to_owned),
            Self::Config(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Gpu(error) => error.hint(),
            Self::Refused { hint, .. } | Self::Failed { hint, .. } => hint.clone(),
            Self::Choice(_)
            | Self::Seat(_)
            | Self::Spawn(_)
            | Self::Output(_)
            | Self::ShimmedProgram(_)
            | Self::ShimFile(_)
            | Self::NotFound { .. }
            | Self::NotExecutable { .. }
            | Self::System { .. } => None,
        }
    }

    /// The status to exit with. `busy` is what the caller wants to see when GPUs were not free in time.
    pub(crate) fn exit(&self, family: Family, busy: Exit) -> Exit {
        match (self, family) {
            (Self::Usage(_), _) => Exit::Usage,
            (Self::Config(error), _) if error.is_usage() => Exit::Usage,
            (Self::Refused { refusal, .. }, _) if is_bad_list(refusal) => Exit::Usage,
            (Self::Refused { refusal, .. }, _) if is_busy(refusal) => busy,
            (Self::ShimFile(InstallError::Unknown { .. }), _) => Exit::Usage,
            (Self::NotFound { .. } | Self::ShimmedProgram(FindError::NotFound { .. }), Family::Run) => {
                Exit::NotFound
            }
            (Self::NotExecutable { .. }, Family::Run) => Exit::NotExecutable,
            (_, Family::Run) => Exit::Trouble,
            (_, Family::Verb) => Exit::Failed,
        }
    }
}

const fn is_busy(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Busy { .. } | Refusal::GaveUp { .. })
}

const fn is_bad_list(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::NotInPool { .. })
}

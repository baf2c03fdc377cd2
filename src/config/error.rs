//! What can be wrong with a configuration, each naming its place and what is allowed.

use std::path::PathBuf;

use super::resolve::Origin;
use crate::cli::UsageError;

/// Displayed as fragments, to stand after `error: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: String },
    #[error("{place}: {why}")]
    Syntax { place: Origin, why: String },
    #[error("{place}: unknown key '{key}'; {allowed}")]
    Unknown { place: Origin, key: String, allowed: String, meant: Option<String> },
    #[error("{place}: {key}: {why}")]
    Bad { place: Origin, key: String, why: String },
    #[error("{place}: {key} is for the host to set, in {}", host.display())]
    NotYours { place: Origin, key: String, host: PathBuf },
    #[error("{asked} is more than this host allows: {limit} ({place})")]
    OverLimit { asked: String, limit: String, place: Origin },
    #[error("{0}")]
    Usage(#[from] UsageError),
}

impl ConfigError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Usage(usage) => usage.hint().map(str::to_owned),
            Self::Unknown { meant: Some(meant), .. } => Some(format!("did you mean {meant}?")),
            Self::Unreadable { .. } | Self::Syntax { .. } | Self::Unknown { .. } | Self::Bad { .. } => {
                Some("'man canhazgpu-config' explains every key".to_owned())
            }
            Self::NotYours { .. } => Some("take it out; the administrator of this host sets it".to_owned()),
            Self::OverLimit { .. } => {
                Some("ask for less; the administrator of this host sets the limit".to_owned())
            }
        }
    }

    /// Whether the command line is at fault, rather than a file.
    pub(crate) const fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_) | Self::OverLimit { .. })
    }
}

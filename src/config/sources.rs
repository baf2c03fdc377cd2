//! The edge: which files and variables this process was given. Decides nothing.

use std::env;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::environment::PREFIX;
use super::error::ConfigError;
use super::resolve::Layer;

/// The host's file.
pub(crate) const HOST_FILE: &str = "/etc/canhazgpu/config.toml";

/// Where settings are looked for.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    pub(crate) host: PathBuf,
    pub(crate) user: Option<UserFile>,
    pub(crate) environment: Vec<(String, OsString)>,
}

/// The file of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UserFile {
    /// Where users keep theirs; it need not be there.
    Usual(PathBuf),
    /// Named by `--config` or CANHAZGPU_CONFIG: it must be there.
    Named(PathBuf),
}

impl Sources {
    /// Those of this process; `named` is what `--config` says.
    pub(crate) fn of_process(named: Option<&Path>) -> Self {
        let environment = env::vars_os().filter_map(ours).collect();
        let named = named.map(Path::to_path_buf).or_else(|| filled("CANHAZGPU_CONFIG"));
        let user = named.map(UserFile::Named).or_else(|| usual_place().map(UserFile::Usual));
        Self { host: PathBuf::from(HOST_FILE), user, environment }
    }

    /// The files that are there, the host's first.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let user = self.user.as_ref().map(|(UserFile::Usual(path) | UserFile::Named(path))| path);
        [Some(&self.host), user].into_iter().flatten().filter(|path| path.exists()).cloned().collect()
    }

    pub(super) fn host_layer(&self) -> Result<Option<Layer>, ConfigError> {
        read_if_there(&self.host)
    }

    pub(super) fn user_layer(&self) -> Result<Option<Layer>, ConfigError> {
        match &self.user {
            None => Ok(None),
            Some(UserFile::Usual(path)) => read_own(path),
            Some(UserFile::Named(path)) => read_if_there(path)?
                .ok_or_else(|| ConfigError::Unreadable {
                    path: path.clone(),
                    cause: "there is no such file".to_owned(),
                })
                .map(Some),
        }
    }
}

fn ours((name, value): (OsString, OsString)) -> Option<(String, OsString)> {
    let name = name.into_string().ok()?;
    name.starts_with(PREFIX).then_some((name, value))
}

fn filled(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// $XDG_CONFIG_HOME, which the XDG specification wants absolute, or ~/.config.
fn usual_place() -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let directory = filled("XDG_CONFIG_HOME")
        .filter(absolute)
        .or_else(|| filled("HOME").filter(absolute).map(|home| home.join(".config")))?;
    Some(directory.join("canhazgpu/config.toml"))
}

/// As [`read_if_there`], of the caller's own file. One in a home that the caller may not look into is somebody else's:
/// su and setpriv leave $HOME as it was.
fn read_own(path: &Path) -> Result<Option<Layer>, ConfigError> {
    match path.metadata() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(None),
        _ => read_if_there(path),
    }
}

/// A file that is not there is no failure; one that is there but cannot be read is.
fn read_if_there(path: &Path) -> Result<Option<Layer>, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(Layer { path: path.to_path_buf(), text })),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(ConfigError::Unreadable { path: path.to_path_buf(), cause: error.to_string() }),
    }
}

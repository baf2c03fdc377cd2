//! Finds the program of a command before any GPU is touched: a typo never takes one.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::model::ids::{GpuIndex, LeaseId};
use crate::shim::{Arguments, Grant, HOPS};

/// Where execvp(3) of the C library looks in want of a PATH.
const STANDARD_PATH: &str = "/bin:/usr/bin";

/// A command whose program was found.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// As it was typed.
    name: OsString,
    arguments: Arguments,
    /// What it gets besides the variables that name its GPUs.
    pub(crate) variables: Vec<(String, String)>,
}

impl Program {
    /// Looks `command[0]` up as execvp(3) does.
    ///
    /// # Errors
    /// That there is no such program, or that it cannot be executed.
    pub(crate) fn find(command: &[OsString]) -> Result<Self, Error> {
        let name = command.first().map_or_else(|| OsStr::new(""), OsString::as_os_str);
        let path = locate(name, env::var_os("PATH").as_deref())?;
        let arguments = command.get(1..).unwrap_or_default().to_vec();
        Ok(Self {
            path,
            name: name.to_owned(),
            arguments: Arguments::Known(arguments),
            variables: Vec::new(),
        })
    }

    /// What a shim found. `hops` tells the next one how often they have called one another.
    pub(crate) fn behind_shim(name: &str, path: PathBuf, arguments: Arguments, hops: u32) -> Self {
        let variables = vec![(HOPS.to_owned(), hops.to_string())];
        Self { path, name: name.into(), arguments, variables }
    }

    /// The whole command line, for what was granted.
    pub(crate) fn argv(&self, reservation: &LeaseId, gpus: &[GpuIndex]) -> Vec<OsString> {
        let arguments = match &self.arguments {
            Arguments::Known(arguments) => arguments.clone(),
            Arguments::Container(call) => call.with(Grant { reservation, gpus }),
        };
        std::iter::once(self.name.clone()).chain(arguments).collect()
    }
}

fn locate(name: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, Error> {
    if name.is_empty() {
        return Err(not_found(name));
    }
    if name.as_bytes().contains(&b'/') {
        return named(Path::new(name));
    }
    let path = path.unwrap_or(OsStr::new(STANDARD_PATH));
    let here = env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    if let Ok(found) = which::which_in(name, Some(path), here) {
        return Ok(found);
    }
    // As a shell tells "permission denied" from "not found".
    let unusable = env::split_paths(path).map(|dir| dir.join(name)).find(|file| file.is_file());
    Err(unusable.map_or_else(|| not_found(name), |file| not_executable(&file, "permission denied")))
}

/// A path, as it was typed: the kernel resolves it again when it is executed.
fn named(path: &Path) -> Result<PathBuf, Error> {
    match path.metadata() {
        Ok(file) if file.is_dir() => Err(not_executable(path, "is a directory")),
        Ok(_) if nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_err() => {
            Err(not_executable(path, "permission denied"))
        }
        Ok(_) => Ok(path.to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(not_executable(path, "permission denied"))
        }
        Err(_) => Err(Error::NotFound { name: path.display().to_string(), why: "no such file" }),
    }
}

fn not_found(name: &OsStr) -> Error {
    Error::NotFound { name: name.to_string_lossy().into_owned(), why: "command not found" }
}

fn not_executable(path: &Path, why: &str) -> Error {
    Error::NotExecutable { name: path.display().to_string(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn family_of(found: Result<PathBuf, Error>) -> &'static str {
        match found {
            Ok(_) => "found",
            Err(Error::NotFound { .. }) => "not found",
            Err(Error::NotExecutable { .. }) => "not executable",
            Err(_) => "other",
        }
    }

    #[test]
    fn a_program_is_found_as_execvp_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        for (name, mode) in [("runs", 0o755), ("plain", 0o644)] {
            let file = dir.path().join(name);
            fs::write(&file, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        let path = Some(dir.path().as_os_str());
        let named = |name: &str| dir.path().join(name).into_os_string();
        assert_eq!(locate(OsStr::new("runs"), path).unwrap(), dir.path().join("runs"));
        assert_eq!(locate(&named("runs"), None).unwrap(), dir.path().join("runs"));
        assert_eq!(family_of(locate(OsStr::new("plain"), path)), "not executable");
        assert_eq!(family_of(locate(&named("plain"), None)), "not executable");
        assert_eq!(family_of(locate(dir.path().as_os_str(), None)), "not executable", "a directory");
        assert_eq!(family_of(locate(OsStr::new("nosuch"), path)), "not found");
        assert_eq!(family_of(locate(&named("nosuch"), None)), "not found");
        assert_eq!(family_of(locate(OsStr::new(""), path)), "not found");
    }
}

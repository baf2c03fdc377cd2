//! Puts shims into a directory and takes them away again. Touches nothing there that is not a shim. One is a link to this
//! program, which knows by the name under which it is called what it stands for; a script where links cannot be made.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Every shim by name, with its text as a script.
pub(super) const SHIMS: &[(&str, &str)] = &[
    ("vllm", include_str!("../../shims/vllm")),
    ("torchrun", include_str!("../../shims/torchrun")),
    ("accelerate", include_str!("../../shims/accelerate")),
    ("accelerate-launch", include_str!("../../shims/accelerate-launch")),
    ("deepspeed", include_str!("../../shims/deepspeed")),
    ("ds", include_str!("../../shims/ds")),
    ("sglang", include_str!("../../shims/sglang")),
    ("python-gpu", include_str!("../../shims/python-gpu")),
    ("docker", include_str!("../../shims/docker")),
    ("podman", include_str!("../../shims/podman")),
];

/// The second line of every script begins so.
const MARK: &str = "# canhazgpu shim:";

/// What a link to this program leads to.
const OURS: [&str; 2] = ["chg", "canhazgpu"];

/// What went wrong with a shim's file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    #[error("there is no shim '{name}'; there are {}", names().collect::<Vec<_>>().join(", "))]
    Unknown { name: String },
    #[error("{} is there already and is no shim", path.display())]
    NotOurs { path: PathBuf },
    #[error("cannot write {}: {cause}", path.display())]
    Write { path: PathBuf, cause: std::io::Error },
    #[error("cannot remove {}: {cause}", path.display())]
    Remove { path: PathBuf, cause: std::io::Error },
}

/// What was done about a shim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Placed {
    Written(PathBuf),
    Removed(PathBuf),
    /// It was not there.
    Absent(PathBuf),
}

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SHIMS.iter().map(|(name, _)| *name)
}

/// Whether a file that begins so is one of our shims, of this or another version.
pub(crate) fn is_shim(start: &str) -> bool {
    start.lines().nth(1).is_some_and(|line| line.starts_with(MARK))
}

/// Whether a path is a link that leads to this program, of this or another version, or led there while it was installed.
pub(crate) fn is_link_to_us(path: &Path) -> bool {
    let Ok(next) = fs::read_link(path) else { return false };
    let end = fs::canonicalize(path).unwrap_or(next);
    end.file_name().is_some_and(|name| OURS.iter().any(|ours| name == *ours))
}

/// Where a user's shims go if nobody says otherwise; below `home` or what XDG_DATA_HOME says.
pub(crate) fn usual_dir(data_home: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
    let data = data_home.filter(|path| path.is_absolute()).map(Path::to_path_buf);
    data.or_else(|| home.map(|home| home.join(".local/share"))).map(|data| data.join("canhazgpu/shims"))
}

/// Makes the named shims, or all, in `dir`, as links to `program`.
///
/// # Errors
/// An unknown name, before anything is made; a file in the way; the file system's.
pub(crate) fn install(wanted: &[String], dir: &Path, program: &Path) -> Result<Vec<Placed>, InstallError> {
    let chosen = chosen(wanted)?;
    fs::create_dir_all(dir).map_err(|cause| InstallError::Write { path: dir.to_path_buf(), cause })?;
    chosen.into_iter().map(|(name, text)| place(&dir.join(name), text, program)).collect()
}

/// Takes the named shims, or all, away from `dir`.
///
/// # Errors
/// An unknown name; a file that is no shim; the file system's.
pub(crate) fn remove(wanted: &[String], dir: &Path) -> Result<Vec<Placed>, InstallError> {
    chosen(wanted)?.into_iter().map(|(name, _)| take_away(&dir.join(name))).collect()
}

/// The line that puts `dir` first in PATH, for any POSIX shell; harmless when evaluated twice.
pub(crate) fn env_line(dir: &Path) -> String {
    let quoted = format!("'{}'", dir.display().to_string().replace('\'', r"'\''"));
    format!("case \":$PATH\" in :{quoted}:*) ;; *) PATH={quoted}:\"$PATH\"; export PATH ;; esac")
}

fn chosen(wanted: &[String]) -> Result<Vec<(&'static str, &'static str)>, InstallError> {
    if wanted.is_empty() {
        return Ok(SHIMS.to_vec());
    }
    let find = |name: &String| SHIMS.iter().find(|(known, _)| known == name).copied();
    wanted.iter().map(|name| find(name).ok_or_else(|| InstallError::Unknown { name: name.clone() })).collect()
}

/// Made beside and moved into place: another shell may be starting it at this moment.
fn place(path: &Path, text: &str, program: &Path) -> Result<Placed, InstallError> {
    if is_there(path) && !is_ours(path) {
        return Err(InstallError::NotOurs { path: path.to_path_buf() });
    }
    let beside = path.with_extension(format!("new.{}", std::process::id()));
    let _ = fs::remove_file(&beside);
    let made = symlink(program, &beside).or_else(|cause| match cause.kind() {
        // Some file systems know no links.
        ErrorKind::PermissionDenied | ErrorKind::Unsupported => write(&beside, text),
        _ => Err(cause),
    });
    made.and_then(|()| fs::rename(&beside, path)).map(|()| Placed::Written(path.to_path_buf())).map_err(
        |cause| {
            let _ = fs::remove_file(&beside);
            InstallError::Write { path: path.to_path_buf(), cause }
        },
    )
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    fs::File::create(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
}

fn take_away(path: &Path) -> Result<Placed, InstallError> {
    if !is_there(path) {
        return Ok(Placed::Absent(path.to_path_buf()));
    }
    if !is_ours(path) {
        return Err(InstallError::NotOurs { path: path.to_path_buf() });
    }
    match fs::remove_file(path) {
        Ok(()) => Ok(Placed::Removed(path.to_path_buf())),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Placed::Absent(path.to_path_buf())),
        Err(cause) => Err(InstallError::Remove { path: path.to_path_buf(), cause }),
    }
}

/// A dangling link is there, too.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn is_ours(path: &Path) -> bool {
    is_link_to_us(path) || fs::read_to_string(path).is_ok_and(|text| is_shim(&text))
}

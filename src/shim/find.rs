//! Finds the real program behind a shim in PATH. A shim never finds itself, another shim, or this program under the
//! shim's name, whatever PATH holds.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::install;

/// How often shims have called one another on the way here.
pub(crate) const HOPS: &str = "CANHAZGPU_SHIM_HOPS";

/// `vllm` may start `vllm` again, and that one more; nothing sensible goes deeper. A wrapper that calls the shim under a
/// name by which it is not recognised does.
const MOST_HOPS: u32 = 8;

/// Scripts are looked into this far.
const LOOK: usize = 4096;

/// Why there is nothing to run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FindError {
    #[error("'{name}' is not in PATH{}", but(passed_over))]
    NotFound { name: String, passed_over: Vec<NotReal> },
    #[error("'{name}' in PATH calls its shim again and again")]
    Loop { name: String },
}

/// A file in PATH of the right name that is not the real program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotReal {
    pub(crate) path: PathBuf,
    pub(crate) why: &'static str,
}

fn but(passed_over: &[NotReal]) -> String {
    let named: Vec<_> =
        passed_over.iter().map(|one| format!("{} is {}", one.path.display(), one.why)).collect();
    if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) }
}

/// The value of [`HOPS`] for the program that is run next.
///
/// # Errors
/// Shims have called one another too often already.
pub(crate) fn hops(name: &str, before: Option<&str>) -> Result<u32, FindError> {
    let hops = before.and_then(|text| text.parse::<u32>().ok()).unwrap_or(0).saturating_add(1);
    if hops > MOST_HOPS { Err(FindError::Loop { name: name.to_owned() }) } else { Ok(hops) }
}

/// The first executable file `name` in `path` that is neither a shim nor `own`, this very program.
///
/// # Errors
/// There is none; what was passed over is named.
pub(crate) fn find_real(name: &str, path: &OsStr, own: &Path) -> Result<PathBuf, FindError> {
    let mut passed_over = Vec::new();
    for found in in_path(name, path, own) {
        match found {
            Ok(file) => return Ok(file),
            Err(not_real) => passed_over.push(not_real),
        }
    }
    Err(FindError::NotFound { name: name.to_owned(), passed_over })
}

/// Every executable file `name` in `path`, in its order: real ones, and as errors those that are not.
pub(crate) fn in_path(
    name: &str,
    path: &OsStr,
    own: &Path,
) -> impl Iterator<Item = Result<PathBuf, NotReal>> {
    let own = fs::metadata(own).ok().map(|found| (own.to_path_buf(), found));
    std::env::split_paths(path).filter_map(move |directory| {
        // An empty entry means the working directory, as execvp(3) has it.
        let directory = if directory.as_os_str().is_empty() { PathBuf::from(".") } else { directory };
        let file = directory.join(name);
        let found = fs::metadata(&file).ok()?;
        if !found.is_file() || access(&file, AccessFlags::X_OK).is_err() {
            return None;
        }
        let own = own.as_ref().map(|(path, found)| (path.as_path(), found));
        Some(match not_real(&file, &found, own) {
            None => Ok(file),
            Some(why) => Err(NotReal { path: file, why }),
        })
    })
}

fn not_real(file: &Path, found: &Metadata, own: Option<(&Path, &Metadata)>) -> Option<&'static str> {
    if own.is_some_and(|(_, own)| (own.dev(), own.ino()) == (found.dev(), found.ino())) {
        return Some("chg itself");
    }
    // Another version than this one, too.
    if install::is_link_to_us(file) {
        return Some("a shim");
    }
    let start = beginning(file).unwrap_or_default();
    let is_of_our_size = |(_, own): &(&Path, &Metadata)| own.len() == found.len();
    if own.filter(is_of_our_size).is_some_and(|(own, _)| beginning(own).is_some_and(|own| own == start)) {
        return Some("a copy of chg");
    }
    (install::is_shim(&start) || calls_shim(&start)).then_some("a shim")
}

/// The beginning of a program also tells one build from another.
fn beginning(file: &Path) -> Option<String> {
    let mut start = Vec::with_capacity(LOOK);
    File::open(file).ok()?.take(LOOK as u64).read_to_end(&mut start).ok()?;
    Some(String::from_utf8_lossy(&start).into_owned())
}

/// A script that somebody wrote, to the same end as ours.
fn calls_shim(start: &str) -> bool {
    start.starts_with("#!") && ["chg shim ", "canhazgpu shim "].iter().any(|call| start.contains(call))
}

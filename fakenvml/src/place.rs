//! Where things are: the built libraries for a test, the scenario for a loaded library.

use std::env;
use std::ffi::{CStr, OsStr, c_void};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::files;

/// Of the 107 bytes of a socket's name, what the directories and files of a scene leave.
const LONGEST: usize = 40;

/// The built test double, found next to the running test. It is a dev-dependency, so cargo has built it.
///
/// # Panics
/// If it is not there.
pub fn library() -> PathBuf {
    built("libfakenvml.so")
}

/// The build that lacks what older drivers lack.
///
/// # Panics
/// If it is not there.
pub fn old_library() -> PathBuf {
    built("libfakenvml_old.so")
}

fn built(name: &str) -> PathBuf {
    let exe = env::current_exe().expect("path of the running program");
    exe.ancestors()
        .skip(1)
        .take(3)
        .flat_map(|dir| [dir.join("deps").join(name), dir.join(name)])
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is not beside {}: make it a dev-dependency", exe.display()))
}

/// Where a scene makes its directories: the place for temporary files, or else /tmp, so that every account comes there, a
/// shell needs no quotes for what lies there, and a socket's name is short enough.
pub fn ground() -> PathBuf {
    let wanted = env::temp_dir();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let name = wanted.as_os_str().as_bytes();
    let is_open = |path: &Path| path.metadata().is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
    if name.len() <= LONGEST && name.iter().copied().all(is_plain) && wanted.ancestors().all(is_open) {
        return wanted;
    }
    PathBuf::from("/tmp")
}

/// The scenario of the loaded library: FAKENVML_DIR, or else the directory that the library was loaded from.
pub(crate) fn scenario() -> Option<PathBuf> {
    let dir = env::var_os("FAKENVML_DIR").map(PathBuf::from).or_else(beside_the_library)?;
    files::driver_file(&dir).is_file().then_some(dir)
}

fn beside_the_library() -> Option<PathBuf> {
    // SAFETY: all-zero is a valid Dl_info (null pointers).
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    let here: *const c_void = (beside_the_library as fn() -> Option<PathBuf>) as *const c_void;
    // SAFETY: `here` is an address inside this library and `info` outlives the call.
    if unsafe { libc::dladdr(here, &mut info) } == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr succeeded: a NUL-terminated string that lives as long as the library is loaded.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    Some(Path::new(OsStr::from_bytes(name.to_bytes())).parent()?.to_owned())
}

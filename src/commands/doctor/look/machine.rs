//! Gathers what the machine says: device files, /proc, PATH.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, Gid, eaccess, getegid, geteuid, getgroups};

use crate::commands::doctor::{devices, processes, shims};
use crate::commands::open::host;
use crate::commands::shim::directory;
use crate::config::Config;
use crate::shim;
use crate::store::Facts as _;
use crate::sys::account;

pub(super) fn devices(need: devices::Need) -> devices::Facts {
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
    let mut nodes: Vec<_> = entries.filter_map(|entry| node(&entry.file_name())).collect();
    nodes.sort_by(|one, other| one.path.cmp(&other.path));
    devices::Facts { need, nodes }
}

/// nvidiactl, nvidia-uvm and one for each GPU; others (nvidia-modeset, nvidia-caps) are not needed to compute.
fn node(name: &OsStr) -> Option<devices::Node> {
    let rest = name.to_str()?.strip_prefix("nvidia")?;
    let is_gpu = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    if !is_gpu && !matches!(rest, "ctl" | "-uvm") {
        return None;
    }
    let path = format!("/dev/nvidia{rest}");
    let access = match eaccess(path.as_str(), AccessFlags::R_OK | AccessFlags::W_OK) {
        Ok(()) => devices::Access::Granted,
        Err(_) => denied(Path::new(&path))?,
    };
    Some(devices::Node { path, access })
}

fn denied(path: &Path) -> Option<devices::Access> {
    let found = fs::metadata(path).ok()?;
    let group = account::group_name_of(found.gid()).unwrap_or_else(|| found.gid().to_string());
    Some(devices::Access::Denied { mode: found.mode() & 0o777, group })
}

pub(super) fn processes() -> processes::Facts {
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mount = processes::mount(&String::from_utf8_lossy(&mounts));
    let is_exempt = geteuid().is_root() || mount.and_then(|mount| mount.group).is_some_and(is_member);
    processes::Facts {
        hiding: mount.map_or(processes::Hiding::Nothing, |mount| mount.hiding),
        caller: if is_exempt { processes::Caller::Exempt } else { processes::Caller::Anybody },
        namespace: if host().in_container() {
            processes::Namespace::Container
        } else {
            processes::Namespace::Machine
        },
    }
}

fn is_member(group: u32) -> bool {
    let group = Gid::from_raw(group);
    getegid() == group || getgroups().is_ok_and(|groups| groups.contains(&group))
}

pub(super) fn shims(config: &Config) -> shims::Facts {
    let own = env::current_exe().unwrap_or_default();
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = directory(config);
    let dangling = usual.as_deref().map(dangling).unwrap_or_default();
    let directory = usual.filter(|directory| holds_shims(directory));
    shims::Facts {
        dangling,
        names: ["chg", "canhazgpu"].map(|name| name_of_ours(name, &path, &own)).into(),
        path: env::split_paths(&path).collect(),
        shims: shim::names().filter_map(|name| shim(name, &path, &own)).collect(),
        directory,
        own,
    }
}

fn holds_shims(directory: &Path) -> bool {
    let nowhere = Path::new("");
    shim::names().any(|name| shim::in_path(name, directory.as_os_str(), nowhere).any(|found| found.is_err()))
}

fn dangling(directory: &Path) -> Vec<PathBuf> {
    let files = shim::names().map(|name| directory.join(name));
    files.filter(|file| shim::is_link_to_us(file) && !file.exists()).collect()
}

fn name_of_ours(name: &'static str, path: &OsString, own: &Path) -> shims::Name {
    let is_own = |file: &Path| {
        let identity = |file: &Path| fs::metadata(file).map(|found| (found.dev(), found.ino())).ok();
        identity(file).is_some() && identity(file) == identity(own)
    };
    let leads = match which::which_in_global(name, Some(path)).ok().and_then(|mut found| found.next()) {
        None => shims::Leads::Nowhere,
        Some(file) if is_own(&file) => shims::Leads::Here,
        Some(file) => shims::Leads::Elsewhere(file),
    };
    shims::Name { name, leads }
}

/// The shim of this name that is first in PATH.
fn shim(name: &'static str, path: &OsStr, own: &Path) -> Option<shims::Shim> {
    let (mut before, mut file) = (None, None);
    for found in shim::in_path(name, path, own) {
        match found {
            Err(not_real) => {
                file = Some(not_real.path);
                break;
            }
            Ok(real) => before = before.or(Some(real)),
        }
    }
    let file = file?;
    let made = if shim::is_link_to_us(&file) { shims::Made::Link } else { shims::Made::Script };
    let stands = before.map_or(shims::Stands::First, shims::Stands::Behind);
    let real = shim::find_real(shim::program(name), path, own).ok();
    Some(shims::Shim { name, file, made, stands, real })
}

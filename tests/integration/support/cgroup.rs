//! Control groups with names of our choosing, as systemd and the container engines give them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::skip;
use super::wait::wait_until;

/// A tree of groups below one of the hierarchies that tell where a process came from. Removed with the scene, for which
/// the processes in it must have ended: declare it before them.
pub(crate) struct Cgroups {
    root: PathBuf,
}

impl Cgroups {
    /// Where groups can be made; says so if not.
    pub(crate) fn here() -> Option<Self> {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let name = format!("canhazgpu-{}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
        // Version 2, alone or beside version 1; systemd's own of version 1.
        let hierarchies = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
        let root = hierarchies.iter().map(|hierarchy| Path::new(hierarchy).join(&name)).find(|root| {
            let made = fs::create_dir(root).is_ok();
            let is_group = made && root.join("cgroup.procs").exists();
            if made && !is_group {
                let _ = fs::remove_dir(root);
            }
            is_group
        });
        if root.is_none() {
            skip("this scene needs control groups of its own: run the tests as root");
        }
        root.map(|root| Self { root })
    }

    /// Moves a process into the group of this path.
    pub(crate) fn put(&self, pid: i32, group: &str) {
        let group = self.root.join(group);
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        if !remove(&self.root) && !std::thread::panicking() {
            wait_until("the groups are empty", || remove(&self.root));
        }
    }
}

/// From the leaves to the root: groups are removed one by one, their files with them.
fn remove(group: &Path) -> bool {
    for inner in fs::read_dir(group).into_iter().flatten().flatten() {
        if inner.path().is_dir() {
            remove(&inner.path());
        }
    }
    fs::remove_dir(group).is_ok()
}

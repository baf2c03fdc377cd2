//! Real containers, each on a root file system with nothing but a static busybox, run by podman. No image is needed and
//! nothing of the machine's own containers is touched.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::host::Host;
use super::skip;

/// Podman with a storage of its own. Its containers end with the scene.
pub(crate) struct Podman {
    directory: PathBuf,
}

/// A container's process, by the host's number, and its id.
pub(crate) struct Container {
    pub(crate) pid: i32,
    pub(crate) id: String,
}

impl Podman {
    /// On this host, if a container can be run here; says why if not.
    pub(crate) fn on(host: &Host) -> Option<Self> {
        let podman = Self { directory: host.path("podman") };
        match podman.prepare() {
            Ok(()) => Some(podman),
            Err(why) => {
                skip(&format!("no container can be run here: {why}"));
                None
            }
        }
    }

    fn prepare(&self) -> Result<(), String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("run the tests as root".into());
        }
        self.furnish().map_err(|error| format!("a root file system cannot be made: {error}"))?;
        // One runtime wants what another does without: all of cgroup version 2, the right to raise limits.
        let mut why = String::from("install podman, runc and busybox-static");
        for runtime in ["crun", "runc"] {
            self.configure(runtime);
            match self.podman(&["run", "--rm"]).args(self.body("trial", "true")).output() {
                Ok(ended) if ended.status.success() => return Ok(()),
                Ok(ended) => why = text(&ended.stderr),
                Err(error) => return Err(format!("podman: {error}; {why}")),
            }
        }
        Err(why)
    }

    fn furnish(&self) -> std::io::Result<()> {
        let rootfs = self.directory.join("rootfs");
        for directory in ["bin", "proc", "sys", "dev", "etc"] {
            fs::create_dir_all(rootfs.join(directory))?;
        }
        fs::copy("/bin/busybox", rootfs.join("bin/busybox"))?;
        for program in ["sh", "sleep", "true"] {
            symlink("busybox", rootfs.join("bin").join(program))?;
        }
        Ok(())
    }

    fn configure(&self, runtime: &str) {
        let path = |name: &str| self.directory.join(name).display().to_string();
        let storage = format!(
            "[storage]\ndriver = 'vfs'\ngraphroot = '{}'\nrunroot = '{}'\n",
            path("graph"),
            path("run")
        );
        let engine = format!(
            "[containers]\npids_limit = 0\nnetns = 'none'\nlog_driver = 'none'\n\
             [engine]\ncgroup_manager = 'cgroupfs'\nevents_logger = 'none'\nruntime = '{runtime}'\ntmp_dir = '{}'\n",
            path("tmp")
        );
        fs::write(self.directory.join("storage.conf"), storage).unwrap();
        fs::write(self.directory.join("containers.conf"), engine).unwrap();
    }

    /// Starts one that stays, with these options of `podman run`.
    pub(crate) fn starts(&self, name: &str, options: &[&str]) -> Container {
        let started = self
            .podman(&["run", "--detach"])
            .args(options)
            .args(self.body(name, "sleep"))
            .arg("1000")
            .output()
            .unwrap();
        let id = said(&started);
        let asked =
            self.podman(&["inspect", "--type", "container", "--format", "{{.State.Pid}}", &id]).output();
        Container { pid: said(&asked.unwrap()).parse().unwrap(), id }
    }

    /// The end of a `podman run`: a name, the root file system, a program of it.
    fn body(&self, name: &str, program: &str) -> Vec<String> {
        let rootfs = self.directory.join("rootfs").display().to_string();
        // Where limits cannot be raised, those that podman wishes for are too high.
        [
            "--ulimit=nofile=1024:1024",
            "--ulimit=nproc=1024:1024",
            "--name",
            name,
            "--rootfs",
            &rootfs,
            program,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn podman(&self, words: &[&str]) -> Command {
        let mut podman = Command::new("podman");
        self.known_to(&mut podman).args(words);
        podman
    }

    /// Lets whatever this command starts find these containers.
    pub(crate) fn known_to<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let path = |name: &str| self.directory.join(name);
        command
            .env("CONTAINERS_STORAGE_CONF", path("storage.conf"))
            .env("CONTAINERS_CONF", path("containers.conf"))
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.podman(&["rm", "--all", "--force", "--time", "0"]).output();
    }
}

fn said(ended: &Output) -> String {
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    text(&ended.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

//! `chg` in namespaces of its own: with another /etc or /proc, or where processes have other numbers.

use std::fs;
use std::process::Command;

use super::host::{FIRST, Host, User, can_be_others};
use super::skip;

/// Whether such namespaces can be had; says so loudly if not.
pub(crate) fn can_be_elsewhere() -> bool {
    if !can_be_others() {
        return false;
    }
    let script = "mount -t tmpfs none /mnt && echo 200 > /proc/sys/kernel/ns_last_pid";
    let tried = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", script])
        .output();
    let can = tried.is_ok_and(|output| output.status.success());
    if !can {
        skip("this scene needs mounts and pid namespaces of its own");
    }
    can
}

/// Whether a machine of the scene's own can be played: the program makes no store by itself where it is in a container.
pub(crate) fn can_be_a_machine() -> bool {
    // What the kernel calls its first pid namespace (PROC_PID_INIT_INO).
    let is_first =
        fs::read_link("/proc/self/ns/pid").is_ok_and(|name| name.as_os_str() == "pid:[4026531836]");
    if !is_first {
        skip("this scene is played on a machine, and this is a container");
        return false;
    }
    can_be_elsewhere()
}

impl Host {
    /// A copy of /etc in which the host's configuration says this; the words to have it in place of /etc.
    pub(crate) fn configured(&self, text: &str) -> String {
        let etc = self.path("etc");
        let copied = Command::new("cp").args(["-a", "/etc"]).arg(&etc).status();
        assert!(copied.unwrap().success(), "/etc can be copied");
        fs::create_dir_all(etc.join("canhazgpu")).unwrap();
        fs::write(etc.join("canhazgpu/config.toml"), text).unwrap();
        format!("mount --bind '{}' /etc", etc.display())
    }
}

impl User<'_> {
    /// `chg` with these words, where `prepare` has been done by root in new `namespaces` (options of unshare(1)).
    pub(crate) fn elsewhere(self, namespaces: &[&str], prepare: &str, words: &[&str]) -> Command {
        let mut command = self.root().command("unshare");
        command.args(namespaces).args(["sh", "-c", &format!("set -e; {prepare}; exec \"$@\""), "sh"]);
        if let Some(uid) = self.uid() {
            command.args(["setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups"]);
        }
        command.arg(self.program()).args(words);
        command
    }
}

/// What sudo leaves behind: somebody logged in as the first of the people, and became root.
pub(crate) fn logged_in() -> Option<String> {
    let script = format!("echo {FIRST} > /proc/self/loginuid && cat /proc/self/loginuid");
    let tried = Command::new("sh").args(["-c", &script]).output().unwrap();
    if String::from_utf8_lossy(&tried.stdout).trim() == FIRST.to_string() {
        return Some(format!("echo {FIRST} > /proc/self/loginuid"));
    }
    skip("this scene needs a kernel that remembers who logged in");
    None
}

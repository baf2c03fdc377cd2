//! What the scenes are made of: the program with its surroundings, patience with a deadline, terminals, probes.

pub(crate) mod cgroup;
pub(crate) mod container;
pub(crate) mod elsewhere;
pub(crate) mod glass;
pub(crate) mod grammar;
pub(crate) mod host;
pub(crate) mod job;
pub(crate) mod oracle;
pub(crate) mod play;
pub(crate) mod probe;
pub(crate) mod process;
pub(crate) mod pty;
pub(crate) mod redis;
pub(crate) mod wait;

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use nix::sys::stat::{Mode, umask};
use tempfile::TempDir;

/// The program under test.
pub(crate) const CHG: &str = env!("CARGO_BIN_EXE_chg");

/// `chg`, ready to run; the words that follow are its arguments.
pub(crate) fn chg() -> Command {
    let mut command = unimpressed(CHG);
    equip(&mut command);
    command
}

/// Any other program that starts `chg` itself: it finds it as `$CHG`.
pub(crate) fn beside(program: &str) -> Command {
    let mut command = unimpressed(program);
    equip(&mut command);
    command
}

/// A command that signals reach though whoever started the tests ignores them: a shell's `&` does. `make test` has words
/// for the makes of the scenes too, which are not meant for them.
pub(crate) fn unimpressed(program: impl AsRef<OsStr>) -> Command {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let (hup, int, quit, term) = (1, 2, 3, 15);
    let tried = [hup, int, quit, term].map(|signal| 1_u64 << (signal - 1)).iter().sum::<u64>();
    let mut command = if u64::from_str_radix(ignored.trim(), 16).unwrap() & tried == 0 {
        Command::new(program)
    } else {
        let mut command = Command::new("env");
        command.arg("--default-signal").arg(program);
        command
    };
    for words in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL"] {
        command.env_remove(words);
    }
    command
}

/// A directory of a scene's own, gone with it. What is made there is as open as usual, whoever runs the tests.
pub(crate) fn directory() -> TempDir {
    umask(Mode::from_bits_truncate(0o022));
    tempfile::tempdir_in(fakenvml::ground()).unwrap()
}

/// Makes a program. It is written by a process of its own: another thread's fork in between would have the file open for
/// writing too, and for that moment nobody could execute it.
pub(crate) fn executable(path: &Path, text: impl AsRef<[u8]>) {
    let mut command = unimpressed("sh");
    command.args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh"]).arg(path);
    let mut writer = command.stdin(Stdio::piped()).spawn().unwrap();
    writer.stdin.take().unwrap().write_all(text.as_ref()).unwrap();
    assert!(writer.wait().unwrap().success(), "{}", path.display());
}

/// What every process of a scene has in its environment: a store of this test run with simulated GPUs enough for all
/// scenes at once.
fn equip(command: &mut Command) {
    command.env("CANHAZGPU_STORE", store());
    command.env("CHG", CHG).env("LC_ALL", "C").env_remove("ENV").env_remove("BASH_ENV");
}

/// Made with the first scene; kept below the target directory, which `cargo clean` empties.
fn store() -> &'static str {
    static STORE: OnceLock<String> = OnceLock::new();
    STORE.get_or_init(|| {
        let directory = format!("{}/store-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
        let url = format!("sqlite:{directory}");
        let made = Command::new(CHG)
            .args(["admin", "--provider", "fake", "--gpus", "256", "--store", &url])
            .output()
            .expect("the program can be started");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        url
    })
}

/// Says that a scene could not be played on this machine, and why.
pub(crate) fn skip(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIP: {why}");
}

//! Real processes and users for tests: started here, awaited with a deadline, ended with the test.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{Signal, kill};

use crate::model::ids::Pid;

/// Two accounts that no host is likely to know by name.
pub(crate) const ALICE: u32 = 23_001;
pub(crate) const BOB: u32 = 23_002;

const ROLE: &str = "CANHAZGPU_TEST_ROLE";

/// Waits for `condition`, looking every millisecond, and fails the test if it does not come about.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A process of a test: killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().expect("the command of the test starts"))
    }

    /// Starts a command that prints one line when it is ready, and hands that line back.
    pub(crate) fn until_it_speaks(command: &mut Command) -> (Self, String) {
        let mut running = Self::start(command.stdout(Stdio::piped()));
        let mut line = String::new();
        let mut lines = BufReader::new(running.0.stdout.take().expect("stdout is a pipe"));
        lines.read_line(&mut line).expect("the pipe can be read");
        // The test harness of a run in another role says something itself first.
        while !line.is_empty() && !line.contains(SPOKEN) {
            line.clear();
            lines.read_line(&mut line).expect("the pipe can be read");
        }
        let said = line.split_once(SPOKEN).map_or("", |(_, said)| said).trim().to_owned();
        assert!(!line.is_empty(), "it ended without a word: {command:?}");
        (running, said)
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid(i32::try_from(self.0.id()).expect("a pid"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(nix::unistd::Pid::from_raw(self.pid().0), signal).expect("our own child can be signalled");
    }

    pub(crate) fn kill_and_reap(mut self) {
        self.0.kill().expect("it was not reaped yet");
        self.0.wait().expect("it is our child");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a shell prints in front of the line that [`Running::until_it_speaks`] waits for.
pub(crate) const SPOKEN: &str = "ready:";

/// Says that a process in another role is ready, and waits until it is killed.
pub(crate) fn speak_and_wait(said: &str) -> ! {
    let mut out = std::io::stdout();
    writeln!(out, "{SPOKEN}{said}").and_then(|()| out.flush()).expect("stdout is open");
    loop {
        nix::unistd::pause();
    }
}

/// Runs `command` as another user.
pub(crate) fn as_user(uid: u32, command: &[&str]) -> Command {
    let mut setpriv = Command::new("setpriv");
    setpriv.arg(format!("--reuid={uid}")).arg(format!("--regid={uid}")).arg("--clear-groups").arg("--");
    setpriv.args(command);
    setpriv
}

/// Runs this very test once more, behind the words of `wrapper`, in another process and in `role`.
pub(crate) fn in_role(role: &str, test: &str, wrapper: &[&str]) -> Command {
    let program = own_program();
    let words = wrapper.iter().map(std::ffi::OsString::from).chain([program.into_os_string()]);
    let mut words = words.collect::<Vec<_>>().into_iter();
    let mut command = Command::new(words.next().expect("there is a program"));
    command.args(words).args([test, "--exact", "--nocapture", "--test-threads=1"]).env(ROLE, role);
    command
}

/// The role that this process was started in by [`in_role`].
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Whether `wrapper` can start a program at all here; if not, says loudly which test is left out.
pub(crate) fn possible(test: &str, mut wrapper: Command) -> bool {
    let works =
        wrapper.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !works {
        // Past the harness, which hides what a passing test prints.
        let _ = writeln!(std::io::stderr(), "SKIP {test}: this machine refuses {wrapper:?}");
    }
    works
}

/// Whether processes of other users can be started here; says so if not.
pub(crate) fn can_be_others(test: &str) -> bool {
    possible(test, as_user(ALICE, &["true"]))
}

/// The program of this very test, by a path that leads every account to it, wherever the checkout lies.
pub(crate) fn own_program() -> PathBuf {
    static LENT: LazyLock<PathBuf> = LazyLock::new(|| {
        let program = std::env::current_exe().expect("the test knows its program");
        let is_for_all =
            |path: &Path| path.metadata().is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
        if program.ancestors().all(is_for_all) {
            return program;
        }
        // Whoever inherits it need not find the way: a file is executed by its own mode.
        let file = File::open(&program).expect("the test can read its program");
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).expect("a descriptor is kept across exec");
        PathBuf::from(format!("/proc/self/fd/{}", file.into_raw_fd()))
    });
    LENT.clone()
}

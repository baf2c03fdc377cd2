//! A terminal with somebody at its keyboard.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use super::beside;
use super::wait::{wait_for, wait_until};

pub(crate) const CTRL_C: &str = "\x03";
pub(crate) const CTRL_D: &str = "\x04";
pub(crate) const CTRL_Q: &str = "\x11";
pub(crate) const CTRL_S: &str = "\x13";
pub(crate) const CTRL_Z: &str = "\x1a";

/// A pseudo-terminal and the leader of its session.
pub(crate) struct Pty {
    keyboard: Option<(File, Watcher)>,
    /// The path of the terminal's device.
    pub(crate) path: String,
    leader: Child,
    screen: Arc<Mutex<Vec<u8>>>,
    read: usize,
}

impl Pty {
    /// Makes the command the leader of a session on a new terminal, which does not echo.
    pub(crate) fn start(command: &Command) -> Self {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname_r(&master).unwrap();
        let open = || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(OFlag::O_NOCTTY.bits())
                .open(&path)
                .unwrap()
        };
        let slave = open();
        let mut modes = tcgetattr(&slave).unwrap();
        modes.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&slave, SetArg::TCSANOW, &modes).unwrap();

        let mut leader = beside("setsid");
        leader.arg("--ctty").arg(command.get_program()).args(command.get_args());
        leader.env("TERM", "xterm").env("PS1", "prompt> ");
        if let Some(directory) = command.get_current_dir() {
            leader.current_dir(directory);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => leader.env(name, value),
                None => leader.env_remove(name),
            };
        }
        let leader = leader.stdin(open()).stdout(open()).stderr(slave).spawn().unwrap();

        let keyboard = File::from(OwnedFd::from(master));
        let screen = Arc::new(Mutex::new(Vec::new()));
        let watcher = Watcher::start(keyboard.try_clone().unwrap(), Arc::clone(&screen));
        Self { keyboard: Some((keyboard, watcher)), path, leader, screen, read: 0 }
    }

    /// An interactive bash, at its first prompt.
    pub(crate) fn bash() -> Self {
        let mut bash = Command::new("bash");
        bash.args(["--norc", "--noprofile", "--noediting", "-i"]).env("HISTFILE", "/dev/null");
        let mut pty = Self::start(&bash);
        pty.sees("prompt> ");
        pty
    }

    /// The number of the session's leader.
    pub(crate) fn leader(&self) -> i32 {
        self.leader.id().cast_signed()
    }

    pub(crate) fn types(&mut self, text: &str) {
        self.keyboard.as_mut().unwrap().0.write_all(text.as_bytes()).unwrap();
    }

    /// Types keys that nobody answers, and waits until the terminal has dealt with them: a key that interrupts throws
    /// away what was written and not shown by then.
    pub(crate) fn types_unheard(&mut self, keys: &str) {
        self.types(keys);
        self.types(CTRL_S);
        wait_until("the keys to be dealt with", || !self.takes_output());
        self.types(CTRL_Q);
        wait_until("the terminal to go on", || self.takes_output());
    }

    /// Whether a writer would not have to wait.
    pub(crate) fn takes_output(&self) -> bool {
        let noctty = OFlag::O_NOCTTY.bits();
        let terminal = OpenOptions::new().write(true).custom_flags(noctty).open(&self.path).unwrap();
        poll(&mut [PollFd::new(terminal.as_fd(), PollFlags::POLLOUT)], PollTimeout::ZERO) == Ok(1)
    }

    /// A line, with the key at its end.
    pub(crate) fn enters(&mut self, line: &str) {
        self.types(&format!("{line}\n"));
    }

    /// Waits until this appears after what was seen before; gives what came up to there.
    pub(crate) fn sees(&mut self, text: &str) -> String {
        let found = wait_for(&format!("{text:?} on the screen: {:?}", self.screen()), || {
            let screen = self.screen();
            screen.get(self.read..)?.find(text).map(|at| self.read + at + text.len())
        });
        let seen = self.screen()[self.read..found].to_owned();
        self.read = found;
        seen
    }

    /// Waits until one of these appears after what was seen before; which it is, the first on the screen if several,
    /// and what came up to its end.
    pub(crate) fn sees_one_of<'a>(&mut self, texts: &[&'a str]) -> (&'a str, String) {
        let (end, which) = wait_for(&format!("one of {texts:?} on the screen: {:?}", self.screen()), || {
            let screen = self.screen();
            let rest = screen.get(self.read..)?;
            let ends = texts.iter().filter_map(|text| Some((rest.find(text)? + text.len(), *text)));
            ends.min_by_key(|(end, _)| *end).map(|(end, text)| (self.read + end, text))
        });
        let seen = self.screen()[self.read..end].to_owned();
        self.read = end;
        (which, seen)
    }

    /// What follows `before`, as a number: `ready 123`.
    pub(crate) fn sees_number(&mut self, before: &str) -> i32 {
        self.sees(before);
        self.sees("\n").trim().parse().unwrap()
    }

    /// Everything that was ever shown.
    pub(crate) fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    /// Pulls the plug: the terminal is gone for everybody on it.
    pub(crate) fn hang_up(&mut self) {
        self.keyboard = None;
    }

    /// Waits until all is shown that was ever printed: nobody is on the terminal any more.
    pub(crate) fn shows_all(&self) {
        let (_, watcher) = self.keyboard.as_ref().unwrap();
        wait_until("the last of the output", || watcher.thread.as_ref().is_some_and(JoinHandle::is_finished));
    }

    /// How the leader of the session has ended, if it has.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.leader.try_wait().unwrap()
    }

    pub(crate) fn ends(&mut self) -> ExitStatus {
        let screen = self.screen();
        wait_for(&format!("the end of the session: {screen:?}"), || self.leader.try_wait().unwrap())
    }

    pub(crate) fn ends_with(&mut self, code: i32) {
        let status = self.ends();
        assert_eq!(status.code(), Some(code), "{status:?}: {:?}", self.screen());
    }

    /// Runs stty on this terminal, from outside of its session.
    pub(crate) fn stty(&self, words: &[&str]) -> String {
        let output = Command::new("stty").arg("-F").arg(&self.path).args(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        if thread::panicking() {
            let screen = self.screen();
            let tail: String = screen.chars().skip(screen.chars().count().saturating_sub(600)).collect();
            let _ = writeln!(std::io::stderr(), "the screen ended with {tail:?}");
        }
        self.hang_up();
        let _ = self.leader.kill();
        let _ = self.leader.wait();
    }
}

/// The thread that reads what the terminal shows.
struct Watcher {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Polls instead of reading on: somebody who sits in read(2) keeps the terminal alive.
    fn start(mut master: File, screen: Arc<Mutex<Vec<u8>>>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !asked.load(Relaxed) {
                let mut fds = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
                if poll(&mut fds, PollTimeout::from(10_u8)) == Ok(0) {
                    continue;
                }
                match master.read(&mut buffer) {
                    Ok(length @ 1..) => screen.lock().unwrap().extend_from_slice(&buffer[..length]),
                    // Nobody is on the terminal any more.
                    _ => return,
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

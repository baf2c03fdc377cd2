//! A process of a scene whose output is gathered while it runs, and how it ended.

use std::fmt;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::wait::{PATIENCE, wait_for, wait_until};

/// What an event reaches by itself takes less; what only a timer would find takes longer (a waiter looks by itself
/// every three seconds).
pub(crate) const WITHOUT_A_TIMER: Duration = Duration::from_secs(2);

/// Killed with the scene.
pub(crate) struct Job {
    child: Child,
    stdout: Heard,
    stderr: Heard,
}

/// How a process ended, and everything it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Job {
    /// Standard input is what the command says; both outputs are read.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Heard::of(child.stdout.take().unwrap());
        let stderr = Heard::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until this is on its standard output.
    pub(crate) fn prints(&self, text: &str) {
        self.hears("stdout", &self.stdout, text);
    }

    /// Waits until this is on its standard error.
    pub(crate) fn says(&self, text: &str) {
        self.hears("stderr", &self.stderr, text);
    }

    fn hears(&self, from: &str, heard: &Heard, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !heard.text().contains(text) {
            assert!(
                Instant::now() < deadline,
                "waited in vain: {text:?} on {from}; so far: {}",
                self.so_far()
            );
            thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    fn so_far(&self) -> String {
        format!("{:?}, {:?}", self.stdout(), self.stderr())
    }

    pub(crate) fn gets(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end, and for the end of its output.
    pub(crate) fn finish(mut self) -> Ended {
        self.wait();
        for heard in [&mut self.stdout, &mut self.stderr] {
            let reader = heard.reader.take().unwrap();
            wait_until("the end of its output", || reader.is_finished());
            reader.join().unwrap();
        }
        self.ended()
    }

    /// Waits for its end, though others may still hold its output.
    pub(crate) fn wait(&mut self) -> Ended {
        let what = format!("the end of process {}: {}", self.pid(), self.so_far());
        wait_for(&what, || self.child.try_wait().unwrap());
        self.ended()
    }

    fn ended(&mut self) -> Ended {
        let status = self.child.wait().unwrap();
        Ended { code: status.code(), signal: status.signal(), stdout: self.stdout(), stderr: self.stderr() }
    }

    /// As [`Self::finish`], with status 0, so soon after `since` that no timer can have brought it about.
    pub(crate) fn finishes_soon_after(self, since: Instant) -> Ended {
        let ended = self.finish();
        let took = since.elapsed();
        assert_eq!(ended.code, Some(0), "{ended}");
        assert!(took < WITHOUT_A_TIMER, "took {took:?}: {ended}");
        ended
    }

    /// Ends it as SIGTERM does, command and all.
    pub(crate) fn stops(self) -> Ended {
        self.gets(Signal::SIGTERM);
        self.finish()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "status {code}")?,
            (_, signal) => write!(f, "signal {signal:?}")?,
        }
        write!(f, "\n-- stdout --\n{}\n-- stderr --\n{}", self.stdout, self.stderr)
    }
}

/// A stream, as far as it was read.
struct Heard {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Heard {
    fn of(mut from: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Self { bytes, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }
}

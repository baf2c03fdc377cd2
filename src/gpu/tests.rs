//! The room against the test double of NVML, loaded by dlopen in a real helper.

mod readings;
mod refusals;
mod silence;

use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use fakenvml::Scenario;

use super::inventory::Scan;
use super::{GpuError, Scanner, Source};
use crate::model::ids::Pid;
use crate::model::seen::{Measured, Reading, Unknown};
use crate::sys::pidfd::Pidfd;

/// Long enough that no machine under load makes a healthy GPU silent.
const PATIENT: Duration = Duration::from_secs(20);

fn scanner(library: PathBuf, per_gpu: Duration) -> Scanner {
    Scanner::start(Source::Nvml { library: Some(library) }, per_gpu).expect("a scanner")
}

/// One scan by a scanner of its own.
fn scan(scenario: &Scenario) -> Scan {
    scanner(scenario.library(), PATIENT).scan().expect("a scan")
}

fn refusal(scenario: &Scenario) -> GpuError {
    scanner(scenario.library(), PATIENT).scan().expect_err("a refusal")
}

fn measured(scan: &Scan, gpu: usize) -> &Measured {
    match &scan.gpus[gpu].reading {
        Reading::Measured(measured) => measured,
        other => panic!("GPU {gpu} is not measured: {other:?}"),
    }
}

fn unknown(scan: &Scan, gpu: usize) -> &Unknown {
    match &scan.gpus[gpu].reading {
        Reading::Unknown(why) => why,
        other => panic!("GPU {gpu} is known: {other:?}"),
    }
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Whether all of its threads have ended. The state in /proc tells of the first thread only.
fn has_ended(pid: Pid) -> bool {
    Pidfd::open(pid).map_or(true, |process| process.has_ended())
}

/// A real process to be put on a GPU.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().expect("sleep"))
    }

    fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // It may have been ended by its test.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! The helper's life: waits for a request, asks all GPUs at once, a thread each, and tells each answer when it is there.
//! Knows nothing of deadlines: whoever is tired of it closes the socket or kills it.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::driver::{Driver, Gpu, Trouble};
use super::wire::{Line, Refusal, Said, Slot};
use crate::model::seen::{Reading, Unknown};

/// Serves requests until the launcher closes its end. Returns the exit status.
pub(super) fn serve(socket: OwnedFd, library: Option<&Path>) -> i32 {
    // Only the name in a process list depends on it.
    let _ = nix::sys::prctl::set_name(c"chg-nvml");
    let socket = UnixStream::from(socket);
    let Ok(requests) = socket.try_clone() else { return 1 };
    let mut desk = Desk { voice: Voice(Arc::new(Mutex::new(socket))), driver: None, askers: Vec::new() };
    for request in BufReader::new(requests).lines() {
        let Some(scan) = request.ok().and_then(|text| text.parse().ok()) else { break };
        desk.answer(scan, library);
    }
    // Some asker may still be in the driver: ending the process takes it along, if anything can.
    0
}

struct Desk {
    voice: Voice,
    driver: Option<Driver>,
    askers: Vec<Asker>,
}

impl Desk {
    fn answer(&mut self, scan: u64, library: Option<&Path>) {
        let driver = match self.driver {
            Some(driver) => driver,
            None => match Driver::load(library) {
                Ok(driver) => *self.driver.insert(driver),
                Err(refusal) => return self.voice.say(scan, Said::Refused(refusal)),
            },
        };
        match driver.count() {
            Ok(gpus) => {
                let version = driver.version.map(str::to_owned);
                self.voice.say(scan, Said::Count { gpus, driver: version });
                (0..gpus).for_each(|slot| self.ask(driver, scan, slot));
            }
            Err(Trouble::Stale) => self.voice.say(scan, Said::Stale),
            Err(Trouble::Unknown(Unknown::NoPermission)) => {
                self.voice.say(scan, Said::Refused(Refusal::NoPermission));
            }
            Err(Trouble::Unknown(why)) => {
                self.voice.say(scan, Said::Refused(Refusal::Other(why.to_string())))
            }
        }
    }

    fn ask(&mut self, driver: Driver, scan: u64, slot: Slot) {
        if self.askers.len() == slot as usize {
            match Asker::start(driver, slot, self.voice.clone()) {
                Ok(asker) => self.askers.push(asker),
                Err(error) => {
                    let message = format!("cannot start a thread to ask it: {error}");
                    let reading = Reading::Unknown(Unknown::Error { message });
                    return self.voice.say(scan, Said::Answer { slot, reading });
                }
            }
        }
        match self.askers.get(slot as usize) {
            Some(asker) if asker.take(scan) => {}
            _ => self.voice.say(scan, Said::StillBusy { slot }),
        }
    }
}

/// A thread that asks one GPU. A call that hangs in the driver hangs it alone.
struct Asker {
    scans: Sender<u64>,
    busy: Arc<AtomicBool>,
}

impl Asker {
    fn start(driver: Driver, slot: Slot, voice: Voice) -> std::io::Result<Self> {
        let (scans, queue) = mpsc::channel();
        let busy = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&busy);
        thread::Builder::new()
            .name(format!("gpu-{slot}"))
            .spawn(move || ask_again(driver, slot, &queue, &flag, &voice))?;
        Ok(Self { scans, busy })
    }

    /// False if it has not come back from an earlier scan.
    fn take(&self, scan: u64) -> bool {
        !self.busy.swap(true, Ordering::AcqRel) && self.scans.send(scan).is_ok()
    }
}

fn ask_again(driver: Driver, slot: Slot, queue: &Receiver<u64>, busy: &AtomicBool, voice: &Voice) {
    let mut opened = None;
    for scan in queue {
        let said = match ask(driver, slot, &mut opened, |said| voice.say(scan, said)) {
            Ok(reading) => Said::Answer { slot, reading },
            Err(Trouble::Unknown(why)) => Said::Answer { slot, reading: Reading::Unknown(why) },
            Err(Trouble::Stale) => Said::Stale,
        };
        // Before the answer: whoever hears it may ask again at once.
        busy.store(false, Ordering::Release);
        voice.say(scan, said);
    }
}

/// A GPU stays open from one scan to the next, until it fails: then it is opened anew.
fn ask(
    driver: Driver,
    slot: Slot,
    opened: &mut Option<Gpu>,
    introduce: impl FnOnce(Said),
) -> Result<Reading, Trouble> {
    let gpu = match opened.take() {
        Some(gpu) => gpu,
        None => {
            let gpu = driver.open(slot)?;
            introduce(Said::Named { slot, identity: gpu.identity()? });
            gpu
        }
    };
    let reading = gpu.reading()?;
    *opened = Some(gpu);
    Ok(reading)
}

/// The helper's end of the socket, shared by its threads: a line is never mixed with another.
#[derive(Clone)]
struct Voice(Arc<Mutex<UnixStream>>);

impl Voice {
    fn say(&self, scan: u64, said: Said) {
        let Ok(mut line) = serde_json::to_vec(&Line { scan, said }) else { return };
        line.push(b'\n');
        // If the launcher is gone, the next read says so and ends us.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
    }
}

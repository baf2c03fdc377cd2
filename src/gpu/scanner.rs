//! Asks the GPUs through a helper, and never waits longer for one than its deadline. NVML is not loaded here: a thread
//! stuck in the driver makes its whole process unkillable.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::GpuError;
use super::conversation::{Conversation, Heard, Process};
use super::inventory::{Scan, Upkeep, arrange};
use super::wire::{Identity, Said, Slot};
use crate::model::device::Device;
use crate::model::ids::{Megabytes, Pid};
use crate::model::seen::{GpuSeen, Measured, Reading, Unknown};

/// How long a helper that was killed, and is not stuck, may take to disappear.
const LAST_BREATH: Duration = Duration::from_millis(100);

/// Where GPUs are looked for.
#[derive(Debug)]
pub(crate) enum Source {
    /// The driver, by its library or another one in its place.
    Nvml { library: Option<PathBuf> },
    /// Simulated GPUs, which are always idle.
    Fake { devices: Vec<Device> },
}

/// Scans GPUs, as often as asked. Dropping it buries the helper, as a [`Farewell`] does.
#[derive(Debug)]
pub(crate) struct Scanner {
    source: Source,
    per_gpu: Duration,
    helper: Helper,
    /// The number of the last scan; what a helper says of an earlier one comes too late.
    scan: u64,
    /// Who sits in which slot, as far as it was ever told.
    identities: BTreeMap<Slot, Identity>,
    /// The driver's version, as told last.
    driver: Option<String>,
}

#[derive(Debug)]
enum Helper {
    None,
    Ready(Conversation),
    /// Told to go, or killed, and how long that may take. As long as it is there no other is started: it would get stuck
    /// like this one.
    Leaving(Process, Duration),
}

/// How one attempt went.
enum Attempt {
    Done(BTreeMap<Slot, Reading>),
    /// The driver was reloaded: it takes a new helper.
    Stale,
}

impl Scanner {
    /// `per_gpu` is how long a GPU may take to answer, counted from the last answer of any. Forks: to be called while
    /// the process has one thread.
    ///
    /// # Errors
    /// If no process can be started.
    pub(crate) fn start(source: Source, per_gpu: Duration) -> Result<Self, GpuError> {
        let mut scanner = Self {
            source,
            per_gpu,
            helper: Helper::None,
            scan: 0,
            identities: BTreeMap::new(),
            driver: None,
        };
        if let Source::Nvml { .. } = scanner.source {
            scanner.conversation()?;
        }
        Ok(scanner)
    }

    /// What every GPU says now. One that does not answer in time is `Unknown` in it, and is not waited for again until
    /// it has answered.
    ///
    /// # Errors
    /// If no GPU could be asked at all, or none of them is known by name and nothing better is to be had.
    pub(crate) fn scan(&mut self) -> Result<Scan, GpuError> {
        if let Source::Fake { devices } = &self.source {
            let gpus = devices.iter().map(idle).collect();
            return Ok(Scan { gpus, nameless: Vec::new(), upkeep: Upkeep::default() });
        }
        let readings = match self.attempt()? {
            Attempt::Done(readings) => readings,
            Attempt::Stale => self.once_more()?,
        };
        let scan = arrange(&self.identities, readings, self.driver.clone());
        match (scan.gpus.is_empty(), scan.nameless.first()) {
            (true, Some(first)) => Err(GpuError::from(first.why.clone())),
            (true, None) => Err(GpuError::NoGpus),
            (false, _) => Ok(scan),
        }
    }

    /// The process that asks for us, however long it may be stuck: it is a child of this process, and no command's.
    pub(crate) fn helper_pid(&self) -> Option<Pid> {
        match &self.helper {
            Helper::None => None,
            Helper::Ready(conversation) => Some(conversation.pid()),
            Helper::Leaving(process, _) => Some(process.pid()),
        }
    }

    fn once_more(&mut self) -> Result<BTreeMap<Slot, Reading>, GpuError> {
        match self.attempt()? {
            Attempt::Done(readings) => Ok(readings),
            Attempt::Stale => Err(GpuError::Other("it is being reloaded".to_owned())),
        }
    }

    fn attempt(&mut self) -> Result<Attempt, GpuError> {
        self.scan += 1;
        let scan = self.scan;
        self.conversation()?.request(scan);
        let mut hearing = Hearing::default();
        let mut until = Instant::now() + self.per_gpu;
        let ending = loop {
            match self.conversation()?.listen(until) {
                Ok(Heard::Line(line)) if line.scan == scan => {
                    until = Instant::now() + self.per_gpu;
                    match line.said {
                        Said::Refused(refusal) => return self.refused(refusal.into()),
                        Said::Stale => return Ok(self.stale()),
                        Said::Named { slot, identity } => self.remember(slot, identity),
                        Said::Count { gpus, driver } => {
                            self.driver = driver;
                            hearing.count = Some(gpus);
                        }
                        said => hearing.take(said, self.silent()),
                    }
                    if hearing.is_complete() {
                        return Ok(Attempt::Done(self.finished(hearing)));
                    }
                }
                // Too late for its scan, but still its name.
                Ok(Heard::Line(line)) => {
                    if let Said::Named { slot, identity } = line.said {
                        self.remember(slot, identity);
                    }
                }
                Ok(Heard::Silence) => break self.silent(),
                Ok(Heard::End(how)) => break Unknown::Error { message: how },
                Err(error) => break Unknown::Error { message: error.to_string() },
            }
        };
        self.cut_short(hearing, &ending)
    }

    /// The helper to talk to, a new one if there is none and the last one is really gone.
    fn conversation(&mut self) -> Result<&mut Conversation, GpuError> {
        if let Helper::Leaving(process, patience) = &self.helper
            && !process.is_gone(Instant::now() + *patience)
        {
            return Err(self.no_answer());
        }
        if !matches!(self.helper, Helper::Ready(_)) {
            let Source::Nvml { library } = &self.source else { return Err(GpuError::NoGpus) };
            let begun = Conversation::begin(library.clone()).map_err(cannot_start)?;
            self.helper = Helper::Ready(begun);
        }
        match &mut self.helper {
            Helper::Ready(conversation) => Ok(conversation),
            Helper::None | Helper::Leaving(..) => Err(GpuError::NoGpus),
        }
    }

    /// All GPUs are accounted for. If none really answered, the helper as a whole may be what is stuck.
    fn finished(&mut self, hearing: Hearing) -> BTreeMap<Slot, Reading> {
        if !hearing.readings.is_empty() && !hearing.anybody_answered {
            self.abandon();
        }
        self.identities.retain(|slot, _| hearing.readings.contains_key(slot));
        hearing.readings
    }

    /// The deadline passed, or the helper died: what was heard counts, the rest is unknown.
    fn cut_short(&mut self, mut hearing: Hearing, why: &Unknown) -> Result<Attempt, GpuError> {
        let is_silence = matches!(why, Unknown::NoAnswer { .. });
        if !(is_silence && hearing.anybody_answered) {
            self.abandon();
        }
        let Some(count) = hearing.count else {
            return Err(match why {
                Unknown::Error { message } => GpuError::Helper(message.clone()),
                _ => self.no_answer(),
            });
        };
        for slot in 0..count {
            hearing.readings.entry(slot).or_insert_with(|| Reading::Unknown(why.clone()));
        }
        Ok(Attempt::Done(hearing.readings))
    }

    fn refused(&mut self, error: GpuError) -> Result<Attempt, GpuError> {
        // The next scan begins anew: a library that was found missing may be there by then, but a loader remembers.
        self.dismiss();
        Err(error)
    }

    fn stale(&mut self) -> Attempt {
        self.identities.clear();
        self.dismiss();
        Attempt::Stale
    }

    fn remember(&mut self, slot: Slot, identity: Identity) {
        self.identities.insert(slot, identity);
    }

    fn abandon(&mut self) {
        self.replace_helper(Conversation::abandon, LAST_BREATH);
    }

    /// It has just answered, so it is not stuck: a machine under load is all that its end can wait for.
    fn dismiss(&mut self) {
        self.replace_helper(Conversation::end, self.per_gpu);
    }

    fn replace_helper(&mut self, farewell: impl FnOnce(Conversation) -> Process, patience: Duration) {
        self.helper = match std::mem::replace(&mut self.helper, Helper::None) {
            Helper::Ready(conversation) => Helper::Leaving(farewell(conversation), patience),
            other => other,
        };
    }

    fn silent(&self) -> Unknown {
        Unknown::NoAnswer { seconds: self.seconds() }
    }

    fn no_answer(&self) -> GpuError {
        GpuError::NoAnswer { seconds: self.seconds() }
    }

    fn seconds(&self) -> u64 {
        self.per_gpu.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
    }
}

impl Scanner {
    /// Lets the helper go without waiting for its end, which is for the farewell to see.
    pub(crate) fn leave(mut self) -> Option<Farewell> {
        self.part()
    }

    fn part(&mut self) -> Option<Farewell> {
        match std::mem::replace(&mut self.helper, Helper::None) {
            Helper::None => None,
            // With a request still in the driver, closing the socket may not be heard for long.
            Helper::Ready(conversation) => {
                Some(Farewell { process: conversation.abandon(), patience: LAST_BREATH })
            }
            Helper::Leaving(process, _) => Some(Farewell { process, patience: Duration::ZERO }),
        }
    }
}

impl Drop for Scanner {
    fn drop(&mut self) {
        drop(self.part());
    }
}

/// A helper that was killed. Dropped, it is waited for, for moments at most, and buried: where the first process of a
/// container buries nobody it would stay a zombie. One that is stuck in the driver stays behind.
#[derive(Debug)]
pub(crate) struct Farewell {
    process: Process,
    patience: Duration,
}

impl Farewell {
    /// Whether it is gone by now, and buried.
    pub(crate) fn is_over(&self) -> bool {
        self.process.is_gone(Instant::now())
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.process.is_gone(Instant::now() + self.patience);
    }
}

/// What was heard of one scan so far.
#[derive(Default)]
struct Hearing {
    count: Option<u32>,
    readings: BTreeMap<Slot, Reading>,
    anybody_answered: bool,
}

impl Hearing {
    fn take(&mut self, said: Said, silent: Unknown) {
        match said {
            Said::Answer { slot, reading } => {
                self.anybody_answered = true;
                self.readings.insert(slot, reading);
            }
            Said::StillBusy { slot } => {
                self.readings.insert(slot, Reading::Unknown(silent));
            }
            Said::Count { .. } | Said::Named { .. } | Said::Refused(_) | Said::Stale => {}
        }
    }

    fn is_complete(&self) -> bool {
        self.count.is_some_and(|count| self.readings.len() == count as usize)
    }
}

fn idle(device: &Device) -> GpuSeen {
    let total = device.memory.unwrap_or_default();
    let measured = Measured { used: Megabytes(0), total, utilization: Some(0), processes: Vec::new() };
    GpuSeen { device: device.clone(), reading: Reading::Measured(measured) }
}

fn cannot_start(error: io::Error) -> GpuError {
    GpuError::Helper(format!("cannot be started: {error}"))
}

//! Asks the GPUs through a helper, and never waits longer for one than its deadline. NVML is not loaded here: a thread
//! stuck in the driver makes its whole process unkillable.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::GpuError;
use super::conversation::{Conversation, Heard, Process};
use super::hearing::Hearing;
use super::inventory::{Scan, Upkeep, arrange};
use super::wire::{Identity, Said, Slot};
use crate::model::device::Device;
use crate::model::ids::{Megabytes, Pid};
use crate::model::seen::{GpuSeen, Measured, Reading, Unknown};
use crate::sys::process::is_running;

/// How long a helper that was killed, and is not stuck, may take to disappear.
const LAST_BREATH: Duration = Duration::from_millis(100);
/// How long one may take that is kept from it by others who want the processor.
const LONG_BREATH: Duration = Duration::from_secs(1);

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
    /// What is being asked, and not yet answered by all.
    asked: Option<Asked>,
}

/// A scan that is under way.
#[derive(Debug)]
struct Asked {
    hearing: Hearing,
    /// Who has not answered by then does not answer.
    until: Instant,
    /// Whether the driver was reloaded since it was begun.
    anew: Anew,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anew {
    No,
    Yes,
}

#[derive(Debug)]
enum Helper {
    None,
    Ready(Conversation),
    /// Told to go, or killed, and how long that may take. As long as it is there no other is started: it would get stuck
    /// like this one.
    Leaving(Process, Duration),
}

/// How far the answers have come.
enum Answers {
    /// Every GPU is accounted for.
    All(BTreeMap<Slot, Reading>),
    /// The driver was reloaded: it takes a new helper.
    Stale,
    /// There may be more.
    SoFar(Hearing, Instant),
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
            asked: None,
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
        self.ask()?;
        loop {
            let until = self.awaited().map_or_else(Instant::now, |(_, until)| until);
            if let Some(scan) = self.hear(until)? {
                return Ok(scan);
            }
        }
    }

    /// Begins a scan, whose answers are for [`Self::hear`]. Never waits for the driver.
    ///
    /// # Errors
    /// As [`Self::scan`].
    pub(crate) fn ask(&mut self) -> Result<(), GpuError> {
        self.begin(Anew::No)
    }

    fn begin(&mut self, anew: Anew) -> Result<(), GpuError> {
        self.asked = None;
        self.scan += 1;
        let scan = self.scan;
        if let Source::Nvml { .. } = self.source {
            self.conversation()?.request(scan);
        }
        let until = Instant::now() + self.per_gpu;
        self.asked = Some(Asked { hearing: Hearing::default(), until, anew });
        Ok(())
    }

    /// What becomes readable when more is answered to a scan that is under way, and when it is over at the latest,
    /// should nothing come.
    pub(crate) fn awaited(&self) -> Option<(BorrowedFd<'_>, Instant)> {
        match (&self.helper, &self.asked) {
            (Helper::Ready(conversation), Some(asked)) => Some((conversation.as_fd(), asked.until)),
            _ => None,
        }
    }

    /// Listens until then at most, which may be at once: the scan, if it is over.
    ///
    /// # Errors
    /// As [`Self::scan`].
    pub(crate) fn hear(&mut self, until: Instant) -> Result<Option<Scan>, GpuError> {
        if let Source::Fake { devices } = &self.source {
            let gpus = devices.iter().map(idle).collect();
            return Ok(Some(Scan { gpus, nameless: Vec::new(), upkeep: Upkeep::default() }));
        }
        let Some(Asked { hearing, until: deadline, anew }) = self.asked.take() else { return Ok(None) };
        let readings = match self.listen(hearing, deadline, until)? {
            Answers::All(readings) => readings,
            Answers::SoFar(hearing, until) => {
                self.asked = Some(Asked { hearing, until, anew });
                return Ok(None);
            }
            Answers::Stale if anew == Anew::No => return self.begin(Anew::Yes).map(|()| None),
            Answers::Stale => return Err(GpuError::Other("it is being reloaded".to_owned())),
        };
        let scan = arrange(&self.identities, readings, self.driver.clone());
        match (scan.gpus.is_empty(), scan.nameless.first()) {
            (true, Some(first)) => Err(GpuError::from(first.why.clone())),
            (true, None) => Err(GpuError::NoGpus),
            (false, _) => Ok(Some(scan)),
        }
    }

    /// A scan that is under way, as far as it has come; none while it is not even told how many GPUs there are.
    pub(crate) fn so_far(&self) -> Option<Scan> {
        let hearing = &self.asked.as_ref()?.hearing;
        let mut readings = hearing.readings.clone();
        for slot in 0..hearing.count? {
            readings.entry(slot).or_insert(Reading::Unknown(Unknown::NotYet));
        }
        Some(arrange(&self.identities, readings, self.driver.clone()))
    }

    /// The process that asks for us, however long it may be stuck: it is a child of this process, and no command's.
    pub(crate) fn helper_pid(&self) -> Option<Pid> {
        match &self.helper {
            Helper::None => None,
            Helper::Ready(conversation) => Some(conversation.pid()),
            Helper::Leaving(process, _) => Some(process.pid()),
        }
    }

    /// Hears what comes until `moment`, or until `deadline`, which moves on with every answer.
    fn listen(
        &mut self,
        mut hearing: Hearing,
        mut deadline: Instant,
        moment: Instant,
    ) -> Result<Answers, GpuError> {
        let scan = self.scan;
        let ending = loop {
            match self.conversation()?.listen(deadline.min(moment)) {
                Ok(Heard::Line(line)) if line.scan == scan => {
                    deadline = Instant::now() + self.per_gpu;
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
                        return Ok(Answers::All(self.finished(hearing)));
                    }
                }
                // Too late for its scan, but still its name.
                Ok(Heard::Line(line)) => {
                    if let Said::Named { slot, identity } = line.said {
                        self.remember(slot, identity);
                    }
                }
                Ok(Heard::Silence) if Instant::now() < deadline => {
                    return Ok(Answers::SoFar(hearing, deadline));
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
    fn cut_short(&mut self, mut hearing: Hearing, why: &Unknown) -> Result<Answers, GpuError> {
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
        Ok(Answers::All(hearing.readings))
    }

    fn refused(&mut self, error: GpuError) -> Result<Answers, GpuError> {
        // The next scan begins anew: a library that was found missing may be there by then, but a loader remembers.
        self.dismiss();
        Err(error)
    }

    fn stale(&mut self) -> Answers {
        self.identities.clear();
        self.dismiss();
        Answers::Stale
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
        let begun = Instant::now();
        let mut is_gone = self.process.is_gone(begun + self.patience);
        // On a machine under load it waits for its turn to die, and not for the driver.
        while !is_gone
            && !self.patience.is_zero()
            && is_running(self.process.pid())
            && begun.elapsed() < LONG_BREATH
        {
            is_gone = self.process.is_gone(Instant::now() + self.patience);
        }
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

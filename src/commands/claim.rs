//! From a request to a grant: the first attempt, and the wait in line. The store decides; this listens, and looks again
//! when something may have changed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::context::Context;
use super::signals::{Asked, Signals};
use super::vigil::{self, Cause};
use super::witness::{Spawn, Taken};
use crate::bell::Bell;
use crate::error::{Error, While};
use crate::model::ids::{LeaseId, Pid, Timestamp};
use crate::model::pool::Pool;
use crate::model::request::{OnBusy, Request};
use crate::model::reservation::Reservation;
use crate::model::verb::{Outcome, Refusal, Standing, Verb};
use crate::output::{Out, WaitDisplay};
use crate::seat;
use crate::store::{Applied, StoreError};
use crate::sys::pidfd::Pidfd;

/// What was granted.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) reservation: Reservation,
    pub(crate) taken: Taken,
    /// The pool at the grant.
    pub(crate) applied: Applied,
    /// How long it stood in line.
    pub(crate) waited: Option<Duration>,
}

/// How a claim ends when it does not fail.
#[derive(Debug)]
pub(crate) enum Claimed {
    Granted(Box<Grant>),
    /// A signal asked us to stop while in line; the place was given up.
    Interrupted(i32),
}

/// Claims what `request` asks for; stands in line if it says so. A run is started by `spawn` as it is granted.
pub(crate) fn until_granted(
    ctx: &mut Context<'_>,
    request: Request,
    spawn: Option<&dyn Spawn>,
    signals: &Signals,
) -> Result<Claimed, Error> {
    // Opened before the first look: a bell that rings in between is not missed.
    let bell = match request.on_busy {
        OnBusy::Queue { .. } => Some(Bell::hang(&request.id).doing("hanging a bell")?),
        OnBusy::Refuse => None,
    };
    let mut line = Line::new();
    let mut display = WaitDisplay::new(ctx.out);
    let id = request.id.clone();
    let mut patience = Patience { on_busy: request.on_busy, since: None };
    // A store that does not answer keeps nobody from leaving.
    ctx.store.interrupt_on(signals.as_fd().try_clone_to_owned().ok());
    let mut pool = match first_look(ctx, signals)? {
        Look::Seen(pool) => pool,
        Look::Interrupted(signal) => return Ok(Claimed::Interrupted(signal)),
    };
    loop {
        let request = Request { enqueued: line.enqueued, on_busy: patience.left(), ..request.clone() };
        let looked = ctx.apply_on_scan(&pool, &Verb::Claim(request), spawn);
        let (applied, taken) =
            match looked.and_then(|(applied, taken)| Ok((ctx.unless_refused(applied)?, taken))) {
                Ok(committed) => committed,
                Err(error) if is_interrupted(&error) => match signals.asked_to_stop() {
                    // It may have been granted: the answer alone was not waited for.
                    Some(signal) => {
                        withdraw(ctx, id);
                        return Ok(Claimed::Interrupted(signal));
                    }
                    None => continue,
                },
                // Who stands in line keeps the place while the store or the driver is away.
                Err(error) if line.stood() && may_pass(&error) && !patience.is_over() => {
                    line.tell_once(ctx.out, &error);
                    let ears = Ears { store: None, bell: bell.as_ref(), signals };
                    match ears.pause()? {
                        Some(signal) => return Ok(Claimed::Interrupted(signal)),
                        None => continue,
                    }
                }
                Err(error @ Error::Seat(_)) => {
                    withdraw(ctx, id);
                    return Err(error);
                }
                Err(error) => return Err(error),
            };
        let standing = match &applied.outcome {
            Outcome::Granted(reservation) => {
                let reservation = reservation.clone();
                let waited = line.waited(applied.now);
                return Ok(Claimed::Granted(Box::new(Grant { reservation, taken, applied, waited })));
            }
            Outcome::Waiting(standing) => standing,
            _ => return Err(ctx.refused(applied)),
        };
        let ears = Ears { store: ctx.store.descriptor(), bell: bell.as_ref(), signals };
        if let Some(signal) = line.wait(standing, &applied, &ears, &mut display)? {
            withdraw(ctx, id);
            return Ok(Claimed::Interrupted(signal));
        }
        pool = applied.pool;
    }
}

/// Leaves the line. A store that is away finds us dead when it is back; whoever asked us to stop does not wait for it.
fn withdraw(ctx: &mut Context<'_>, id: LeaseId) {
    ctx.store.interrupt_on(None);
    ctx.store.hurry(FAREWELL);
    if let Err(error) = ctx.apply(&Verb::Withdraw { id }) {
        tracing::debug!(%error, "not withdrawn");
    }
}

/// What there was to see before the first claim.
enum Look {
    Seen(Pool),
    Interrupted(i32),
}

fn first_look(ctx: &mut Context<'_>, signals: &Signals) -> Result<Look, Error> {
    loop {
        match ctx.snapshot() {
            Ok(snapshot) => return Ok(Look::Seen(snapshot.pool)),
            Err(error) if !is_interrupted(&error) => return Err(error),
            Err(_) => {
                if let Some(signal) = signals.asked_to_stop() {
                    return Ok(Look::Interrupted(signal));
                }
            }
        }
    }
}

const fn is_interrupted(error: &Error) -> bool {
    matches!(error, Error::Store(StoreError::Interrupted { .. }))
}

/// Whether a store or a driver may come back by itself, or by somebody's hand: a server, a password, a file.
const fn may_pass(error: &Error) -> bool {
    match error {
        Error::Store(StoreError::BadUrl { .. } | StoreError::Interrupted { .. }) => false,
        Error::Store(_) | Error::Gpu(_) => true,
        // The records of a pool that was there when this client came in line.
        Error::Refused { refusal, .. } => {
            matches!(**refusal, Refusal::NoGpus { .. } | Refusal::Damaged { .. })
        }
        _ => false,
    }
}

/// A client in line: since when, and how often it has looked in vain for something that nobody announces.
#[derive(Debug)]
struct Line {
    enqueued: Option<Timestamp>,
    in_vain: u32,
    last: Option<Standing>,
    /// What could not be watched at the last look, because it was over.
    over: Vec<Cause>,
    /// Whether the user knows that the store or the driver is away.
    away: Away,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Away {
    No,
    Told,
}

impl Line {
    const fn new() -> Self {
        Self { enqueued: None, in_vain: 0, last: None, over: Vec::new(), away: Away::No }
    }

    const fn stood(&self) -> bool {
        self.enqueued.is_some()
    }

    fn waited(&self, now: Timestamp) -> Option<Duration> {
        self.enqueued.map(|since| now.since(since))
    }

    /// Waits until another look may help, and shows how it stands. A signal that asks us to stop is handed back.
    fn wait(
        &mut self,
        standing: &Standing,
        applied: &Applied,
        ears: &Ears<'_>,
        display: &mut WaitDisplay<'_>,
    ) -> Result<Option<i32>, Error> {
        let unchanged = self.last.as_ref().is_some_and(|last| vigil::is_like(last, standing));
        self.in_vain = if unchanged { self.in_vain.saturating_add(1) } else { 0 };
        self.enqueued = Some(standing.enqueued);
        self.away = Away::No;
        self.last = Some(standing.clone());
        let looked = Instant::now();
        let mut deadline =
            looked + vigil::next_look(standing, &applied.pool, applied.now, self.in_vain, jitter());
        let (mut watched, over) = watch_all(vigil::causes(standing, &applied.pool));
        // What ended since the look would not wake us. Once is enough: a launcher may be over long before its command.
        if over.iter().any(|cause| !self.over.contains(cause)) {
            deadline = deadline.min(looked + vigil::courtesy(standing, jitter()));
        }
        self.over = over;
        loop {
            display.show(standing, applied.now.after(looked.elapsed()));
            let next = display.tick().map_or(deadline, |tick| deadline.min(Instant::now() + tick));
            match ears.listen(&watched, next)? {
                Heard::Stop(signal) => return Ok(Some(signal)),
                Heard::Nothing if Instant::now() < deadline => {}
                Heard::End => {
                    let courtesy = vigil::courtesy(standing, jitter());
                    if courtesy.is_zero() {
                        return Ok(None);
                    }
                    // It would be heard again and again.
                    watched.clear();
                    deadline = deadline.min(Instant::now() + courtesy);
                }
                Heard::Something | Heard::Nothing => return Ok(None),
            }
        }
    }

    fn tell_once(&mut self, out: &Out, error: &Error) {
        if self.away == Away::No {
            out.warn(&format!("{error}; the place in line is kept"), None);
        }
        self.away = Away::Told;
    }
}

/// How long leaving the line may take.
const FAREWELL: Duration = Duration::from_millis(500);
/// How soon a store or a driver that went away is asked again.
const RETRY: Duration = Duration::from_millis(200);

/// Descriptors of the causes that can be watched, and the causes that cannot: they are over.
fn watch_all(causes: Vec<Cause>) -> (Vec<OwnedFd>, Vec<Cause>) {
    let (mut watched, mut over) = (Vec::new(), Vec::new());
    for cause in causes {
        match watch(&cause) {
            Some(fd) => watched.push(fd),
            None => over.push(cause),
        }
    }
    (watched, over)
}

/// A descriptor that becomes readable when the cause is gone; none if it is gone already or cannot be watched.
fn watch(cause: &Cause) -> Option<OwnedFd> {
    match cause {
        // Whoever has the number by now may end when he likes: that would only make us look once more.
        Cause::Process(process) => watch_process(process.pid),
        Cause::Run { launcher, child } => {
            launcher.iter().chain(child).find_map(|process| watch_process(process.pid))
        }
        Cause::Pid(pid) => watch_process(*pid),
        Cause::Seat(uuid) => seat::watch(uuid).filter(|fd| !is_over(fd)),
    }
}

fn watch_process(pid: Pid) -> Option<OwnedFd> {
    Pidfd::open(pid).ok().map(OwnedFd::from).filter(|fd| !is_over(fd))
}

/// Readable, as pidfds and seats are from the end of their process on.
fn is_over(fd: &OwnedFd) -> bool {
    poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// What a sleep was ended by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// A signal that asks us to stop.
    Stop(i32),
    /// The bell, or a signal that means looking again.
    Something,
    /// Something watched has ended, and nothing else was heard.
    End,
    /// The time is up, or nothing came that matters here.
    Nothing,
}

/// What a client in line listens to, besides what stands in its way.
struct Ears<'a> {
    /// The store's connection: a server that closes it may come back without the line.
    store: Option<BorrowedFd<'a>>,
    bell: Option<&'a Bell>,
    signals: &'a Signals,
}

impl Ears<'_> {
    /// Sleeps until the bell rings, a watched process ends, the store goes, a signal comes, or the time is up.
    fn listen(&self, watched: &[OwnedFd], deadline: Instant) -> Result<Heard, Error> {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        let input = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds: Vec<PollFd<'_>> = watched.iter().map(|fd| input(fd.as_fd())).collect();
        fds.push(input(self.signals.as_fd()));
        fds.extend(self.bell.map(|bell| input(bell.as_fd())));
        fds.extend(self.store.map(input));
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(io::Error::from(errno)).doing("waiting in line"),
        }
        let heard = |fds: &[PollFd<'_>]| fds.iter().any(|fd| fd.any() == Some(true));
        let ended = heard(&fds[..watched.len()]);
        let called = heard(&fds[watched.len() + 1..]);
        drop(fds);
        if let Some(bell) = self.bell {
            bell.drain();
        }
        Ok(match self.signals.read() {
            Asked::Stop(signal) => Heard::Stop(signal),
            Asked::Look => Heard::Something,
            Asked::Nothing if called => Heard::Something,
            Asked::Nothing if ended => Heard::End,
            Asked::Nothing => Heard::Nothing,
        })
    }

    /// Waits a moment, or until the bell rings; a signal that asks us to stop is handed back.
    fn pause(&self) -> Result<Option<i32>, Error> {
        let until = Instant::now() + RETRY;
        loop {
            match self.listen(&[], until)? {
                Heard::Stop(signal) => return Ok(Some(signal)),
                // The end of the process that could not ask the driver, perhaps.
                Heard::Nothing if Instant::now() < until => {}
                Heard::Something | Heard::End | Heard::Nothing => return Ok(None),
            }
        }
    }
}

/// How long a client is willing to wait, counted by a clock that nobody sets.
struct Patience {
    on_busy: OnBusy,
    /// Since the first look.
    since: Option<Instant>,
}

impl Patience {
    /// What is left of it at this look.
    fn left(&mut self) -> OnBusy {
        let passed = match self.since {
            Some(since) => since.elapsed(),
            None => {
                self.since = Some(Instant::now());
                Duration::ZERO
            }
        };
        match self.on_busy {
            OnBusy::Queue { at_most: Some(at_most) } => {
                OnBusy::Queue { at_most: Some(at_most.saturating_sub(passed)) }
            }
            endless => endless,
        }
    }

    fn is_over(&self) -> bool {
        let OnBusy::Queue { at_most: Some(at_most) } = self.on_busy else { return false };
        self.since.is_some_and(|since| since.elapsed() >= at_most)
    }
}

/// From 0 to 1, to keep clients that were woken together from looking together.
fn jitter() -> f64 {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    f64::from(nanos % 1_000_003) / 1_000_003.0
}

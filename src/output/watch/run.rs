//! The loop of `--watch`: looks anew at every tick, draws anew at every change of size, ends at `q`, at a signal, or
//! when nobody reads any more. Elsewhere than on a full terminal it prints the table at every tick.

use std::fmt::Display;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::super::line::Line;
use super::super::out::{Out, OutputError};
use super::super::status::table;
use super::super::stream::Delivery;
use super::super::stream::terminal_is_dumb;
use super::bars::Strokes;
use super::frame::{WatchView, frame};
use super::screen::Screen;

/// What is watched: looked at again and again, each look begun at one moment and over at another.
pub(crate) trait Watched {
    type Failure: Display + From<OutputError>;

    /// Begins to look anew.
    ///
    /// # Errors
    /// Why this cannot be done now.
    fn look(&mut self) -> Result<(), Self::Failure>;

    /// What becomes readable when there is more to see, and how long the look takes at the most; nothing where it is over
    /// already.
    fn awaited(&self) -> Option<(BorrowedFd<'_>, Duration)>;

    /// What was seen, if the look is over.
    ///
    /// # Errors
    /// Why nothing was seen.
    fn seen(&mut self) -> Result<Option<WatchView>, Self::Failure>;

    /// What is seen of it so far.
    fn so_far(&mut self) -> WatchView;
}

/// Shows what is seen, every so often; the first look has been begun. A failure that comes before anything is shown is
/// returned; a later one is shown above the last view, or told on stderr, and the next look may succeed.
///
/// While the screen is taken, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP and SIGWINCH are blocked in this thread, and in
/// processes that looks start.
///
/// # Errors
/// That of the first look; or [`OutputError`] when stdout fails.
pub(crate) fn watch<W: Watched>(out: &Out, every: Duration, watched: &mut W) -> Result<(), W::Failure> {
    let clocks = Clocks::start(every).map_err(OutputError::Write)?;
    if out.stdout().terminal && !terminal_is_dumb() {
        let first = Shown::first(watched, &clocks)?;
        let screen = Screen::take(out.stdout()).map_err(OutputError::Write)?;
        Ok(on_screen(screen, &clocks, first, watched)?)
    } else {
        in_lines(out, &clocks.ticks, watched)
    }
}

/// How long a look may take before what there is of it is shown.
const PATIENCE: Duration = Duration::from_millis(100);

struct Clocks {
    /// When to look. It does not run late however often it is looked at, and starts at a tick from now.
    ticks: TimerFd,
    /// When a look takes long.
    patience: TimerFd,
}

impl Clocks {
    fn start(every: Duration) -> Result<Self, Errno> {
        let clock = || TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC);
        let clocks = Self { ticks: clock()?, patience: clock()? };
        let every = every.max(Duration::from_millis(100));
        clocks.ticks.set(Expiration::Interval(every.into()), TimerSetTimeFlags::empty())?;
        Ok(clocks)
    }

    /// A look begins.
    fn be_patient(&self) -> Result<(), OutputError> {
        let once = Expiration::OneShot(PATIENCE.into());
        self.patience.set(once, TimerSetTimeFlags::empty()).map_err(OutputError::Write)
    }
}

fn in_lines<W: Watched>(out: &Out, ticks: &TimerFd, watched: &mut W) -> Result<(), W::Failure> {
    let mut seen: Result<_, W::Failure> = Ok(whole(watched)?);
    // Said once, not at every tick.
    let mut said = None;
    loop {
        match &seen {
            Ok(view) => {
                said = None;
                let mut lines = table(&view.status, out.room());
                lines.push(Line::new());
                if out.print(&lines)? == Delivery::Closed {
                    return Ok(());
                }
            }
            Err(failure) => {
                let failure = failure.to_string();
                if said.as_ref() != Some(&failure) {
                    out.error(&failure, None);
                    said = Some(failure);
                }
                if out.stdout().is_closed() {
                    return Ok(());
                }
            }
        }
        match ticks.wait() {
            Ok(()) | Err(Errno::EINTR) => seen = watched.look().and_then(|()| whole(watched)),
            Err(errno) => return Err(OutputError::Write(errno).into()),
        }
    }
}

/// A look to its end.
fn whole<W: Watched>(watched: &mut W) -> Result<WatchView, W::Failure> {
    loop {
        if let Some(view) = watched.seen()? {
            return Ok(view);
        }
        let Some((more, left)) = watched.awaited() else { continue };
        match poll(&mut [PollFd::new(more, PollFlags::POLLIN)], timeout(left)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(OutputError::Write(errno).into()),
        }
    }
}

/// Rounded up: to wait for 0 ms half a millisecond before would be a busy loop.
fn timeout(left: Duration) -> PollTimeout {
    PollTimeout::try_from(left.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
}

/// What is being done about what is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gaze {
    /// Until the next tick.
    Resting,
    Looking,
    /// For so long that all there is of it is shown.
    LookingLong,
}

/// What happened while nothing was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Tick,
    /// A look takes long.
    Long,
    /// There may be more to see of the look that was begun.
    More,
    Key(u8),
    /// Nobody types any more: the terminal is gone.
    Hangup,
    Signal(Signal),
    Nothing,
}

fn on_screen<W: Watched>(
    screen: Screen<'_>,
    clocks: &Clocks,
    mut shown: Shown,
    watched: &mut W,
) -> Result<(), OutputError> {
    let strokes = Strokes::of_this_terminal();
    loop {
        let size = screen.size();
        let lines = frame(&shown.view, shown.trouble.as_deref(), size, strokes);
        if screen.draw(&lines, size)? == Delivery::Closed {
            return Ok(());
        }
        let mut change = Change::None;
        while change == Change::None {
            change = match next(&screen, clocks, shown.gaze, watched)? {
                Event::Key(b'q' | b'Q') | Event::Hangup => return Ok(()),
                Event::Tick | Event::Key(b'r' | b' ') => shown.look(watched, clocks)?,
                Event::Long => shown.see_so_far(watched),
                Event::More => shown.see(watched),
                Event::Signal(Signal::SIGWINCH) => Change::Draw,
                Event::Signal(Signal::SIGTSTP) => {
                    screen.suspend();
                    Change::Draw
                }
                Event::Signal(signal) => {
                    screen.surrender_to(signal);
                    return Ok(());
                }
                Event::Key(_) | Event::Nothing => Change::None,
            };
        }
    }
}

/// Whether there is something else to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    Draw,
}

/// What is on the screen, and what is being done about it.
struct Shown {
    view: WatchView,
    trouble: Option<String>,
    gaze: Gaze,
}

impl Shown {
    /// The whole of the first look if it comes soon, or else what there is of it.
    fn first<W: Watched>(watched: &mut W, clocks: &Clocks) -> Result<Self, W::Failure> {
        clocks.be_patient()?;
        loop {
            if let Some(view) = watched.seen()? {
                return Ok(Self { view, trouble: None, gaze: Gaze::Resting });
            }
            let Some((more, left)) = watched.awaited() else { continue };
            let mut fds = [more, clocks.patience.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            match poll(&mut fds, timeout(left)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(OutputError::Write(errno).into()),
            }
            if fds[0].any() != Some(true) && fds[1].any() == Some(true) {
                return Ok(Self { view: watched.so_far(), trouble: None, gaze: Gaze::LookingLong });
            }
        }
    }

    /// Looks anew, unless that is being done.
    fn look<W: Watched>(&mut self, watched: &mut W, clocks: &Clocks) -> Result<Change, OutputError> {
        if self.gaze != Gaze::Resting {
            return Ok(Change::None);
        }
        if let Err(failure) = watched.look() {
            return Ok(self.fail(&failure));
        }
        self.gaze = Gaze::Looking;
        clocks.be_patient()?;
        Ok(Change::None)
    }

    /// Sees what has come of the look.
    fn see<W: Watched>(&mut self, watched: &mut W) -> Change {
        match watched.seen() {
            Ok(Some(view)) => {
                *self = Self { view, trouble: None, gaze: Gaze::Resting };
                Change::Draw
            }
            Ok(None) if self.gaze == Gaze::LookingLong => self.see_so_far(watched),
            Ok(None) => Change::None,
            Err(failure) => self.fail(&failure),
        }
    }

    /// What there is of a look that takes long.
    fn see_so_far<W: Watched>(&mut self, watched: &mut W) -> Change {
        self.view = watched.so_far();
        self.gaze = Gaze::LookingLong;
        Change::Draw
    }

    fn fail(&mut self, failure: &impl Display) -> Change {
        self.trouble = Some(format!("error: {failure}"));
        self.gaze = Gaze::Resting;
        Change::Draw
    }
}

/// Waits for the next event. Keys and signals go before everything else: leaving must not wait for anything.
fn next<W: Watched>(
    screen: &Screen<'_>,
    clocks: &Clocks,
    gaze: Gaze,
    watched: &W,
) -> Result<Event, OutputError> {
    let (mut more, mut left) = (None, PollTimeout::NONE);
    let clock = match gaze {
        Gaze::Resting => Some((&clocks.ticks, Event::Tick)),
        Gaze::Looking => Some((&clocks.patience, Event::Long)),
        Gaze::LookingLong => None,
    };
    if gaze != Gaze::Resting {
        let Some((fd, most)) = watched.awaited() else { return Ok(Event::More) };
        (more, left) = (Some(fd), timeout(most));
    }
    // In the order in which they are heard.
    let all = [Some(screen.signals()), screen.keys(), more, clock.map(|(clock, _)| clock.as_fd())];
    let mut fds: Vec<PollFd<'_>> =
        all.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    match poll(&mut fds, left) {
        Err(Errno::EINTR) => return Ok(Event::Nothing),
        Err(errno) => return Err(OutputError::Write(errno)),
        // The time for it is over.
        Ok(0) => return Ok(Event::More),
        Ok(_) => {}
    }
    let mut heard = fds.iter().map(|fd| fd.any().unwrap_or(false));
    let is_heard = |fd: &Option<BorrowedFd<'_>>| fd.is_some() && heard.next().unwrap_or(false);
    let [signal, key, more, clock_rang] = all.each_ref().map(is_heard);
    if signal {
        return Ok(screen.signal().map_or(Event::Nothing, Event::Signal));
    }
    if let (true, Some(keys)) = (key, screen.keys()) {
        let mut key = [0];
        return Ok(match nix::unistd::read(keys, &mut key) {
            Ok(1..) => Event::Key(key[0]),
            Err(Errno::EINTR | Errno::EAGAIN) => Event::Nothing,
            Ok(0) | Err(_) => Event::Hangup,
        });
    }
    match clock {
        _ if more => Ok(Event::More),
        Some((clock, event)) if clock_rang => {
            clock.wait().map_err(OutputError::Write)?;
            Ok(event)
        }
        _ => Ok(Event::Nothing),
    }
}

#[cfg(test)]
mod tests;

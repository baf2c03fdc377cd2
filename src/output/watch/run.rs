//! The loop of `--watch`: looks anew at every tick, draws anew at every change of size, ends at `q`, at a signal, or
//! when nobody reads any more. Elsewhere than on a full terminal it prints the table at every tick.

use std::fmt::Display;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

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

    /// What becomes readable when there is more to see, and when the look is over at the latest; nothing where it is
    /// over already.
    fn awaited(&self) -> Option<(BorrowedFd<'_>, Instant)>;

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
    let ticks = ticks(every).map_err(OutputError::Write)?;
    if out.stdout().terminal && !terminal_is_dumb() {
        let first = Shown::first(watched)?;
        let screen = Screen::take(out.stdout()).map_err(OutputError::Write)?;
        Ok(on_screen(screen, &ticks, first, watched)?)
    } else {
        in_lines(out, &ticks, watched)
    }
}

/// A clock that does not run late however often it is looked at. It starts at a tick from now.
fn ticks(every: Duration) -> Result<TimerFd, Errno> {
    let ticks = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
    let every = every.max(Duration::from_millis(100));
    ticks.set(Expiration::Interval(every.into()), TimerSetTimeFlags::empty())?;
    Ok(ticks)
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
        wait_for(watched.awaited(), None).map_err(OutputError::Write)?;
    }
}

/// Waits for more to see, until `at_most` if that is before the end of the look.
fn wait_for(awaited: Option<(BorrowedFd<'_>, Instant)>, at_most: Option<Instant>) -> Result<(), Errno> {
    let Some((more, over)) = awaited else { return Ok(()) };
    let until = at_most.map_or(over, |moment| moment.min(over));
    match poll(&mut [PollFd::new(more, PollFlags::POLLIN)], time_to(until)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Rounded up: to wait for 0 ms half a millisecond before would be a busy loop.
fn time_to(moment: Instant) -> PollTimeout {
    let left = moment.saturating_duration_since(Instant::now());
    PollTimeout::try_from(left.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
}

/// How long a look may take before what there is of it is shown.
const PATIENCE: Duration = Duration::from_millis(100);

/// What is being done about what is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gaze {
    /// Until the next tick.
    Resting,
    Looking {
        since: Instant,
    },
}

/// What happened while nothing was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Tick,
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
    ticks: &TimerFd,
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
            change = match next(&screen, ticks, shown.gaze, watched)? {
                Event::Key(b'q' | b'Q') | Event::Hangup => return Ok(()),
                Event::Tick | Event::Key(b'r' | b' ') => shown.look(watched),
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
    fn first<W: Watched>(watched: &mut W) -> Result<Self, W::Failure> {
        let since = Instant::now();
        let shown = |view, gaze| Self { view, trouble: None, gaze };
        loop {
            if let Some(view) = watched.seen()? {
                return Ok(shown(view, Gaze::Resting));
            }
            if since.elapsed() >= PATIENCE {
                return Ok(shown(watched.so_far(), Gaze::Looking { since }));
            }
            wait_for(watched.awaited(), Some(since + PATIENCE)).map_err(OutputError::Write)?;
        }
    }

    /// Looks anew, unless that is being done.
    fn look<W: Watched>(&mut self, watched: &mut W) -> Change {
        if self.gaze != Gaze::Resting {
            return Change::None;
        }
        match watched.look() {
            Ok(()) => {
                self.gaze = Gaze::Looking { since: Instant::now() };
                Change::None
            }
            Err(failure) => self.fail(&failure),
        }
    }

    /// Sees what has come of the look.
    fn see<W: Watched>(&mut self, watched: &mut W) -> Change {
        match (watched.seen(), self.gaze) {
            (Ok(Some(view)), _) => *self = Self { view, trouble: None, gaze: Gaze::Resting },
            (Ok(None), Gaze::Looking { since }) if since.elapsed() >= PATIENCE => {
                self.view = watched.so_far()
            }
            (Ok(None), _) => return Change::None,
            (Err(failure), _) => return self.fail(&failure),
        }
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
    ticks: &TimerFd,
    gaze: Gaze,
    watched: &W,
) -> Result<Event, OutputError> {
    let input = |fd| PollFd::new(fd, PollFlags::POLLIN);
    let mut fds = vec![input(screen.signals())];
    let timeout = match (gaze, watched.awaited()) {
        (Gaze::Resting, _) => {
            fds.push(input(ticks.as_fd()));
            PollTimeout::NONE
        }
        (Gaze::Looking { since }, Some((more, over))) => {
            fds.push(input(more));
            let patient = Some(since + PATIENCE).filter(|moment| *moment > Instant::now());
            time_to(patient.map_or(over, |moment| moment.min(over)))
        }
        (Gaze::Looking { .. }, None) => PollTimeout::ZERO,
    };
    let of_keys = fds.len();
    fds.extend(screen.keys().map(input));
    match poll(&mut fds, timeout) {
        Err(Errno::EINTR) => return Ok(Event::Nothing),
        Err(errno) => return Err(OutputError::Write(errno)),
        Ok(_) => {}
    }
    let ready = |place: usize| fds.get(place).and_then(PollFd::any).unwrap_or(false);
    if ready(0) {
        return Ok(screen.signal().map_or(Event::Nothing, Event::Signal));
    }
    if let (true, Some(keys)) = (ready(of_keys), screen.keys()) {
        let mut key = [0];
        return Ok(match nix::unistd::read(keys, &mut key) {
            Ok(1..) => Event::Key(key[0]),
            Err(Errno::EINTR | Errno::EAGAIN) => Event::Nothing,
            Ok(0) | Err(_) => Event::Hangup,
        });
    }
    if gaze != Gaze::Resting {
        return Ok(Event::More);
    }
    if ready(1) {
        ticks.wait().map_err(OutputError::Write)?;
        return Ok(Event::Tick);
    }
    Ok(Event::Nothing)
}

#[cfg(test)]
mod tests;

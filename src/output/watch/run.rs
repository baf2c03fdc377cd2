//! The loop of `--watch`: looks anew at every tick, draws anew at every change of size, ends at `q`, at a signal, or
//! when nobody reads any more. Elsewhere than on a full terminal it prints the table at every tick.

use std::fmt::Display;
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

/// Shows what `look` sees, every so often. It is called once before anything is shown: that failure is returned; a
/// later one is shown above the last view, or told on stderr, and the next look may succeed.
///
/// While the screen is taken, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP and SIGWINCH are blocked in this thread, and in
/// processes that `look` starts.
///
/// # Errors
/// That of the first look; or [`OutputError`] when stdout fails.
pub(crate) fn watch<E>(
    out: &Out,
    every: Duration,
    mut look: impl FnMut() -> Result<WatchView, E>,
) -> Result<(), E>
where
    E: Display + From<OutputError>,
{
    let first = look()?;
    let ticks = ticks(every).map_err(OutputError::Write)?;
    if out.stdout().terminal && !terminal_is_dumb() {
        let screen = Screen::take(out.stdout()).map_err(OutputError::Write)?;
        Ok(on_screen(screen, &ticks, first, look)?)
    } else {
        in_lines(out, &ticks, first, look)
    }
}

/// A clock that does not run late however often it is looked at. It starts at a tick from now.
fn ticks(every: Duration) -> Result<TimerFd, Errno> {
    let ticks = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
    let every = every.max(Duration::from_millis(100));
    ticks.set(Expiration::Interval(every.into()), TimerSetTimeFlags::empty())?;
    Ok(ticks)
}

fn in_lines<E>(
    out: &Out,
    ticks: &TimerFd,
    first: WatchView,
    mut look: impl FnMut() -> Result<WatchView, E>,
) -> Result<(), E>
where
    E: Display + From<OutputError>,
{
    let mut seen: Result<_, E> = Ok(first);
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
            Ok(()) | Err(Errno::EINTR) => seen = look(),
            Err(errno) => return Err(OutputError::Write(errno).into()),
        }
    }
}

/// What happened while nothing was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Tick,
    Key(u8),
    /// Nobody types any more: the terminal is gone.
    Hangup,
    Signal(Signal),
    Nothing,
}

fn on_screen<E: Display>(
    screen: Screen<'_>,
    ticks: &TimerFd,
    first: WatchView,
    mut look: impl FnMut() -> Result<WatchView, E>,
) -> Result<(), OutputError> {
    let strokes = Strokes::of_this_terminal();
    let mut view = first;
    let mut trouble: Option<String> = None;
    loop {
        let size = screen.size();
        if screen.draw(&frame(&view, trouble.as_deref(), size, strokes), size)? == Delivery::Closed {
            return Ok(());
        }
        match next(&screen, ticks)? {
            Event::Key(b'q' | b'Q') | Event::Hangup => return Ok(()),
            Event::Tick | Event::Key(b'r' | b' ') => match look() {
                Ok(seen) => (view, trouble) = (seen, None),
                Err(failure) => trouble = Some(format!("error: {failure}")),
            },
            Event::Signal(Signal::SIGTSTP) => screen.suspend(),
            Event::Signal(signal) if signal != Signal::SIGWINCH => {
                screen.surrender_to(signal);
                return Ok(());
            }
            Event::Signal(_) | Event::Key(_) | Event::Nothing => {}
        }
    }
}

/// Waits for the next event. Keys and signals go before ticks: looking takes time, and leaving must not wait for it.
fn next(screen: &Screen<'_>, ticks: &TimerFd) -> Result<Event, OutputError> {
    use std::os::fd::AsFd;
    let mut fds =
        vec![PollFd::new(screen.signals(), PollFlags::POLLIN), PollFd::new(ticks.as_fd(), PollFlags::POLLIN)];
    fds.extend(screen.keys().map(|keys| PollFd::new(keys, PollFlags::POLLIN)));
    match poll(&mut fds, PollTimeout::NONE) {
        Err(Errno::EINTR) => return Ok(Event::Nothing),
        Err(errno) => return Err(OutputError::Write(errno)),
        Ok(_) => {}
    }
    let ready = |place: usize| fds.get(place).and_then(PollFd::any).unwrap_or(false);
    if ready(0) {
        return Ok(screen.signal().map_or(Event::Nothing, Event::Signal));
    }
    if let (true, Some(keys)) = (ready(2), screen.keys()) {
        let mut key = [0];
        return Ok(match nix::unistd::read(keys, &mut key) {
            Ok(1..) => Event::Key(key[0]),
            Err(Errno::EINTR | Errno::EAGAIN) => Event::Nothing,
            Ok(0) | Err(_) => Event::Hangup,
        });
    }
    if ready(1) {
        ticks.wait().map_err(OutputError::Write)?;
        return Ok(Event::Tick);
    }
    Ok(Event::Nothing)
}

#[cfg(test)]
mod tests;

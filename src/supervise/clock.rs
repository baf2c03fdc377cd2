//! The two moments that a supervisor waits for: the end of the time allowed, and the next step of an escalation. The
//! time in which we are stopped ourselves does not count.

use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(super) struct Clock {
    timeout: Option<Instant>,
    timer: Option<Instant>,
}

/// A moment that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    TimeIsUp,
    TimerOver,
}

impl Clock {
    /// `None`, and spans beyond what the clock can hold: never.
    pub(super) fn start(timeout: Option<Duration>) -> Self {
        Self { timeout: timeout.and_then(|span| Instant::now().checked_add(span)), timer: None }
    }

    /// Replaces a timer that runs.
    pub(super) fn start_timer(&mut self, span: Duration) {
        self.timer = Instant::now().checked_add(span);
    }

    pub(super) fn stop_timer(&mut self) {
        self.timer = None;
    }

    /// The next moment to wake up for.
    pub(super) fn next(&self) -> Option<Instant> {
        [self.timeout, self.timer].into_iter().flatten().min()
    }

    /// Each moment once.
    pub(super) fn due(&mut self) -> Option<Due> {
        let now = Instant::now();
        let passed = |moment: &mut Option<Instant>| moment.take_if(|at| *at <= now).is_some();
        if passed(&mut self.timeout) {
            return Some(Due::TimeIsUp);
        }
        passed(&mut self.timer).then_some(Due::TimerOver)
    }

    /// Runs `stopped`, in which time stands still for this clock.
    pub(super) fn paused<T>(&mut self, stopped: impl FnOnce() -> T) -> T {
        let before = Instant::now();
        let result = stopped();
        let span = before.elapsed();
        for moment in [&mut self.timeout, &mut self.timer] {
            *moment = moment.and_then(|at| at.checked_add(span));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_until(moment: Instant) {
        while Instant::now() < moment {
            std::thread::yield_now();
        }
    }

    #[test]
    fn time_in_which_we_are_stopped_does_not_count() {
        let span = Duration::from_millis(40);
        let mut clock = Clock::start(Some(span));
        clock.start_timer(span);
        let before = clock.next();
        clock.paused(|| wait_until(Instant::now() + 2 * span));
        assert_eq!(clock.due(), None);
        assert!(clock.next() > before.map(|at| at + span), "by as much as it was stopped");
        wait_until(clock.next().unwrap());
        assert_eq!(clock.due(), Some(Due::TimeIsUp));
        wait_until(clock.next().unwrap());
        assert_eq!(clock.due(), Some(Due::TimerOver));
        assert_eq!((clock.due(), clock.next()), (None, None), "each once");
    }

    #[test]
    fn a_span_beyond_all_clocks_is_never_over() {
        let mut clock = Clock::start(Some(Duration::MAX));
        clock.start_timer(Duration::MAX);
        assert_eq!((clock.due(), clock.next()), (None, None));
        assert_eq!(Clock::start(None).next(), None);
    }
}

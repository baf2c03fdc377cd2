//! Questions to the system that may never be answered, in a thread that is left behind then.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::signal::{Mask, SignalSet, current_mask, mask};

/// Enough for what the C library loads to find an account.
const STACK: usize = 1024 * 1024;

/// What `ask` says, if it says so within `at_most`. A thread that hangs ends with the process.
pub(crate) fn answer_within<T: Send + 'static>(
    at_most: Duration,
    ask: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NoAnswer> {
    let (sender, answer) = mpsc::channel();
    let tell = move || {
        // Too late is as good as never.
        let _ = sender.send(ask());
    };
    // A thread has the mask of whoever starts it: one that stays must take no signal from those that know what to do.
    let before = current_mask();
    mask(Mask::Block, SignalSet::ALL - SignalSet::FAULTS - SignalSet::LIBRARY);
    let started = thread::Builder::new().name("question".into()).stack_size(STACK).spawn(tell);
    mask(Mask::Set, before);
    let thread = started.map_err(|_| NoAnswer::NotAsked)?;
    match answer.recv_timeout(at_most) {
        Ok(said) => {
            // Gone before anything is forked.
            let _ = thread.join();
            Ok(said)
        }
        Err(RecvTimeoutError::Timeout) => Err(NoAnswer::InTime),
        Err(RecvTimeoutError::Disconnected) => Err(NoAnswer::NotAsked),
    }
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    InTime,
    /// The kernel gave no thread, or that one failed.
    NotAsked,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_heard_and_who_gives_none_is_left() {
        let long = Duration::from_secs(100);
        assert_eq!(answer_within(long, || 7), Ok(7));
        assert_eq!(
            answer_within(Duration::from_millis(1), || loop {
                thread::park()
            } as u8),
            Err(NoAnswer::InTime)
        );
    }

    #[test]
    fn the_thread_takes_no_signals_and_the_asker_takes_them_as_before() {
        let before = current_mask();
        let within = answer_within(Duration::from_secs(100), current_mask);
        assert_eq!(
            within.map(|set| (SignalSet::ALL - set) - SignalSet::FAULTS - SignalSet::LIBRARY).map(
                // KILL and STOP cannot be blocked.
                |open| open
                    - SignalSet::EMPTY
                        .with(super::super::signal::Signal::KILL)
                        .with(super::super::signal::Signal::STOP)
            ),
            Ok(SignalSet::EMPTY)
        );
        assert_eq!(current_mask(), before);
    }
}

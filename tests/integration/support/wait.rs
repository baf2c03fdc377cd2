//! Waiting for a condition, with a deadline that only a failure ever meets.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Long enough for a machine with two cores that has twenty other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until there is an answer; fails the test when patience is over.
pub(crate) fn wait_for<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(Duration::from_millis(2));
    }
}

pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}

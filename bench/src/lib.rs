//! What the measurements and the schedules share: a host of their own to work on, the processes they start, the clock.

pub mod clock;
pub mod crowd;
pub mod host;
pub mod inner;
pub mod process;
pub mod resp;
pub mod stats;

/// How everything here fails: loudly, with a sentence.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

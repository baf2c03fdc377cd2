//! How long the history is kept, and how much of it is read at once. The same for every store.

use std::time::Duration;

/// Ended reservations are forgotten after this.
pub(super) const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// Lines read at once.
pub(super) const PAGE: usize = 1000;

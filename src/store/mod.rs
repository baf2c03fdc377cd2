//! The pool on disk or in Redis: the only room that knows SQLite or Redis. A backend loads, applies, writes the
//! difference atomically, and knows no policy.

use std::ops::Range;

use crate::model::ids::Timestamp;
use crate::model::pool::Pool;
use crate::model::request::Actor;
use crate::model::reservation::Ended;
use crate::model::seen::Seen;
use crate::model::verb::{Outcome, Verb};

mod error;

pub(crate) use error::StoreError;

/// What a transaction asks of its caller while it is under way.
pub(crate) trait Witness {
    /// Observes the world for a decision about `pool`, and hands it to `decide`. Must be quick: a store may hold its
    /// write lock meanwhile. Called again whenever the attempt is made again.
    fn observe(&mut self, pool: &Pool, decide: &mut dyn FnMut(&Seen<'_>) -> Outcome) -> Outcome;

    /// Called with the outcome before it is committed: takes the seats of a grant. `Again` means that what was
    /// observed no longer holds: observe and decide anew, from the same loaded pool.
    fn confirm(&mut self, pool: &Pool, outcome: &Outcome) -> Confirmation;

    /// The attempt was not committed (somebody else wrote in between, or the store failed): undo `confirm`.
    fn retract(&mut self);
}

/// Whether an outcome may be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirmation {
    Commit,
    Again,
}

/// A committed verb.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) outcome: Outcome,
    /// The pool as it was committed, with `ended` as it was written to the history.
    pub(crate) pool: Pool,
    /// The store's clock at the transaction.
    pub(crate) now: Timestamp,
}

/// The pool at a moment, read without changing anything.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) pool: Pool,
    pub(crate) now: Timestamp,
}

/// A store of one pool. Every client of it sees every commit at once (serialisable).
pub(crate) trait Store: Send {
    /// Loads the pool and the store's clock, lets `witness` observe, applies `verb`, writes the difference
    /// atomically; tries again when somebody else wrote in between.
    ///
    /// # Errors
    /// As [`StoreError`] tells apart. Nothing was written then.
    fn apply(&mut self, actor: &Actor, verb: &Verb, witness: &mut dyn Witness)
    -> Result<Applied, StoreError>;

    /// # Errors
    /// As [`StoreError`] tells apart.
    fn snapshot(&mut self) -> Result<Snapshot, StoreError>;

    /// Hands every ended reservation whose end lies in `range` to `each`, in order of their ends, a page at a time.
    ///
    /// # Errors
    /// As [`StoreError`] tells apart.
    fn history(&mut self, range: Range<Timestamp>, each: &mut dyn FnMut(Ended)) -> Result<(), StoreError>;
}

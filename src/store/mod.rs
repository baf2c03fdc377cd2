//! The pool on disk or in Redis: the only room that knows SQLite or Redis. A backend loads, applies, writes the
//! difference atomically, and knows no policy.

use std::ops::Range;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::model::ids::{Timestamp, Uid};
use crate::model::pool::Pool;
use crate::model::request::Actor;
use crate::model::reservation::Ended;
use crate::model::seen::Seen;
use crate::model::verb::{Outcome, Verb};
use transaction::Backend;

mod choose;
#[cfg(test)]
mod contract;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod history;
mod interrupt;
mod open;
mod records;
mod redis;
mod session;
mod sqlite;
mod transaction;
mod turn;
mod url;

pub(crate) use choose::{FALLBACK, Facts, GO_REDIS_URL, Host, Refusal, SYSTEM, choose, may_make_system};
pub(crate) use error::StoreError;
pub(crate) use open::{Options, open};
pub(crate) use sqlite::{Access, Files, Missing, Rights, files};
pub(crate) use url::{RedisUrl, Server, StoreUrl};

/// What a transaction asks of its caller while it is under way.
pub(crate) trait Witness {
    /// Observes the world for a decision about `pool`, and hands it to `decide`. Must be quick: a store may hold its
    /// write lock meanwhile. Called again whenever the attempt is made again.
    fn observe(&mut self, pool: &Pool, decide: &mut dyn FnMut(&Seen<'_>) -> Outcome) -> Outcome;

    /// Called with the outcome before it is committed: takes the seats of a grant, and adds to both what only the
    /// client knows of it. `Again` means that what was observed no longer holds: observe and decide anew, from the
    /// same loaded pool.
    fn confirm(&mut self, pool: &mut Pool, outcome: &mut Outcome) -> Confirmation;

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
    /// As [`StoreError`] tells apart. Nothing was written then, unless the connection broke while the answer to the
    /// commit was on its way: ids are the client's, so asking again is safe.
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

    /// Who has authority over the store beside root: the owner of its directory, or who made the pool
    /// in Redis.
    ///
    /// # Errors
    /// As [`StoreError`] tells apart.
    fn owner(&mut self) -> Result<Option<Uid>, StoreError>;

    /// The connection to a server, for a thread that wants to know at once when it breaks: between two calls it is
    /// readable only then. The next call connects again.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;

    /// From now on whatever this store waits for is over soon after `urgent` has become readable, with
    /// [`StoreError::Interrupted`].
    fn interrupt_on(&mut self, urgent: Option<OwnedFd>);

    /// From now on nothing may take much longer than `limit`.
    fn hurry(&mut self, limit: Duration);
}

impl<B: Backend + Send> Store for B {
    fn apply(
        &mut self,
        actor: &Actor,
        verb: &Verb,
        witness: &mut dyn Witness,
    ) -> Result<Applied, StoreError> {
        let applied =
            transaction::transact(self, verb.names(), actor.uid, witness, &mut |pool, seen, now| {
                pool.apply(actor, verb, seen, now)
            });
        applied.map_err(|error| self.session().unless_interrupted(error))
    }

    fn snapshot(&mut self) -> Result<Snapshot, StoreError> {
        let looked = transaction::look(self);
        looked.map_err(|error| self.session().unless_interrupted(error))
    }

    fn history(&mut self, range: Range<Timestamp>, each: &mut dyn FnMut(Ended)) -> Result<(), StoreError> {
        Backend::history(self, range, each)
    }

    fn owner(&mut self) -> Result<Option<Uid>, StoreError> {
        Backend::owner(self)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Backend::descriptor(self)
    }

    fn interrupt_on(&mut self, urgent: Option<OwnedFd>) {
        Backend::interrupt(self, urgent.map(interrupt::Interrupt::on).unwrap_or_default());
    }

    fn hurry(&mut self, limit: Duration) {
        Backend::hurry(self, limit);
    }
}

//! The one way of a transaction, whatever the backend: load, observe, decide, confirm, commit; again when somebody
//! else wrote in between. Knows no policy.

use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::interrupt::Interrupt;
use super::records::{Changes, Loaded, changes};
use super::session::{Session, jittered};
use super::turn;
use super::{Applied, Confirmation, Snapshot, StoreError, Witness};
use crate::model::ids::{LeaseId, Timestamp, Uid};
use crate::model::pool::{Pool, SlotState};
use crate::model::reservation::Ended;
use crate::model::seen::Seen;
use crate::model::verb::Outcome;

/// What a transaction is begun for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Look,
    Change,
}

/// What was loaded, and the store's clock at that moment.
#[derive(Debug)]
pub(super) struct View {
    pub(super) loaded: Loaded,
    pub(super) now: Timestamp,
    pub(super) granting: Granting,
}

/// Whether GPUs may be taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Granting {
    Allowed,
    /// The Go program is about to write what it has read as free. What takes no GPU is nothing to it.
    NotNow,
}

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commit {
    Done,
    /// Somebody else wrote since the transaction began: nothing was written.
    Raced,
}

/// What a store has to be able to do. A transaction is begun, then committed or abandoned.
pub(super) trait Backend {
    fn session(&self) -> &Session;

    /// Loads the pool, with what the history knows of `named`. Waits no longer than until `until`.
    fn begin(
        &mut self,
        purpose: Purpose,
        named: Option<&LeaseId>,
        until: Instant,
    ) -> Result<View, StoreError>;

    /// Writes `changes` all or not at all. With no changes, finds out whether what was loaded was true of one
    /// moment. An error leaves no transaction behind.
    fn commit(&mut self, changes: &Changes, now: Timestamp) -> Result<Commit, StoreError>;

    fn abandon(&mut self);

    /// After [`Granting::NotNow`]: keeps the others from taking GPUs until the next commit, if that can be had within
    /// moments.
    fn seize(&mut self, until: Instant) -> Result<(), StoreError>;

    fn history(&mut self, range: Range<Timestamp>, each: &mut dyn FnMut(Ended)) -> Result<(), StoreError>;

    fn owner(&mut self) -> Result<Option<Uid>, StoreError>;

    fn descriptor(&self) -> Option<BorrowedFd<'_>>;

    fn interrupt(&mut self, interrupt: Interrupt);

    fn hurry(&mut self, limit: Duration);
}

/// Decides about a loaded pool: what [`Pool::apply`] does with a verb.
pub(super) type Decide<'a> = dyn FnMut(&mut Pool, &Seen<'_>, Timestamp) -> Outcome + 'a;

/// Carries one change out, as [`super::Store::apply`] promises.
pub(super) fn transact(
    backend: &mut dyn Backend,
    named: Option<&LeaseId>,
    by: Uid,
    witness: &mut dyn Witness,
    decide: &mut Decide<'_>,
) -> Result<Applied, StoreError> {
    let store = backend.session().store.clone();
    let (interrupt, patience) = (backend.session().interrupt.clone(), backend.session().patience);
    let mut turn = turn::take(&store, &interrupt, Instant::now() + patience);
    // A crowd that gets on is no fault of the store's.
    let begun = Instant::now();
    let until = begun + patience;
    for attempt in 0.. {
        let view = backend.begin(Purpose::Change, named, until)?;
        let is_late = || Instant::now() >= until || backend.session().interrupt.has_come();
        let (pool, outcome) = match settle(&view, witness, decide, until) {
            Ok(settled) => settled,
            Err(Unsettled::NotNow) if !is_late() => {
                backend.abandon();
                // Whoever gives something back meanwhile does not stand behind us.
                turn = None;
                backend.seize(until)?;
                continue;
            }
            Err(_) => {
                backend.abandon();
                break;
            }
        };
        let committed = backend.commit(&changes(&view.loaded, &pool, by), view.now);
        if committed != Ok(Commit::Done) {
            witness.retract();
        }
        match committed? {
            Commit::Done => return Ok(Applied { outcome, pool, now: view.now }),
            Commit::Raced if Instant::now() >= until || backend.session().interrupt.has_come() => break,
            Commit::Raced => {
                std::thread::sleep(pause(attempt));
                // Who lost to somebody has seen that others get on: the line may move again.
                turn = turn.or_else(|| turn::take(&store, &interrupt, until));
            }
        }
    }
    Err(backend.session().busy(begun))
}

/// Why there is no decision that could be committed.
enum Unsettled {
    /// It takes a GPU, which nobody may at this moment.
    NotNow,
    /// The world did not stay as it was observed for long enough.
    NeverStill,
}

/// Observes and decides until the world stays as it was observed.
fn settle(
    view: &View,
    witness: &mut dyn Witness,
    decide: &mut Decide<'_>,
    until: Instant,
) -> Result<(Pool, Outcome), Unsettled> {
    loop {
        let mut decided = None;
        let mut outcome = witness.observe(&view.loaded.pool, &mut |seen| {
            let pool = decided.insert(view.loaded.pool.clone());
            decide(pool, seen, view.now)
        });
        let mut pool = decided.unwrap_or_else(|| view.loaded.pool.clone());
        if view.granting == Granting::NotNow && takes(&view.loaded.pool, &pool) {
            return Err(Unsettled::NotNow);
        }
        match witness.confirm(&mut pool, &mut outcome) {
            Confirmation::Commit => return Ok((pool, outcome)),
            Confirmation::Again if Instant::now() >= until => return Err(Unsettled::NeverStill),
            Confirmation::Again => {}
        }
    }
}

/// Whether a GPU is held after that was not before, or by another.
fn takes(before: &Pool, after: &Pool) -> bool {
    after.slots.iter().any(|(index, slot)| {
        matches!(slot.state, SlotState::Held(_))
            && before.slots.get(index).is_none_or(|was| was.state != slot.state)
    })
}

/// How long to stand back after losing a race: the more often, the longer, never more than some 16 ms.
fn pause(attempt: u32) -> Duration {
    let most = Duration::from_micros(500) * (1 << attempt.min(5));
    jittered(Duration::from_micros(50), most)
}

/// Reads the pool, as [`super::Store::snapshot`] promises.
pub(super) fn look(backend: &mut dyn Backend) -> Result<Snapshot, StoreError> {
    let until = Instant::now() + backend.session().patience;
    let view = backend.begin(Purpose::Look, None, until)?;
    backend.abandon();
    Ok(Snapshot { pool: view.loaded.pool, now: view.now })
}

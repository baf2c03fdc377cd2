//! What every verb starts from: the caller, the store, the eyes, the voice. Joins them; decides nothing.

use std::collections::BTreeMap;

use super::eyes::{Eyes, Freshness};
use super::witness::Observer;
use crate::bell;
use crate::error::Error;
use crate::model::plan;
use crate::model::pool::Pool;
use crate::model::request::Actor;
use crate::model::verb::Verb;
use crate::output::Out;
use crate::seat::TakenSeat;
use crate::store::{Applied, Snapshot, Store};

/// A verb's surroundings.
pub(crate) struct Context {
    pub(crate) out: Out,
    pub(crate) actor: Actor,
    pub(crate) store: Box<dyn Store>,
    pub(crate) eyes: Eyes,
}

impl Context {
    /// Carries out a verb for which nothing but life and seats needs to be seen.
    pub(crate) fn apply(&mut self, verb: &Verb) -> Result<Applied, Error> {
        self.commit(verb).map(|(applied, _)| applied)
    }

    /// Carries out a verb on a fresh scan of the GPUs. The seats are those of a run that was granted.
    pub(crate) fn apply_on_scan(&mut self, pool: &Pool, verb: &Verb) -> Result<(Applied, Vec<TakenSeat>), Error> {
        self.eyes.scan(pool, Freshness::WithinASecond)?;
        self.commit(verb)
    }

    fn commit(&mut self, verb: &Verb) -> Result<(Applied, Vec<TakenSeat>), Error> {
        let mut observer = Observer::new(&self.eyes);
        let applied = self.store.apply(&self.actor, verb, &mut observer)?;
        let seats = observer.into_seats();
        self.ring(&applied);
        Ok((applied, seats))
    }

    pub(crate) fn snapshot(&mut self) -> Result<Snapshot, Error> {
        Ok(self.store.snapshot()?)
    }

    /// Wakes the waiters that this commit may serve.
    pub(crate) fn ring(&self, applied: &Applied) {
        if applied.pool.waiters.is_empty() {
            return;
        }
        let served = self.eyes.with_seen(&applied.pool, &BTreeMap::new(), |seen| {
            plan::to_ring(&applied.pool, seen, applied.now)
        });
        for waiter in served {
            bell::ring(&waiter);
        }
    }
}

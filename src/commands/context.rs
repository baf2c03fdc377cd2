//! What every verb starts from: the caller, the store, the eyes, the voice. Joins them; decides nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use super::eyes::Eyes;
use super::keeping;
use super::witness::{Observer, Spawn, Taken};
use crate::attribution;
use crate::bell;
use crate::error::{Error, While};
use crate::model::device::Provider;
use crate::model::ids::LeaseId;
use crate::model::plan;
use crate::model::pool::Pool;
use crate::model::request::{Actor, Demand, InUse, OnBusy, Request};
use crate::model::reservation::{Kind, UntilExit};
use crate::model::verb::{Change, Outcome, PoolSize, Verb};
use crate::output::{self, Out};
use crate::store::{Applied, Snapshot, Store};
use crate::sys::account;

/// A verb's surroundings.
pub(crate) struct Context<'a> {
    pub(crate) out: &'a Out,
    pub(crate) actor: Actor,
    pub(crate) store: Box<dyn Store>,
    pub(crate) eyes: Eyes,
    /// Whether the user knows which records of the pool are damaged.
    pub(super) damage_told: bool,
}

/// Whether the GPUs were scanned for a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scanned {
    Yes,
    No,
}

impl Context<'_> {
    /// Carries out a verb for which nothing but life and seats needs to be seen.
    pub(crate) fn apply(&mut self, verb: &Verb) -> Result<Applied, Error> {
        self.commit(verb, Scanned::No, None).map(|(applied, _)| applied)
    }

    /// Carries out a verb on a scan of the GPUs made for it: what a waiter was woken for is not in an older one. A run
    /// that is granted is started by `spawn`.
    pub(crate) fn apply_on_scan(
        &mut self,
        pool: &Pool,
        verb: &Verb,
        spawn: Option<&dyn Spawn>,
    ) -> Result<(Applied, Taken), Error> {
        self.eyes.scan(pool)?;
        self.commit(verb, Scanned::Yes, spawn)
    }

    /// As [`Self::apply_on_scan`], on the GPUs of this provider instead of the pool's.
    pub(crate) fn apply_on_scan_of(&mut self, provider: Provider, verb: &Verb) -> Result<Applied, Error> {
        self.eyes.scan(&Pool { provider: Some(provider), ..Pool::default() })?;
        self.commit(verb, Scanned::Yes, None).map(|(applied, _)| applied)
    }

    fn commit(
        &mut self,
        verb: &Verb,
        scanned: Scanned,
        spawn: Option<&dyn Spawn>,
    ) -> Result<(Applied, Taken), Error> {
        let mut observer = Observer::new(&self.eyes, spawn);
        let applied = self.store.apply(&self.actor, verb, &mut observer)?;
        let taken = observer.into_taken();
        self.ring(&applied, verb, scanned);
        keeping::ring_the_ended(&applied);
        keeping::ring_the_unrecorded(&applied);
        Ok((applied, taken?))
    }

    /// Wakes the waiters that this commit may serve. One of theirs tells by its scan whom else it could serve; whoever
    /// did not scan rings by the records.
    fn ring(&self, applied: &Applied, verb: &Verb, scanned: Scanned) {
        let Applied { pool, now, .. } = applied;
        if pool.waiters.is_empty() {
            return;
        }
        let waiters = match scanned {
            Scanned::No => plan::to_ring(pool, None, *now, verb.names()),
            Scanned::Yes => self.eyes.with_seen(pool, &BTreeMap::new(), |seen| {
                plan::to_ring(pool, Some(seen), *now, verb.names())
            }),
        };
        waiters.iter().for_each(bell::ring);
    }

    pub(crate) fn snapshot(&mut self) -> Result<Snapshot, Error> {
        Ok(self.store.snapshot()?)
    }

    /// Warns, once, of records of the whole pool that cannot be read.
    pub(crate) fn tell_damage(&mut self, pool: &Pool) {
        if !std::mem::replace(&mut self.damage_told, true) {
            for (record, why) in &pool.damaged {
                let (message, hint) = output::damage(*record, why);
                self.out.warn(&message, Some(hint.as_str()));
            }
        }
    }

    /// Warns, once, where accounts are called by their numbers for want of an answer.
    pub(crate) fn tell_of_numbers(&self) {
        if account::hangs_now() {
            let hint = "accounts are called by their numbers; see what 'getent passwd' waits for";
            self.out.warn("the directory of accounts does not answer", Some(hint));
        }
    }

    /// The pool without what is over. Writes only if something is.
    pub(crate) fn swept_snapshot(&mut self) -> Result<Snapshot, Error> {
        let snapshot = self.snapshot()?;
        self.tell_damage(&snapshot.pool);
        let mut swept = snapshot.pool.clone();
        let _ = self.eyes.with_seen(&snapshot.pool, &BTreeMap::new(), |seen| {
            swept.apply(&self.actor, &Verb::Sweep, seen, snapshot.now)
        });
        if swept == snapshot.pool {
            return Ok(snapshot);
        }
        match self.apply(&Verb::Sweep) {
            Ok(Applied { pool, now, .. }) => Ok(Snapshot { pool, now }),
            // A store that cannot be written can still be looked at: what is over is over, recorded or not.
            Err(error) => {
                tracing::debug!(%error, "not swept");
                Ok(Snapshot { pool: swept, now: snapshot.now })
            }
        }
    }

    /// `pool`, or what would be made of the scanned GPUs on first use.
    pub(crate) fn pool_or_preview(&self, snapshot: &Snapshot) -> Pool {
        let mut pool = snapshot.pool.clone();
        if pool.provider.is_none() {
            let make =
                Verb::Initialise { provider: Provider::Nvidia, size: PoolSize::All, change: Change::Refuse };
            let _ = self.eyes.with_seen(&snapshot.pool, &BTreeMap::new(), |seen| {
                pool.apply(&self.actor, &make, seen, snapshot.now)
            });
        }
        pool
    }

    /// A request of this process for `demand`; what a verb's options add is still at its least.
    pub(crate) fn request(&self, demand: Demand, kind: Kind) -> Result<Request, Error> {
        Ok(Request {
            id: LeaseId(random_id()?),
            demand,
            kind,
            lasts: None,
            note: None,
            command: Vec::new(),
            client: Some(attribution::own_identity(self.eyes.here()).doing("finding out who we are")?),
            network_namespace: Some(self.eyes.here().network_namespace),
            on_busy: OnBusy::Refuse,
            in_use: InUse::Avoid,
            until_exit: UntilExit::No,
            share: None,
            enqueued: None,
        })
    }

    /// Anything but a refusal.
    pub(crate) fn unless_refused(&self, applied: Applied) -> Result<Applied, Error> {
        if let Outcome::Refused(_) = applied.outcome { Err(self.refused(applied)) } else { Ok(applied) }
    }

    /// The error of an outcome that is not what the verb hoped for.
    pub(crate) fn refused(&self, applied: Applied) -> Error {
        let Outcome::Refused(refusal) = applied.outcome else {
            return Error::Failed { message: "the pool gave an answer of another kind".into(), hint: None };
        };
        let (message, hint) = output::refusal(&refusal, applied.now);
        Error::Refused { refusal: Box::new(refusal), message, hint }
    }
}

fn random_id() -> Result<String, Error> {
    let mut bytes = [0_u8; 8];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .doing("reading /dev/urandom")?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

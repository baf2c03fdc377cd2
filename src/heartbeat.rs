//! Keeps a run's lease alive, and tells the supervisor when it is lost. Knows stores, not processes: what is true of
//! the world comes through the witness it is given.
//!
//! A store may hang and the supervisor may not, so each renewal has a thread, which lives as long as the renewal. In
//! between the launcher has one thread only: when it is killed the kernel tells its command of each thread's end that
//! hands it on to another, and it shall hear of it once (forget_original_parent in kernel/exit.c).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::model::ids::Timestamp;
use crate::model::pool::Pool;
use crate::model::request::Actor;
use crate::model::reservation::{Ending, Holder, Reservation};
use crate::model::verb::{Outcome, Refusal, Verb};
use crate::store::{Applied, Store, StoreError, Witness};

/// How often a lease is renewed while all is well.
const BEAT: Duration = Duration::from_secs(60);
/// The Go program's heartbeats and clean-ups write without looking and can erase a record of ours.
const BEAT_BESIDE_GO: Duration = Duration::from_secs(5);
const FIRST_BEAT_BESIDE_GO: Duration = Duration::from_secs(1);
/// How soon a store that went away is asked again: at first, and after `PATIENCE`.
const RETRY: Duration = Duration::from_millis(200);
const SLOW_RETRY: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(10);
/// How soon a store that takes no reservation is asked again, or a kernel that gives no thread.
const REFUSED_RETRY: Duration = Duration::from_secs(5);
/// How long a release is tried again while the store is away. The dead identity releases it later.
const RELEASE_PATIENCE: Duration = Duration::from_secs(2);

/// Between two renewals that somebody rang for.
const CALM: Duration = Duration::from_secs(1);

/// What the supervisor is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// The store does not answer; told once until it is back.
    StoreAway {
        cause: String,
    },
    StoreBack,
    /// The store answers, and does not take the reservation that it has lost; told once until it does.
    NotTaken {
        why: Box<Refusal>,
        now: Timestamp,
    },
    /// The reservation has ended in the store. Who holds its GPUs now, if anybody.
    Lost {
        to: Option<Holder>,
    },
}

/// What is needed to keep a lease.
pub(crate) struct Keeping {
    pub(crate) store: Box<dyn Store>,
    pub(crate) actor: Actor,
    pub(crate) reservation: Reservation,
    pub(crate) witness: Box<dyn Witness + Send>,
    /// Called after each commit, with the pool as it is now: rings those that may be served.
    pub(crate) committed: Box<dyn FnMut(&Applied) + Send>,
}

/// A lease that is kept while somebody asks [`Keeper::attend`] to. Dropped, it is not renewed any more, and not
/// released.
pub(crate) struct Keeper {
    lease: Whereabouts,
    /// Rings when a renewal is over.
    over: Arc<EventFd>,
    next: Instant,
    /// When the last renewal was begun.
    begun: Instant,
    /// There is none before the first renewal.
    hurry: Option<Hurry>,
    news: Vec<News>,
}

/// What ends a renewal's wait for the store.
#[derive(Debug, Clone)]
struct Hurry(Arc<EventFd>);

impl Hurry {
    fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?)))
    }

    fn call(&self) {
        let _ = self.0.write(1);
    }

    fn ear(&self) -> Option<OwnedFd> {
        self.0.as_fd().try_clone_to_owned().ok()
    }
}

enum Whereabouts {
    Here(Box<Lease>),
    /// With the thread that renews it.
    There(JoinHandle<Box<Lease>>),
    /// That thread panicked: a flaw of ours, which costs the renewals and not the command.
    Nowhere,
}

/// When the keeper wants to be attended: when the descriptor is readable, or at the moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pulse<'a> {
    pub(crate) descriptor: Option<BorrowedFd<'a>>,
    pub(crate) moment: Option<Instant>,
}

/// Keeps a lease that was granted in `pool` at `now`; that was its first heartbeat.
///
/// # Errors
/// If the kernel gives no eventfd.
pub(crate) fn keep(keeping: Keeping, pool: &Pool, now: Timestamp) -> io::Result<Keeper> {
    let over = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
    let lease = Lease { keeping, store_is: StoreIs::Well, life: Life::Held, wait: BEAT, news: Vec::new() };
    let begun = Instant::now();
    let next = begun + Pace::First.after(pool, now);
    let lease = Whereabouts::Here(Box::new(lease));
    Ok(Keeper { lease, over, next, begun, hurry: None, news: Vec::new() })
}

impl Keeper {
    /// What to wait for before the next [`Self::attend`].
    pub(crate) fn pulse(&self) -> Pulse<'_> {
        if !self.news.is_empty() {
            return Pulse { moment: Some(Instant::now()), ..Pulse::default() };
        }
        match &self.lease {
            Whereabouts::There(_) => Pulse { descriptor: Some(self.over.as_fd()), moment: None },
            Whereabouts::Here(lease) if lease.life == Life::Held => {
                Pulse { descriptor: lease.store(), moment: Some(self.next) }
            }
            Whereabouts::Here(_) | Whereabouts::Nowhere => Pulse::default(),
        }
    }

    /// Whether a renewal goes on.
    pub(crate) const fn is_renewing(&self) -> bool {
        matches!(self.lease, Whereabouts::There(_))
    }

    /// Begins a renewal that is due, and gives the news of one that is over. Never blocks.
    pub(crate) fn attend(&mut self) -> Vec<News> {
        self.collect();
        if self.is_due() {
            self.start();
        }
        std::mem::take(&mut self.news)
    }

    /// Renews now: we were stopped for a while.
    pub(crate) fn beat_now(&mut self) {
        // One that goes on may have read its clock long ago: another follows it.
        self.next = Instant::now();
        self.collect();
        if self.is_due() {
            self.start();
        }
    }

    /// Releases the lease.
    ///
    /// # Errors
    /// The store's last answer, after it was tried again for two seconds.
    pub(crate) fn release(self, how: Ending) -> Result<(), StoreError> {
        // A renewal that waits for a store that does not answer is not waited for in turn.
        self.hurry.iter().for_each(Hurry::call);
        match self.lease {
            Whereabouts::Here(mut lease) => lease.release(how),
            Whereabouts::There(thread) => thread.join().map_or(Ok(()), |mut lease| lease.release(how)),
            Whereabouts::Nowhere => Ok(()),
        }
    }

    /// Renews soon: somebody rang. However often that is, not much oftener than once a second.
    pub(crate) fn beat_soon(&mut self) {
        self.next = self.next.min(Instant::now().max(self.begun + CALM));
    }

    fn is_due(&self) -> bool {
        match &self.lease {
            Whereabouts::Here(lease) => {
                lease.life == Life::Held
                    && (self.next <= Instant::now() || lease.store().is_some_and(|store| is_readable(store)))
            }
            Whereabouts::There(_) | Whereabouts::Nowhere => false,
        }
    }

    fn start(&mut self) {
        let (hand, taken) = mpsc::channel::<Box<Lease>>();
        let over = Arc::clone(&self.over);
        let renew = move || {
            let Ok(mut lease) = taken.recv() else { unreachable!("it is handed over below") };
            // Rings in a panic too.
            let _ring = Ring(over);
            lease.beat();
            lease
        };
        // Handed over only when there is a thread: one that cannot be had must not cost the lease.
        let thread = thread::Builder::new().name("heartbeat".into()).stack_size(256 * 1024).spawn(renew);
        let Ok(thread) = thread else {
            tracing::debug!("no thread for a renewal");
            self.next = Instant::now() + REFUSED_RETRY;
            return;
        };
        if self.hurry.is_none() {
            self.hurry = Hurry::new().ok();
        }
        match std::mem::replace(&mut self.lease, Whereabouts::There(thread)) {
            Whereabouts::Here(mut lease) => {
                lease.keeping.store.interrupt_on(self.hurry.as_ref().and_then(Hurry::ear));
                drop(hand.send(lease));
            }
            busy => self.lease = busy,
        }
        self.begun = Instant::now();
        self.next = self.begun + BEAT;
    }

    /// Takes the lease back from a thread that is through with it.
    fn collect(&mut self) -> bool {
        if !matches!(self.lease, Whereabouts::There(_)) || self.over.read().is_err() {
            return false;
        }
        if let Whereabouts::There(thread) = std::mem::replace(&mut self.lease, Whereabouts::Nowhere)
            && let Ok(mut lease) = thread.join()
        {
            self.news.append(&mut lease.news);
            // Sooner where one was asked for in the meantime.
            self.next = self.next.min(Instant::now() + lease.wait);
            self.lease = Whereabouts::Here(lease);
        }
        true
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Held,
    Lost,
}

/// How the store took the last renewal; of a change for the worse or the better the user is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StoreIs {
    Well,
    Away {
        since: Instant,
    },
    /// It answers, but does not have the reservation.
    Unwilling,
}

/// What goes to the thread and comes back.
struct Lease {
    keeping: Keeping,
    store_is: StoreIs,
    life: Life,
    /// From the last renewal to the next.
    wait: Duration,
    news: Vec<News>,
}

impl Lease {
    /// Renews once.
    fn beat(&mut self) {
        let verb = Verb::Renew(self.keeping.reservation.clone());
        let result = self.keeping.store.apply(&self.keeping.actor, &verb, &mut *self.keeping.witness);
        self.wait = match result {
            // A store that lost its data and cannot have the pool again from here; somebody may make it.
            Ok(Applied { outcome: Outcome::Refused(why), now, .. }) => self.not_taken(why, now),
            Ok(applied) => {
                if std::mem::replace(&mut self.store_is, StoreIs::Well) != StoreIs::Well {
                    self.news.push(News::StoreBack);
                }
                if let Outcome::Lost { to } = &applied.outcome {
                    self.life = Life::Lost;
                    self.news.push(News::Lost { to: to.clone() });
                }
                (self.keeping.committed)(&applied);
                Pace::Steady.after(&applied.pool, applied.now)
            }
            Err(error) => self.gone(&error),
        };
    }

    fn not_taken(&mut self, why: Refusal, now: Timestamp) -> Duration {
        if std::mem::replace(&mut self.store_is, StoreIs::Unwilling) != StoreIs::Unwilling {
            self.news.push(News::NotTaken { why: Box::new(why), now });
        }
        REFUSED_RETRY
    }

    fn gone(&mut self, error: &StoreError) -> Duration {
        let since = match self.store_is {
            StoreIs::Away { since } => since,
            StoreIs::Well | StoreIs::Unwilling => {
                self.news.push(News::StoreAway { cause: error.to_string() });
                Instant::now()
            }
        };
        self.store_is = StoreIs::Away { since };
        if since.elapsed() < PATIENCE { RETRY } else { SLOW_RETRY }
    }

    fn release(&mut self, how: Ending) -> Result<(), StoreError> {
        let verb = Verb::Release { id: self.keeping.reservation.id.clone(), how };
        let deadline = Instant::now() + RELEASE_PATIENCE;
        self.keeping.store.interrupt_on(None);
        self.keeping.store.hurry(RELEASE_PATIENCE / 2);
        loop {
            match self.keeping.store.apply(&self.keeping.actor, &verb, &mut *self.keeping.witness) {
                Ok(applied) => {
                    (self.keeping.committed)(&applied);
                    return Ok(());
                }
                Err(error) if Instant::now() + RETRY > deadline => return Err(error),
                Err(_) => thread::park_timeout(RETRY),
            }
        }
    }

    /// The store's connection, which becomes readable when it is closed. While the store is away the old one would wake
    /// us without end.
    fn store(&self) -> Option<BorrowedFd<'_>> {
        match self.store_is {
            StoreIs::Well | StoreIs::Unwilling => self.keeping.store.descriptor(),
            StoreIs::Away { .. } => None,
        }
    }
}

/// Tells the supervisor's poll, however the renewal ends.
struct Ring(Arc<EventFd>);

impl Drop for Ring {
    fn drop(&mut self) {
        let _ = self.0.write(1);
    }
}

fn is_readable(fd: BorrowedFd<'_>) -> bool {
    poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Which renewal this is, where it makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    First,
    Steady,
}

impl Pace {
    fn after(self, pool: &Pool, now: Timestamp) -> Duration {
        match (pool.is_shared_with_go(now), self) {
            (false, _) => BEAT,
            (true, Self::First) => FIRST_BEAT_BESIDE_GO,
            (true, Self::Steady) => BEAT_BESIDE_GO,
        }
    }
}

#[cfg(test)]
mod tests;

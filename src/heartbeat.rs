//! Keeps a run's lease alive from a thread of its own, and tells the supervisor when it is lost. Knows stores, not
//! processes: what is true of the world comes through the witness it is given.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::model::pool::Pool;
use crate::model::request::Actor;
use crate::model::reservation::{Author, Ending, Holder, Reservation};
use crate::model::verb::{Outcome, Verb};
use crate::store::{Applied, Store, StoreError, Witness};
use crate::sys::memory::give_back_unused;

/// How often a lease is renewed while all is well.
const BEAT: Duration = Duration::from_secs(60);
/// The Go program's heartbeats and clean-ups write without looking and can erase a record of ours.
const BEAT_BESIDE_GO: Duration = Duration::from_secs(5);
const FIRST_BEAT_BESIDE_GO: Duration = Duration::from_secs(1);
/// How soon a store that went away is asked again: at first, and after `PATIENCE`.
const RETRY: Duration = Duration::from_millis(200);
const SLOW_RETRY: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(10);
/// How soon a store that takes no reservation is asked again.
const REFUSED_RETRY: Duration = Duration::from_secs(5);
/// How long a release is tried again while the store is away. The dead identity releases it later.
const RELEASE_PATIENCE: Duration = Duration::from_secs(2);

/// What the supervisor is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// The store does not answer; told once until it is back.
    StoreAway {
        cause: String,
    },
    StoreBack,
    /// The reservation has ended in the store. Who holds its GPUs now, if anybody.
    Lost {
        to: Option<Holder>,
    },
}

/// The lease as its thread keeps it. Dropping it stops the renewals without a release.
#[derive(Debug)]
pub(crate) struct Keeper {
    orders: Sender<Order>,
    wake: Arc<EventFd>,
    recorded: Receiver<Result<(), StoreError>>,
    thread: Option<JoinHandle<()>>,
}

/// What is needed to keep a lease.
pub(crate) struct Keeping {
    pub(crate) store: Box<dyn Store>,
    pub(crate) actor: Actor,
    pub(crate) reservation: Reservation,
    pub(crate) witness: Box<dyn Witness + Send>,
    /// Called after each commit, with the pool as it is now: rings those that may be served.
    pub(crate) committed: Box<dyn FnMut(&Applied) + Send>,
    pub(crate) tell: Box<dyn FnMut(News) + Send>,
}

#[derive(Debug)]
enum Order {
    BeatNow,
    Release(Ending, Sender<Result<(), StoreError>>),
    Stop,
}

/// Starts the renewals; the first one at once.
///
/// # Errors
/// If the kernel gives no eventfd or no thread.
pub(crate) fn keep(keeping: Keeping) -> io::Result<Keeper> {
    let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
    let (orders, inbox) = mpsc::channel();
    let (first, recorded) = mpsc::channel();
    let beats =
        Beats { keeping, inbox, wake: Arc::clone(&wake), first: Some(first), away: None, ended: Life::Held };
    let thread =
        thread::Builder::new().name("heartbeat".into()).stack_size(256 * 1024).spawn(move || beats.run())?;
    Ok(Keeper { orders, wake, recorded, thread: Some(thread) })
}

impl Keeper {
    /// Waits until the first renewal is in the store, or `patience` is over.
    pub(crate) fn wait_until_recorded(&self, patience: Duration) -> Recorded {
        match self.recorded.recv_timeout(patience) {
            Ok(Ok(())) => Recorded::Yes,
            Ok(Err(error)) => Recorded::No(Some(error)),
            Err(_) => Recorded::No(None),
        }
    }

    /// Renews now: we were stopped for a while.
    pub(crate) fn beat_now(&self) {
        self.order(Order::BeatNow);
    }

    /// Releases the lease, and ends the thread.
    ///
    /// # Errors
    /// The store's last answer, after it was tried again for two seconds.
    pub(crate) fn release(mut self, how: Ending) -> Result<(), StoreError> {
        let (answer, result) = mpsc::channel();
        self.order(Order::Release(how, answer));
        let released = result.recv().unwrap_or(Ok(()));
        self.join();
        released
    }

    fn order(&self, order: Order) {
        // A thread that has ended no longer listens; there is nothing left to order then.
        let _ = self.orders.send(order);
        let _ = self.wake.write(1);
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.order(Order::Stop);
            self.join();
        }
    }
}

/// Whether the first renewal reached the store.
#[derive(Debug)]
pub(crate) enum Recorded {
    Yes,
    /// Not within the time given; the store's answer, if it gave one.
    No(Option<StoreError>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Held,
    Lost,
}

/// The thread's own state.
struct Beats {
    keeping: Keeping,
    inbox: Receiver<Order>,
    wake: Arc<EventFd>,
    first: Option<Sender<Result<(), StoreError>>>,
    /// Since when the store has been away.
    away: Option<Instant>,
    ended: Life,
}

impl Beats {
    fn run(mut self) {
        let mut next = self.beat(Pace::First);
        // From here on there is little to do, often for days.
        give_back_unused();
        loop {
            match self.inbox.try_recv() {
                Ok(Order::Release(how, answer)) => {
                    let _ = answer.send(self.release(how));
                    return;
                }
                Ok(Order::Stop) | Err(mpsc::TryRecvError::Disconnected) => return,
                Ok(Order::BeatNow) => next = self.beat(Pace::Steady),
                Err(mpsc::TryRecvError::Empty) => match self.sleep_until(next) {
                    Woken::Ordered => {}
                    Woken::TimeIsUp | Woken::StoreClosed => next = self.beat(Pace::Steady),
                },
            }
        }
    }

    /// Renews once, and says when to do so again.
    fn beat(&mut self, pace: Pace) -> Instant {
        if self.ended == Life::Lost {
            return Instant::now() + BEAT;
        }
        let verb = Verb::Renew(self.keeping.reservation.clone());
        let result = self.keeping.store.apply(&self.keeping.actor, &verb, &mut *self.keeping.witness);
        let wait = match &result {
            // A store that lost its data and cannot have the pool again from here; somebody may make it.
            Ok(Applied { outcome: Outcome::Refused(refusal), .. }) => {
                tracing::debug!(?refusal, "not renewed");
                REFUSED_RETRY
            }
            Ok(applied) => {
                self.back();
                if let Outcome::Lost { to } = &applied.outcome {
                    self.ended = Life::Lost;
                    (self.keeping.tell)(News::Lost { to: to.clone() });
                }
                (self.keeping.committed)(applied);
                pace.after(&applied.pool)
            }
            Err(error) => self.gone(error),
        };
        if let Some(first) = self.first.take() {
            let _ = first.send(result.map(|_| ()));
        }
        Instant::now() + wait
    }

    fn back(&mut self) {
        if self.away.take().is_some() {
            (self.keeping.tell)(News::StoreBack);
        }
    }

    fn gone(&mut self, error: &StoreError) -> Duration {
        let since = match self.away {
            Some(since) => since,
            None => {
                (self.keeping.tell)(News::StoreAway { cause: error.to_string() });
                *self.away.insert(Instant::now())
            }
        };
        if since.elapsed() < PATIENCE { RETRY } else { SLOW_RETRY }
    }

    fn release(&mut self, how: Ending) -> Result<(), StoreError> {
        let verb = Verb::Release { id: self.keeping.reservation.id.clone(), how };
        let deadline = Instant::now() + RELEASE_PATIENCE;
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

    fn sleep_until(&self, next: Instant) -> Woken {
        let left = next.saturating_duration_since(Instant::now());
        // Rounded up: a poll that wakes a fraction of a millisecond early would only have to sleep again.
        let millis = i32::try_from(left.as_millis() + 1).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        // While the store is away its old descriptor would wake us without end.
        let store = if self.away.is_none() { self.keeping.store.descriptor() } else { None };
        match wait_for(self.wake.as_fd(), store, timeout) {
            Ready::Wake => {
                let _ = self.wake.read();
                Woken::Ordered
            }
            Ready::Store => Woken::StoreClosed,
            Ready::Neither if Instant::now() >= next => Woken::TimeIsUp,
            Ready::Neither => Woken::Ordered,
        }
    }
}

enum Woken {
    Ordered,
    TimeIsUp,
    StoreClosed,
}

enum Ready {
    Wake,
    Store,
    Neither,
}

fn wait_for(wake: BorrowedFd<'_>, store: Option<BorrowedFd<'_>>, timeout: PollTimeout) -> Ready {
    let mut fds = vec![PollFd::new(wake, PollFlags::POLLIN)];
    fds.extend(store.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    match poll(&mut fds, timeout) {
        Ok(ready) if ready > 0 => {
            let is_ready = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
            if is_ready(&fds[0]) { Ready::Wake } else { Ready::Store }
        }
        _ => Ready::Neither,
    }
}

/// Which renewal this is, where it makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    First,
    Steady,
}

impl Pace {
    fn after(self, pool: &Pool) -> Duration {
        let go_writes_here = pool.reservations.values().any(|lease| lease.author == Author::Go)
            || pool.waiters.iter().any(|waiter| waiter.author == Author::Go);
        match (go_writes_here, self) {
            (false, _) => BEAT,
            (true, Self::First) => FIRST_BEAT_BESIDE_GO,
            (true, Self::Steady) => BEAT_BESIDE_GO,
        }
    }
}

#[cfg(test)]
mod tests;

//! The store on a Redis server, with the keys of the Go canhazgpu: optimistic transactions, the server's clock.

use std::collections::BTreeSet;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use redis::{Value, cmd};

use super::StoreError;
use super::history::PAGE;
use super::interrupt::Interrupt;
use super::open::Options;
use super::records::{Changes, ended, load};
use super::session::{Session, jittered};
use super::transaction::{Backend, Commit, Granting, Purpose, View};
use super::url::RedisUrl;
use crate::model::ids::{GpuIndex, LeaseId, Timestamp, Uid};
use crate::model::reservation::Ended;

mod answers;
mod commands;
mod fault;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzz;
mod link;
mod reach;
mod socket;
mod talk;
#[cfg(feature = "tls")]
mod tls;

use commands::{Keys, Lock};
use fault::Fault;
pub(super) use link::{Limits, Link};

/// A pool on a Redis server. Connects at its first use, and again after the connection broke.
#[derive(Debug)]
pub(super) struct RedisStore {
    url: RedisUrl,
    /// Read at every connection: passwords are changed while runs go on.
    password_file: Option<PathBuf>,
    keys: Keys,
    limits: Limits,
    session: Session,
    link: Option<Link>,
    /// The pool's GPUs when last seen: watched and read before it is known whether they still are.
    guess: BTreeSet<GpuIndex>,
    /// As it was at the last look.
    lock: Lock,
}

/// How long a lock is tried for between two looks at the pool.
const SEIZING: Duration = Duration::from_secs(2);

/// Enough for most hosts, so that the first transaction need not ask twice.
const FIRST_GUESS: u32 = 8;

impl RedisStore {
    pub(super) fn new(url: RedisUrl, options: &Options, session: Session) -> Self {
        let limits = Limits::of(options);
        let keys = Keys::under(&options.prefix);
        let (password_file, guess) =
            (options.password_file.clone(), (0..FIRST_GUESS).map(GpuIndex).collect());
        Self { url, password_file, keys, limits, session, link: None, guess, lock: Lock::Free }
    }

    /// Whether the server has a pool with this prefix; for looking around before another store is made.
    pub(super) fn gpu_count(&mut self) -> Result<Option<String>, StoreError> {
        let count = cmd("GET").arg(self.keys.of("gpu_count")).take();
        let answers = self.ask(&[count], "gpu_count").map_err(|fault| self.last(fault))?;
        Ok(match answers.into_iter().next() {
            Some(Value::BulkString(bytes)) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            _ => None,
        })
    }

    /// Watches and reads everything: one exchange when the guess is right and nobody waits, another otherwise.
    fn read(&mut self, named: Option<&LeaseId>) -> Result<(View, bool), Fault> {
        let guess: Vec<GpuIndex> = self.guess.iter().copied().collect();
        let answers = self.exchange(&self.keys.first_look(&guess, named))?;
        let mut first = answers::first_look(&self.session, answers, &guess)?;
        let members = first.raw.head.members();
        let more: Vec<GpuIndex> =
            members.iter().filter(|index| !self.guess.contains(index)).copied().collect();
        if !more.is_empty() || !first.raw.queue.is_empty() {
            let answers = self.exchange(&self.keys.second_look(&more, &first.raw.queue))?;
            answers::second_look(&self.session, answers, &more, &mut first.raw)?;
        }
        if !members.is_empty() {
            self.guess = members;
        }
        let loaded = load(first.raw, &self.session.candidate, &mut self.session.accounts);
        self.lock = first.lock;
        let granting = if first.lock == Lock::Theirs { Granting::NotNow } else { Granting::Allowed };
        Ok((View { loaded, now: first.now, granting }, first.over))
    }
}

impl Backend for RedisStore {
    fn session(&self) -> &Session {
        &self.session
    }

    fn begin(
        &mut self,
        purpose: Purpose,
        named: Option<&LeaseId>,
        until: Instant,
    ) -> Result<View, StoreError> {
        self.patiently(until, |store| {
            let (mut view, over) = store.read(named)?;
            view.loaded.pool.known_ended.extend(named.filter(|_| over).cloned());
            // What is to be changed is checked by the commit; a mere look has to find out now whether it was torn.
            match purpose {
                Purpose::Change => Ok(view),
                Purpose::Look => match store.ask(&commands::nothing(), "the pool")?.pop() {
                    Some(Value::Nil) => Err(Fault::Wait),
                    _ => Ok(view),
                },
            }
        })
    }

    fn commit(&mut self, changes: &Changes, now: Timestamp) -> Result<Commit, StoreError> {
        let commands = self.keys.commit(changes, now, self.lock);
        let answers = match self.exchange(&commands) {
            Ok(answers) => answers,
            Err(fault) => return self.uncommitted(fault),
        };
        match answers::commit(&self.session, answers) {
            Ok(commit) => Ok(commit),
            Err(fault) => {
                // Ends whatever transaction the server may still hold open.
                self.link = None;
                self.uncommitted(fault)
            }
        }
    }

    fn abandon(&mut self) {
        // The next look begins by forgetting what was watched.
    }

    /// The Go program asks a slow driver under its lock and takes it again at once: it is free for a millisecond.
    fn seize(&mut self, until: Instant) -> Result<(), StoreError> {
        let request = [self.keys.lock(&self.session.candidate)];
        let until = until.min(Instant::now() + SEIZING);
        loop {
            let answer = self.patiently(until, |store| store.ask(&request, "allocation_lock"))?.pop();
            let is_ours = answer.is_some_and(|answer| answer != Value::Nil);
            if is_ours || Instant::now() >= until || self.session.interrupt.has_come() {
                return Ok(());
            }
            std::thread::sleep(jittered(Duration::from_micros(200), Duration::from_micros(800)));
        }
    }

    fn history(&mut self, range: Range<Timestamp>, each: &mut dyn FnMut(Ended)) -> Result<(), StoreError> {
        let until = Instant::now() + self.session.patience;
        // Ends are kept to the second by the Go program, so the first second is read whole and sorted out here.
        let mut from = range.start.seconds().to_string();
        let mut seen: BTreeSet<Vec<u8>> = BTreeSet::new();
        loop {
            let limit = PAGE + seen.len();
            let request = [self.keys.history_page(&from, range.end, limit)];
            let answers = self.patiently(until, |store| store.ask(&request, "usage_history_sorted"))?;
            let lines = answers::scored(answers.into_iter().next().unwrap_or(Value::Nil));
            let complete = lines.len() < limit;
            for (line, score) in lines {
                if score != from {
                    seen.clear();
                    from = score;
                }
                if !seen.insert(line.clone()) {
                    continue;
                }
                let ended = ended::read(&line, &mut self.session.accounts);
                ended.filter(|ended| range.contains(&ended.at)).into_iter().for_each(&mut *each);
            }
            if complete {
                return Ok(());
            }
        }
    }

    /// Whoever made the pool, as its records say.
    fn owner(&mut self) -> Result<Option<Uid>, StoreError> {
        let until = Instant::now() + self.session.patience;
        let request = [cmd("GET").arg(self.keys.of("pool")).take()];
        let answers = self.patiently(until, |store| store.ask(&request, "pool"))?;
        Ok(answers::pool_only(answers).owner())
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.link.as_ref().map(Link::descriptor)
    }

    fn interrupt(&mut self, interrupt: Interrupt) {
        if let Some(link) = &mut self.link {
            link.wait_with(self.limits, interrupt.clone());
        }
        self.session.interrupt = interrupt;
    }

    fn hurry(&mut self, limit: Duration) {
        self.session.patience = limit;
        self.limits = self.limits.no_longer_than(limit);
        if let Some(link) = &mut self.link {
            link.wait_with(self.limits, self.session.interrupt.clone());
        }
    }
}

impl RedisStore {
    /// A commit whose connection broke may or may not have happened: asking again tells, because ids are the
    /// client's. So it counts as a lost race.
    fn uncommitted(&mut self, fault: Fault) -> Result<Commit, StoreError> {
        match fault {
            Fault::Broken(_) | Fault::Wait => Ok(Commit::Raced),
            Fault::Final(error) => Err(error),
        }
    }
}

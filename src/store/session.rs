//! What every backend keeps between its transactions: its name for messages, how long it may be busy, the account
//! names it has looked up; and the small randomness that stores need.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read};
use std::time::{Duration, Instant, SystemTime};

use super::StoreError;
use super::interrupt::Interrupt;
use super::records::Accounts;
use crate::model::ids::{Timestamp, Uid};

/// Kept by a backend as long as it lives.
#[derive(Debug)]
pub(super) struct Session {
    /// The store's URL without any password.
    pub(super) store: String,
    /// How long a transaction may wait for others.
    pub(super) patience: Duration,
    /// What the pool is called if it has no name yet.
    pub(super) candidate: String,
    pub(super) accounts: AccountCache,
    pub(super) interrupt: Interrupt,
}

impl Session {
    pub(super) fn new(store: String, patience: Duration) -> Result<Self, StoreError> {
        let candidate = random_id()
            .map_err(|error| StoreError::Unreachable { store: store.clone(), cause: error.to_string() })?;
        let (accounts, interrupt) = (AccountCache::default(), Interrupt::default());
        Ok(Self { store, patience, candidate, accounts, interrupt })
    }

    pub(super) fn busy(&self, since: Instant) -> StoreError {
        StoreError::Busy { store: self.store.clone(), waited: rounded(since.elapsed()) }
    }

    /// What a failure is after an interruption: nothing that speaks against the store.
    pub(super) fn unless_interrupted(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Busy { store, .. } | StoreError::Unreachable { store, .. }
                if self.interrupt.has_come() =>
            {
                StoreError::Interrupted { store }
            }
            other => other,
        }
    }

    pub(super) fn unreachable(&self, cause: impl ToString) -> StoreError {
        StoreError::Unreachable { store: self.store.clone(), cause: cause.to_string() }
    }

    pub(super) fn denied(&self, cause: impl ToString) -> StoreError {
        StoreError::Denied { store: self.store.clone(), cause: cause.to_string() }
    }

    pub(super) fn foreign(&self, why: impl ToString) -> StoreError {
        StoreError::Foreign { store: self.store.clone(), why: why.to_string() }
    }

    pub(super) fn unfit(&self, why: impl ToString) -> StoreError {
        StoreError::Unfit { store: self.store.clone(), why: why.to_string() }
    }

    pub(super) fn not_writable(&self, cause: impl ToString) -> StoreError {
        StoreError::NotWritable { store: self.store.clone(), cause: cause.to_string() }
    }
}

/// Milliseconds are all that a reader wants to know.
fn rounded(span: Duration) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

/// Remembers what the account database said: it may be a directory server.
#[derive(Debug, Default)]
pub(super) struct AccountCache(HashMap<String, Option<Uid>>);

impl Accounts for AccountCache {
    fn uid_of(&mut self, account: &str) -> Option<Uid> {
        if let Some(known) = self.0.get(account) {
            return *known;
        }
        let found = crate::sys::account::uid_of(account).map(Uid);
        self.0.insert(account.to_owned(), found);
        found
    }
}

/// 128 bits that nobody else has, as text.
fn random_id() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A span between `least` and `most`, different each time, so that those who wait do not come back together.
pub(super) fn jittered(least: Duration, most: Duration) -> Duration {
    // The standard library seeds every RandomState differently: random enough to part clients.
    let random = RandomState::new().build_hasher().finish() % 1024;
    let spread = most.saturating_sub(least);
    least + spread * u32::try_from(random).unwrap_or(0) / 1024
}

/// This machine's clock.
pub(super) fn system_time() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(Timestamp::default(), |since| Timestamp::default().after(since))
}

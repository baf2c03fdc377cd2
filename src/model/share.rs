//! How many GPUs one person may hold at once, where the host sets a limit. Pure.

use std::num::NonZeroU32;

use super::ids::LeaseId;
use super::pool::Pool;
use super::reservation::Holder;

/// What a person holds, where it keeps a request from being served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Share {
    /// What those ahead in line are about to get for the same person counts as held.
    pub(crate) held: usize,
    pub(crate) limit: NonZeroU32,
    /// The reservations: the end of one lets the request in.
    pub(crate) leases: Vec<LeaseId>,
}

impl Share {
    /// What the person behind `holder` holds in `pool`, and `promised` GPUs more.
    pub(super) fn of(pool: &Pool, holder: &Holder, limit: NonZeroU32, promised: usize) -> Self {
        let own = || pool.reservations.values().filter(|held| held.holder.is_same_person(holder));
        let held = own().map(|held| held.gpus.len()).sum::<usize>() + promised;
        Self { held, limit, leases: own().map(|held| held.id.clone()).collect() }
    }

    /// How many more may be had.
    pub(super) fn left(&self) -> usize {
        usize::try_from(self.limit.get()).unwrap_or(usize::MAX).saturating_sub(self.held)
    }
}

impl Holder {
    /// Whether one person answers for both: behind sudo it is whoever logged in, and labels divide nobody. An account
    /// whose name could not be told once is the same by its number.
    pub(super) fn is_same_person(&self, other: &Self) -> bool {
        let own_number = |holder: &Self| holder.uid.filter(|_| holder.login.is_none());
        self.person() == other.person() || own_number(self).is_some_and(|uid| own_number(other) == Some(uid))
    }

    fn person(&self) -> &str {
        self.login.as_ref().unwrap_or(&self.account)
    }
}

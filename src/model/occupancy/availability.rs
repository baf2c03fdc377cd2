//! Which GPUs can be had, and what stands in the way of the others: occupancy without a verdict on each process,
//! cheap enough for every transaction. Pure.

use std::collections::BTreeMap;

use crate::model::ids::{GpuIndex, LeaseId, Timestamp, Uid};
use crate::model::pool::Pool;
use crate::model::seen::{Seat, Seen, Unknown};
use crate::model::verb::{User, Why};

use super::Usage;
use super::site::{Right, Site};

/// Whether a GPU can be granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Availability<'a> {
    /// Nobody's, and idle.
    Available,
    Reserved(&'a LeaseId),
    /// In use without reservation; by nobody who is visible from here, if the list is empty.
    Used {
        by: Vec<User>,
    },
    Draining,
    Unknown(Unknown),
    /// Somebody sits there whom the store knows nothing of.
    Seated(Seat),
    Damaged,
}

/// What stands in the way of a grant, for every GPU of the pool.
pub(crate) fn availability<'a>(
    pool: &'a Pool,
    seen: &'a Seen<'a>,
    now: Timestamp,
) -> BTreeMap<GpuIndex, Availability<'a>> {
    Site::all(pool, seen).map(|site| (site.gpu, site.availability(now))).collect()
}

impl Availability<'_> {
    pub(crate) const fn is_available(&self) -> bool {
        matches!(self, Self::Available)
    }

    /// Whether releases alone, of a reservation or of its memory, can make it available.
    pub(crate) const fn is_to_be_released(&self) -> bool {
        matches!(self, Self::Reserved(_) | Self::Draining)
    }

    /// What to tell somebody who wanted it; `None` if it is available.
    pub(crate) fn why(&self, pool: &Pool) -> Option<Why> {
        Some(match self {
            Self::Available => return None,
            // A slot that names a reservation which is not there cannot be made sense of.
            Self::Reserved(id) => {
                pool.reservations.get(*id).map_or(Why::Damaged, |reservation| Why::Reserved {
                    id: reservation.id.clone(),
                    by: reservation.holder.clone(),
                    kind: reservation.kind,
                    since: reservation.started,
                    expiry: reservation.expiry,
                })
            }
            Self::Used { by } => Why::Used { by: by.clone() },
            Self::Draining => Why::Draining,
            Self::Unknown(unknown) => Why::Unknown(unknown.clone()),
            Self::Seated(seat) => Why::Seat { uid: uid_of(seat) },
            Self::Damaged => Why::Damaged,
        })
    }
}

const fn uid_of(seat: &Seat) -> Option<Uid> {
    match seat {
        Seat::Taken { uid, .. } => Some(*uid),
        Seat::TakenBySomebody => None,
    }
}

impl<'a> Site<'a> {
    fn availability(&self, now: Timestamp) -> Availability<'a> {
        match (self.right, self.seat) {
            (Right::Damaged { .. }, _) => Availability::Damaged,
            (Right::Reserved { id, .. }, _) => Availability::Reserved(id),
            (Right::Nobody { .. }, Some(seat)) => Availability::Seated(*seat),
            (Right::Nobody { .. }, None) => match self.usage(now) {
                Usage::Idle { .. } => Availability::Available,
                Usage::Draining { .. } => Availability::Draining,
                Usage::InUse { .. } => Availability::Used { by: self.named_users() },
                Usage::Unknown(unknown) => Availability::Unknown(unknown),
            },
        }
    }

    /// Who uses it, most memory first.
    fn named_users(&self) -> Vec<User> {
        let mut users: Vec<_> = self.users().collect();
        users.sort_by_key(|(on_gpu, process)| (std::cmp::Reverse(on_gpu.memory), process.pid));
        let named = users.into_iter().map(|(_, process)| User {
            name: process.owner(),
            pid: process.pid,
            process: process.name.clone(),
        });
        named.collect()
    }
}

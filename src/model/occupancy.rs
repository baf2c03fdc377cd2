//! What each GPU is being used for, and by whom: reservations, scan and owners joined into one verdict per GPU.
//! Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::ids::{GpuIndex, LeaseId, Megabytes, Timestamp};
use super::pool::Pool;
use super::process::Process;
use super::reservation::{Holder, Past};
use super::seen::{Context, Seat, Seen, Unknown};

mod doubt;
mod role;
mod site;
#[cfg(test)]
mod tests;

use role::Roles;
use site::{Listed, Right, Site};

/// The verdict on one GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Occupancy {
    pub(crate) gpu: GpuIndex,
    pub(crate) claim: Claim,
    pub(crate) usage: Usage,
    /// Every process on it, judged; most memory first.
    pub(crate) processes: Vec<Judged>,
}

/// Who has a right to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    Nobody {
        last_released: Option<Timestamp>,
        past: Option<Past>,
    },
    Reserved {
        id: LeaseId,
        doubt: Option<Doubt>,
    },
    /// Its seat is taken by a process that the store knows nothing of.
    Seated(Seat),
    /// Its record cannot be read.
    Damaged {
        why: String,
    },
}

/// Why a record is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The seat of this run's GPU belongs to another uid.
    SeatOfAnother(Seat),
    /// Nobody sits there, and launcher and command are dead.
    NobodyThere,
}

/// What the driver sees on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Usage {
    /// At or below the threshold, and no compute process but system ones.
    Idle {
        used: Megabytes,
    },
    /// Memory is still being given back after a release, and no process is left.
    Draining {
        used: Megabytes,
    },
    InUse {
        used: Megabytes,
    },
    Unknown(Unknown),
}

/// A process on a GPU and what it is to the reservation there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) process: Process,
    pub(crate) memory: Option<Megabytes>,
    pub(crate) context: Context,
    /// The UUID of the slice that it is on, where the GPU is in multi-instance mode.
    pub(crate) slice: Option<String>,
    pub(crate) role: Role,
}

/// What a process is to the reservation of its GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// In the run's tree, or adopted, or of a manual reservation's holder.
    Holder,
    /// The holder's account, but outside the run.
    HolderOutside,
    /// Another person's, on positive evidence.
    Intruder,
    /// Nothing tells whose it is.
    Unattributed,
    /// Display servers, the driver's own daemons: never use by themselves.
    System,
    /// On a GPU that nobody reserved.
    Unreserved,
    /// Left over from a reservation that is over.
    Orphan { of: LeaseId },
}

impl Judged {
    /// Whether it is a job of this holder's own, beyond doubt.
    pub(super) fn is_own_job_of(&self, holder: &Holder) -> bool {
        let Some(person) = self.process.person() else { return false };
        self.role != Role::System
            && (holder.uid == Some(person)
                || holder.login.as_ref() == Some(&self.process.account_of(person, str::to_owned)))
    }
}

impl Occupancy {
    /// Whether jobs of this holder's own are all that runs on it.
    pub(super) fn is_used_by_nobody_but(&self, holder: &Holder) -> bool {
        let mut jobs = self.processes.iter().filter(|judged| judged.role != Role::System).peekable();
        jobs.peek().is_some() && jobs.all(|judged| judged.is_own_job_of(holder))
    }

    /// Whether it may be granted: nobody's, and idle.
    #[cfg(test)]
    pub(crate) const fn is_available(&self) -> bool {
        matches!((&self.claim, &self.usage), (Claim::Nobody { .. }, Usage::Idle { .. }))
    }
}

/// The verdict on every GPU of the pool. Cheap enough for every transaction.
pub(crate) fn judge(pool: &Pool, seen: &Seen<'_>, now: Timestamp) -> BTreeMap<GpuIndex, Occupancy> {
    let sites = Site::all(pool, seen);
    sites.map(|site| (site.gpu, site.judge(now))).collect()
}

impl Site<'_> {
    fn judge(&self, now: Timestamp) -> Occupancy {
        Occupancy { gpu: self.gpu, claim: self.claim(), usage: self.usage(now), processes: self.processes() }
    }

    fn claim(&self) -> Claim {
        match (self.right, self.seat) {
            (Right::Damaged { why }, _) => Claim::Damaged { why: why.to_owned() },
            (Right::Reserved { id, reservation }, seat) => {
                let doubt = reservation.and_then(|reservation| doubt::of(reservation, seat, self.seen));
                Claim::Reserved { id: id.clone(), doubt }
            }
            (Right::Nobody { .. }, Some(seat)) => Claim::Seated(seat.clone()),
            (Right::Nobody { last_released, past }, None) => {
                Claim::Nobody { last_released, past: past.cloned() }
            }
        }
    }

    fn processes(&self) -> Vec<Judged> {
        let listed: Vec<Listed<'_>> = self.listed().collect();
        if listed.is_empty() {
            return Vec::new();
        }
        let roles = Roles::on(self.right, self.seen);
        let judged = listed.into_iter().map(|Listed { on_gpu, slice, process }| Judged {
            process: process.clone(),
            memory: on_gpu.memory,
            context: on_gpu.context,
            slice: slice.map(str::to_owned),
            role: roles.role(process, on_gpu.context),
        });
        let mut judged: Vec<Judged> = judged.collect();
        judged.sort_by_key(|judged| (Reverse(judged.memory), judged.process.pid));
        judged
    }
}

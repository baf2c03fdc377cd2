//! Whether a run belongs inside a reservation that is there already: the lease it was started under, or one's own
//! manual reservation. Pure: the environment and the ancestors are arguments.

use crate::model::identity::Identity;
use crate::model::ids::{GpuIndex, LeaseId, Uid};
use crate::model::pool::Pool;
use crate::model::request::Demand;
use crate::model::reservation::{Kind, Reservation};

/// What is known of where a run was started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    /// CANHAZGPU_RESERVATION.
    pub(crate) reservation: Option<LeaseId>,
    /// CUDA_VISIBLE_DEVICES, where it holds indices only.
    pub(crate) visible: Option<Vec<GpuIndex>>,
}

/// What a run asks for, as far as it concerns nesting.
#[derive(Debug, Clone)]
pub(crate) struct Asked<'a> {
    pub(crate) demand: &'a Demand,
    /// Where the number comes from.
    pub(crate) count: Count,
}

/// Where the number of GPUs that a run asks for comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    Typed,
    /// Nobody asked for it: the default of one, or what a command line lets us guess.
    Default,
    /// The command's own options said it, and were taken out: it is to see as many as it asked for, and no more.
    TakenOver,
}

/// Where a run takes place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// It needs a reservation of its own.
    Outside,
    /// In this reservation, on these of its GPUs.
    Inside { reservation: Box<Reservation>, gpus: Vec<GpuIndex> },
    /// It was started inside this reservation, and asks for what is not in it.
    Beyond { reservation: Box<Reservation> },
}

/// Whether the store need be asked at all.
pub(crate) const fn is_possible(around: &Surroundings, asked: &Asked<'_>) -> bool {
    around.reservation.is_some() || around.visible.is_some() || matches!(asked.demand, Demand::Exactly(_))
}

/// Finds the place of a run of `uid`; `is_above` tells whether it descends from a process.
pub(crate) fn place(
    pool: &Pool,
    uid: Uid,
    around: &Surroundings,
    asked: &Asked<'_>,
    is_above: impl Fn(&Identity) -> bool,
) -> Place {
    if let Some(lease) = own_lease(pool, around, is_above) {
        let gpus = lease.gpus.clone();
        let reservation = Box::new(lease.clone());
        return if fits(asked, &gpus) {
            Place::Inside { reservation, gpus: share(asked, gpus) }
        } else {
            Place::Beyond { reservation }
        };
    }
    let named = match (asked.demand, &around.visible) {
        (Demand::Exactly(ids), _) => ids,
        (_, Some(visible)) if fits(asked, visible) => visible,
        _ => return Place::Outside,
    };
    match manual_over(pool, uid, named) {
        Some(lease) => {
            Place::Inside { reservation: Box::new(lease.clone()), gpus: share(asked, named.clone()) }
        }
        None => Place::Outside,
    }
}

/// The lease in whose tree we are. The id alone proves nothing: a tmux server carries stale ones.
fn own_lease<'a>(
    pool: &'a Pool,
    around: &Surroundings,
    is_above: impl Fn(&Identity) -> bool,
) -> Option<&'a Reservation> {
    let lease = pool.reservations.get(around.reservation.as_ref()?)?;
    lease.launcher.iter().chain(&lease.child).any(is_above).then_some(lease)
}

fn fits(asked: &Asked<'_>, gpus: &[GpuIndex]) -> bool {
    match (asked.demand, asked.count) {
        (Demand::Exactly(ids), _) => ids.iter().all(|id| gpus.contains(id)),
        (Demand::Count(count), Count::Typed | Count::TakenOver) => {
            usize::try_from(count.get()).is_ok_and(|count| count <= gpus.len())
        }
        (Demand::Count(_), Count::Default) | (Demand::AllFree, _) => true,
    }
}

/// What of the whole the run sees.
fn share(asked: &Asked<'_>, whole: Vec<GpuIndex>) -> Vec<GpuIndex> {
    match (asked.demand, asked.count) {
        (Demand::Exactly(ids), Count::TakenOver) => ids.clone(),
        (Demand::Count(count), Count::TakenOver) => {
            whole.into_iter().take(usize::try_from(count.get()).unwrap_or(usize::MAX)).collect()
        }
        _ => whole,
    }
}

/// The manual reservation of `uid` that covers all of `gpus`; the first one, if they are spread over several.
fn manual_over<'a>(pool: &'a Pool, uid: Uid, gpus: &[GpuIndex]) -> Option<&'a Reservation> {
    let of = |gpu: &GpuIndex| {
        pool.reservations.values().find(|lease| {
            lease.kind == Kind::Manual && lease.holder.uid == Some(uid) && lease.gpus.contains(gpu)
        })
    };
    let leases: Option<Vec<&Reservation>> = gpus.iter().map(of).collect();
    leases?.first().copied()
}

#[cfg(test)]
mod tests;

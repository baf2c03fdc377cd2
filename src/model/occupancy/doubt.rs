//! When the record of a run is not believed: the kernel says by the seat that it is not so. Pure.

use crate::model::identity::{Identity, Life};
use crate::model::ids::{Pid, Uid};
use crate::model::reservation::{Author, Kind, Reservation};
use crate::model::seen::{Seat, Seen};

use super::Doubt;

/// What speaks against `reservation`, given who sits on one of its GPUs.
pub(super) fn of(reservation: &Reservation, seat: Option<&Seat>, seen: &Seen<'_>) -> Option<Doubt> {
    if !should_be_seated_here(reservation, seen) {
        return None;
    }
    match seat {
        Some(seat @ Seat::Taken { uid, pid, .. }) => {
            let holder = reservation.holder.uid?;
            // A pid or uid without a mapping here says nothing about its owner.
            let told = *pid != Pid(0) && *uid != Uid::OVERFLOW;
            (told && *uid != holder).then_some(Doubt::SeatOfAnother(seat.clone()))
        }
        Some(Seat::TakenBySomebody) => None,
        None => all_are_dead(reservation, seen).then_some(Doubt::NobodyThere),
    }
}

/// Only runs of ours sit, and only this network namespace's seats are visible.
fn should_be_seated_here(reservation: &Reservation, seen: &Seen<'_>) -> bool {
    reservation.kind == Kind::Run
        && reservation.author == Author::Ours
        && reservation.network_namespace == Some(seen.here.network_namespace)
        && identities(reservation).all(|process| process.boot == seen.here.boot)
}

fn all_are_dead(reservation: &Reservation, seen: &Seen<'_>) -> bool {
    identities(reservation).next().is_some()
        && identities(reservation).all(|process| (seen.life)(process) == Life::Dead)
}

fn identities(reservation: &Reservation) -> impl Iterator<Item = &Identity> {
    reservation.launcher.iter().chain(&reservation.child)
}

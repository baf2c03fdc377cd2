//! `chg status -o table`: a row per GPU, in as many columns as the terminal has. Pure.

use std::time::Duration;

use crate::model::ids::{Megabytes, Timestamp};
use crate::model::occupancy::{Claim, Usage};
use crate::model::reservation::{Kind, Reservation};

use super::super::clock::{brief, full, until};
use super::super::escape::clip;
use super::super::grid::{Column, Room, grid};
use super::super::line::{Line, Tone};
use super::super::people;
use super::{Condition, GpuView, StatusView, remarks};

const COLUMNS: [Column; 7] = [
    Column::Right("GPU"),
    Column::Left("STATUS"),
    Column::Left("USER"),
    Column::Left("FOR"),
    Column::Right("MEMORY"),
    Column::Right("LOAD"),
    Column::Left("DETAILS"),
];
/// Columns of a user's name: on a terminal, where a container's id has room, and where everything has.
const USER: usize = 22;
const WHOLE_USER: usize = 64;

/// A heading and a row per GPU, none wider than the room.
pub(crate) fn table(view: &StatusView, room: Room) -> Vec<Line> {
    let user = if room == Room::Endless { WHOLE_USER } else { USER };
    grid(&COLUMNS, view.gpus.iter().map(|gpu| row(gpu, view.now, user)).collect(), room)
}

fn row(gpu: &GpuView, now: Timestamp, user: usize) -> Vec<Line> {
    let condition = Condition::of(gpu);
    let (word, tone) = status_word(gpu, &condition);
    let memory = gpu.measured.as_ref().map(|measured| gigabytes(measured.used, measured.total));
    let load = gpu.measured.as_ref().and_then(|measured| measured.utilization).map(|load| format!("{load}%"));
    vec![
        Line::of(Tone::Strong, &gpu.index.to_string()),
        Line::of(tone, word),
        Line::from(clip(&user_of(gpu, &condition), user)),
        Line::from(held_or_free_for(gpu, now).map_or(String::new(), brief)),
        Line::from(memory.unwrap_or_default()),
        Line::from(load.unwrap_or_default()),
        remarks(gpu, now, user),
    ]
}

/// `45.1/79.6G`.
pub(in crate::output) fn gigabytes(used: Megabytes, total: Megabytes) -> String {
    format!("{}/{}G", in_tenths(used), in_tenths(total))
}

/// `45.1G`, `312M`.
pub(in crate::output) fn in_short(memory: Megabytes) -> String {
    if memory.0 < 1000 { format!("{}M", memory.0) } else { format!("{}G", in_tenths(memory)) }
}

/// Gigabytes, to a tenth.
fn in_tenths(memory: Megabytes) -> String {
    let tenths = memory.0.saturating_mul(10).saturating_add(512) / 1024;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// The word for a GPU's condition, and how it looks.
pub(in crate::output) fn status_word(gpu: &GpuView, condition: &Condition) -> (&'static str, Tone) {
    match condition {
        Condition::Available => ("AVAILABLE", Tone::Good),
        Condition::Draining => ("DRAINING", Tone::Warn),
        Condition::Reserved if !gpu.intruders().is_empty() => ("INTRUDED", Tone::Bad),
        Condition::Reserved => ("IN USE", Tone::Busy),
        Condition::False(_) => ("FALSE", Tone::Bad),
        Condition::Unreserved | Condition::Seated { .. } => ("UNRESERVED", Tone::Bad),
        Condition::Unknown(_) => ("UNKNOWN", Tone::Warn),
    }
}

/// Who holds it, or uses it without holding it.
pub(in crate::output) fn user_of(gpu: &GpuView, condition: &Condition) -> String {
    match (&gpu.reservation, condition) {
        (Some(reservation), _) => people::holder(&reservation.holder),
        (None, Condition::Seated { user, .. }) => user.clone().unwrap_or_default(),
        (None, Condition::Unreserved) => people::owners(gpu.users()).join(", "),
        (None, _) => String::new(),
    }
}

/// For how long it has been held, or used without being held, or has been free.
pub(in crate::output) fn held_or_free_for(gpu: &GpuView, now: Timestamp) -> Option<Duration> {
    match (&gpu.reservation, &gpu.occupancy.claim, &gpu.occupancy.usage) {
        (Some(reservation), ..) => Some(now.since(reservation.started)),
        (None, Claim::Nobody { last_released, .. }, Usage::Idle { .. } | Usage::Draining { .. }) => {
            last_released.map(|moment| now.since(moment))
        }
        (None, _, Usage::InUse { .. }) => gpu
            .users()
            .iter()
            .filter_map(|judged| judged.process.started)
            .min()
            .map(|moment| now.since(moment)),
        (None, ..) => None,
    }
}

/// How a reservation is kept or ends: `heartbeat 0h 0m 5s ago`, `expires in 3h 15m 45s`.
pub(super) fn ending(reservation: &Reservation, now: Timestamp) -> String {
    match (reservation.kind, reservation.expiry) {
        (Kind::Run, _) => format!("heartbeat {} ago", full(now.since(reservation.heartbeat))),
        (Kind::Manual, Some(expiry)) if expiry < now => "expired".to_owned(),
        (Kind::Manual, Some(expiry)) => format!("expires {}", until(expiry, now)),
        (Kind::Manual, None) => "manual reservation".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_rounded_to_tenths() {
        assert_eq!(gigabytes(Megabytes(45), Megabytes(81_559)), "0.0/79.6G");
        assert_eq!(gigabytes(Megabytes(1024), Megabytes(16_384)), "1.0/16.0G");
        assert_eq!(in_short(Megabytes(999)), "999M");
        assert_eq!(in_short(Megabytes(1000)), "1.0G");
        assert_eq!(in_short(Megabytes(u64::MAX)), "1801439850948198.3G", "nonsense from a driver");
    }
}

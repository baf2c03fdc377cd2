//! `chg status -o table`: the same as aligned columns. Pure.

use std::time::Duration;

use crate::model::ids::Timestamp;
use crate::model::occupancy::{Claim, Usage};
use crate::model::reservation::{Kind, Reservation};

use super::super::clock::{full, until};
use super::super::escape::clip;
use super::super::grid::grid;
use super::super::line::{Line, Tone};
use super::super::people;
use super::lines::validation;
use super::{Condition, GpuView, StatusView};

const HEADINGS: [&str; 9] =
    ["GPU", "STATUS", "USER", "FOR", "TYPE", "DETAILS", "VALIDATION", "MODEL", "NOTE"];
const USER: usize = 32;
const DETAILS: usize = 60;
const MODEL: usize = 50;
const NOTE: usize = 40;

/// A heading and a row per GPU.
pub(crate) fn table(view: &StatusView) -> Vec<Line> {
    grid(&HEADINGS, view.gpus.iter().map(|gpu| row(gpu, view.now)).collect())
}

fn row(gpu: &GpuView, now: Timestamp) -> Vec<Line> {
    let condition = Condition::of(gpu);
    let (word, tone) = status_word(gpu, &condition);
    let kind = gpu.reservation.as_ref().map_or("", |reservation| reservation.kind.as_str());
    vec![
        Line::from(gpu.index.to_string()),
        Line::of(tone, word),
        Line::from(clip(&user_of(gpu, &condition), USER)),
        Line::from(held_or_free_for(gpu, now).map_or(String::new(), full)),
        Line::from(kind),
        Line::from(clip(&details(gpu, &condition, now), DETAILS)),
        Line::of(Tone::Dim, &validated(gpu, &condition)),
        Line::from(clip(gpu.model().unwrap_or(""), MODEL)),
        Line::from(clip(gpu.note().unwrap_or(""), NOTE)),
    ]
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

/// For how long it has been held, or has been free.
pub(in crate::output) fn held_or_free_for(gpu: &GpuView, now: Timestamp) -> Option<Duration> {
    match (&gpu.reservation, &gpu.occupancy.claim, &gpu.occupancy.usage) {
        (Some(reservation), ..) => Some(now.since(reservation.started)),
        (
            None,
            Claim::Nobody { last_released: Some(moment), .. },
            Usage::Idle { .. } | Usage::Draining { .. },
        ) => Some(now.since(*moment)),
        (None, ..) => None,
    }
}

fn details(gpu: &GpuView, condition: &Condition, now: Timestamp) -> String {
    match condition {
        Condition::Available if held_or_free_for(gpu, now).is_none() => "never used".to_owned(),
        Condition::Available => String::new(),
        Condition::Draining => "memory is being given back".to_owned(),
        Condition::Unreserved => people::used_by(gpu.used(), &gpu.users()),
        Condition::Seated { holder, .. } => format!("seat held by {holder}"),
        Condition::False(why) | Condition::Unknown(why) => why.clone(),
        Condition::Reserved => match gpu.intruders() {
            none if none.is_empty() => gpu.reservation.as_ref().map_or(String::new(), |r| ending(r, now)),
            intruders => format!("also {}", people::used_by(None, &intruders)),
        },
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

fn validated(gpu: &GpuView, condition: &Condition) -> String {
    match (condition, gpu.used()) {
        (Condition::Unknown(_), _) | (_, None) => String::new(),
        (Condition::Available | Condition::Draining, Some(used)) => format!("{used} used"),
        (_, Some(_)) => validation(gpu, "no usage detected"),
    }
}

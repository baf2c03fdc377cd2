//! What reserve, release, extend and a run say when all went well. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::model::duration::InShort;
use crate::model::ids::{GpuIndex, Timestamp};
use crate::model::reservation::Reservation;

use super::clock::{brief, full, rfc3339};
use super::line::{Line, Tone};
use super::people;

/// The launcher's word on a grant: `reserved GPU 1, 3 (waited 4m 10s)`. A wait below a second is none.
pub(crate) fn granted(reservation: &Reservation, waited: Duration) -> Line {
    let line =
        Line::of(Tone::Good, "reserved").with(Tone::Plain, &format!(" {}", people::gpus(&reservation.gpus)));
    if waited.as_secs() == 0 {
        return line;
    }
    line.with(Tone::Dim, &format!(" (waited {})", brief(waited)))
}

/// What the host allows a run that names no timeout, and where that stands.
pub(crate) fn limited(timeout: Duration, place: &str) -> Line {
    Line::from(format!("it may run for {}", InShort(timeout)))
        .with(Tone::Dim, &format!(" ({place}; -t sets another)"))
}

/// `Reserved 2 GPU(s): [1, 3] for 4h 0m 0s`.
pub(crate) fn reserved(reservation: &Reservation) -> Line {
    let gpus = counted(&reservation.gpus);
    let lasts = reservation.expiry.map(|expiry| expiry.since(reservation.started));
    Line::from(format!(
        "Reserved {gpus}{}",
        lasts.map_or(String::new(), |lasts| format!(" for {}", full(lasts)))
    ))
}

/// `--short`: `1,3`.
pub(crate) fn short(reservation: &Reservation) -> Line {
    Line::from(people::comma(&reservation.gpus).replace(' ', ""))
}

/// `Released 2 GPU(s): [1, 3]`, or that there was nothing to release.
pub(crate) fn released(reservations: &[Reservation]) -> Line {
    let gpus = all(reservations);
    if gpus.is_empty() {
        Line::from("Nothing to release")
    } else {
        Line::from(format!("Released {}", counted(&gpus)))
    }
}

/// `Released 2 GPU(s): [1, 3]`, of GPUs whose reservation had ended before.
pub(crate) fn freed(gpus: &[GpuIndex]) -> Line {
    Line::from(format!("Released {}", counted(gpus)))
}

/// `Extended 2 GPU(s): [1, 3] (expires in 4h 0m 0s)`, a line for each expiry.
pub(crate) fn extended(reservations: &[Reservation], now: Timestamp) -> Vec<Line> {
    if reservations.is_empty() {
        return vec![Line::from("Nothing to extend")];
    }
    let expiries: BTreeSet<_> = reservations.iter().map(|reservation| reservation.expiry).collect();
    let line = |expiry: Option<Timestamp>| {
        let gpus = all(reservations.iter().filter(|reservation| reservation.expiry == expiry));
        let left =
            expiry.map_or(String::new(), |expiry| format!(" (expires {})", super::clock::until(expiry, now)));
        Line::from(format!("Extended {}{left}", counted(&gpus)))
    };
    expiries.into_iter().map(line).collect()
}

fn all<'a>(reservations: impl IntoIterator<Item = &'a Reservation>) -> BTreeSet<GpuIndex> {
    reservations.into_iter().flat_map(|reservation| reservation.gpus.iter().copied()).collect()
}

/// `2 GPU(s): [1, 3]`.
fn counted<'a>(gpus: impl IntoIterator<Item = &'a GpuIndex, IntoIter: Clone>) -> String {
    let gpus = gpus.into_iter();
    format!("{} GPU(s): [{}]", gpus.clone().count(), people::comma(gpus))
}

/// `reserve --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ReservedJson {
    id: String,
    gpus: Vec<GpuIndex>,
    started: String,
    expires: Option<String>,
}

/// What `reserve --json` prints.
pub(crate) fn reserved_json(reservation: &Reservation) -> ReservedJson {
    ReservedJson {
        id: reservation.id.to_string(),
        gpus: reservation.gpus.clone(),
        started: rfc3339(reservation.started),
        expires: reservation.expiry.map(rfc3339),
    }
}

/// `reserve --export`: lines for a shell's `eval`.
pub(crate) fn exports(variables: &[(String, String)]) -> String {
    variables.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect()
}

/// Quoted so that every POSIX shell takes it literally.
pub(crate) fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-,./:=@%+".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;

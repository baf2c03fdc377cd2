//! What there is to say of a GPU beyond its columns: who else is on it, when the reservation ends, its note, the model in
//! use, the command. The same in the table and on the watched screen. Pure.

use std::time::Duration;

use crate::model::ids::Timestamp;
use crate::model::occupancy::{Judged, Role, Usage};
use crate::model::reservation::{Kind, Reservation};

use super::super::clock::brief;
use super::super::escape::{clip, width};
use super::super::line::{Line, Tone};
use super::super::people;
use super::lines::{MODEL, slice_and_use};
use super::table::user_of;
use super::{Condition, GpuView};

/// Columns of one remark; the whole is in the JSON.
const REMARK: usize = 120;
/// A heartbeat is written every minute; when the second one is missing, that deserves a word.
const LATE: Duration = Duration::from_secs(150);

/// What is most urgent first, with dots between. The users are told beside it in so many columns.
pub(in crate::output) fn remarks(gpu: &GpuView, now: Timestamp, user: usize) -> Line {
    let condition = Condition::of(gpu);
    let is_cut = width(&user_of(gpu, &condition)) > user;
    let of_users = |users: &[&Judged]| {
        if is_cut { people::processes(users) } else { people::processes_beside_owners(users) }
    };
    let mut all = Vec::new();
    match &condition {
        Condition::Available if gpu.last_released().is_none() => {
            all.push((Tone::Dim, "never used".to_owned()))
        }
        Condition::Available => {}
        Condition::Draining => all.push((Tone::Plain, "memory is being given back".to_owned())),
        Condition::Unreserved => all.push((Tone::Plain, of_users(&gpu.users()))),
        Condition::Seated { holder, .. } => {
            all.push((Tone::Plain, format!("seat held by {holder}")));
            let users = gpu.users();
            all.extend((!users.is_empty()).then(|| (Tone::Plain, of_users(&users))));
        }
        Condition::False(why) => all.push((Tone::Bad, format!("false record: {why}"))),
        Condition::Unknown(why) => {
            all.push((Tone::Plain, why.clone()));
            all.extend(gpu.slices.iter().map(|slice| (Tone::Plain, slice_and_use(gpu, slice))));
        }
        Condition::Reserved => {}
    }
    if let Some(reservation) = &gpu.reservation {
        all.extend(others(gpu));
        all.extend(kept(reservation, now));
        let is_idle = matches!(gpu.occupancy.usage, Usage::Idle { .. }) && gpu.people().is_empty();
        all.extend(is_idle.then(|| (Tone::Plain, "not in use".to_owned())));
    }
    all.extend(gpu.note().map(|note| (Tone::Plain, note.to_owned())));
    all.extend(gpu.model().map(|model| (Tone::Plain, clip(model, MODEL))));
    let command =
        gpu.reservation.as_ref().map(|held| held.command.join(" ")).filter(|words| !words.is_empty());
    all.extend(command.map(|command| (Tone::Dim, command)));
    dotted(all)
}

/// Pieces with ` · ` between them, each cut by itself.
pub(in crate::output) fn dotted(pieces: impl IntoIterator<Item = (Tone, String)>) -> Line {
    let mut line = Line::new();
    for (tone, text) in pieces {
        if line.width() > 0 {
            line.push(Tone::Dim, " · ");
        }
        line.push(tone, &clip(&text, REMARK));
    }
    line
}

/// Processes beside the run's own.
fn others(gpu: &GpuView) -> impl Iterator<Item = (Tone, String)> {
    let of = |tone, role: Role, tell: fn(&[&Judged]) -> String| {
        let found = gpu.with_role(|seen| *seen == role);
        (!found.is_empty()).then(|| (tone, tell(&found)))
    };
    let intruders = |found: &[&Judged]| {
        let names = people::owners(found.iter().copied()).join(", ");
        let names = if names.is_empty() { "somebody".to_owned() } else { names };
        format!("also {names}: {}", people::processes_beside_owners(found))
    };
    [
        of(Tone::Bad, Role::Intruder, intruders),
        of(Tone::Warn, Role::HolderOutside, |found| {
            format!("outside the run: {}", people::processes_beside_owners(found))
        }),
        of(Tone::Warn, Role::Unattributed, |found| format!("unattributed: {}", people::processes(found))),
    ]
    .into_iter()
    .flatten()
}

/// `last heartbeat 5m ago`, `manual, expires in 3h 15m`; nothing of a run that is well.
fn kept(reservation: &Reservation, now: Timestamp) -> Option<(Tone, String)> {
    let silent = now.since(reservation.heartbeat);
    match (reservation.kind, reservation.expiry) {
        (Kind::Run, _) if silent < LATE => None,
        (Kind::Run, _) => Some((Tone::Warn, format!("last heartbeat {} ago", brief(silent)))),
        (Kind::Manual, Some(expiry)) if expiry < now => Some((Tone::Warn, "manual, expired".to_owned())),
        (Kind::Manual, Some(expiry)) => {
            Some((Tone::Plain, format!("manual, expires in {}", brief(expiry.since(now)))))
        }
        (Kind::Manual, None) => Some((Tone::Plain, "manual".to_owned())),
    }
}

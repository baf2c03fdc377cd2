//! `chg status`: one line per GPU in the form that scripts parse. Pure.

use crate::model::ids::{Megabytes, Timestamp};
use crate::model::occupancy::{Judged, Role, Usage};
use crate::model::reservation::{Kind, Reservation};
use crate::model::seen::Slice;

use super::super::clock::{full, until};
use super::super::escape::{Within, clip_within};
use super::super::line::{Line, Tone};
use super::super::people;
use super::{Condition, GpuView, StatusView};

/// Columns for a note or a message; the whole is in the JSON.
const FREE_TEXT: usize = 120;
pub(super) const MODEL: usize = 50;
const PROFILE: usize = 24;

/// A line per GPU.
pub(crate) fn lines(view: &StatusView) -> Vec<Line> {
    view.gpus.iter().map(|gpu| line(gpu, view.now)).collect()
}

fn line(gpu: &GpuView, now: Timestamp) -> Line {
    let mut line = Line::of(Tone::Strong, &format!("GPU {}", gpu.index)).with(Tone::Plain, ": ");
    match Condition::of(gpu) {
        Condition::Available => free(&mut line, gpu, Tone::Good, "AVAILABLE", now),
        Condition::Draining => free(&mut line, gpu, Tone::Warn, "DRAINING", now),
        Condition::Reserved => reserved(&mut line, gpu, now),
        Condition::False(why) => {
            reserved(&mut line, gpu, now);
            line.push(
                Tone::Bad,
                &format!(" [false record: {}]", clip_within(Within::Brackets, &why, FREE_TEXT)),
            );
        }
        Condition::Unreserved => unreserved(&mut line, gpu.used(), &gpu.users()),
        Condition::Seated { user, holder } => seated(&mut line, gpu, user, &holder),
        Condition::Unknown(why) => unknown(&mut line, gpu, &why, now),
    }
    bystanders(&mut line, gpu);
    remarks(&mut line, gpu);
    line
}

fn free(line: &mut Line, gpu: &GpuView, tone: Tone, word: &str, now: Timestamp) {
    line.push(tone, word);
    line.push(
        Tone::Plain,
        &gpu.last_released().map_or_else(
            || " (never used)".to_owned(),
            |moment| format!(" (last released {} ago)", full(now.since(moment))),
        ),
    );
    if let Some(used) = gpu.used() {
        line.push(Tone::Dim, &format!(" [validated: {used} used]"));
    }
}

fn reserved(line: &mut Line, gpu: &GpuView, now: Timestamp) {
    if let Some(reservation) = &gpu.reservation {
        line.push(Tone::Busy, "IN USE");
        line.push(Tone::Plain, &holding(reservation, now));
    }
    line.push(Tone::Dim, &format!(" [validated: {}]", validation(gpu, "no actual usage detected")));
    let intruders = gpu.intruders();
    if !intruders.is_empty() {
        line.push(Tone::Plain, " + ");
        unreserved(line, memory_of(&intruders), &intruders);
    }
}

/// ` by alice for 0h 15m 30s (run, last heartbeat 0h 0m 5s ago)`.
fn holding(reservation: &Reservation, now: Timestamp) -> String {
    let until = match (reservation.kind, reservation.expiry) {
        (Kind::Run, _) => format!(", last heartbeat {} ago", full(now.since(reservation.heartbeat))),
        (Kind::Manual, Some(expiry)) if expiry < now => ", expired".to_owned(),
        (Kind::Manual, Some(expiry)) => format!(", expires {}", until(expiry, now)),
        (Kind::Manual, None) => String::new(),
    };
    let held = full(now.since(reservation.started));
    format!(" by {} for {held} ({}{until})", people::holder(&reservation.holder), reservation.kind.as_str())
}

/// `8452MB, 1 processes`, or `idle` where nothing runs there.
pub(super) fn validation(gpu: &GpuView, idle: &str) -> String {
    let processes = gpu.people().len();
    match (&gpu.occupancy.usage, gpu.used()) {
        (Usage::Idle { .. }, _) | (_, None) if processes == 0 => idle.to_owned(),
        (_, Some(used)) => format!("{used}, {processes} processes"),
        (_, None) => format!("{processes} processes"),
    }
}

/// What `processes` take together; unknown if one of them does not tell.
pub(super) fn memory_of(processes: &[&Judged]) -> Option<Megabytes> {
    let each = processes.iter().map(|judged| judged.memory.map(|memory| memory.0));
    each.sum::<Option<u64>>().map(Megabytes)
}

fn unreserved(line: &mut Line, memory: Option<Megabytes>, users: &[&Judged]) {
    line.push(Tone::Bad, "IN USE WITHOUT RESERVATION");
    let names = people::owners(users.iter().copied());
    line.push(Tone::Plain, &format!(" {} - {}", people::by(&names), people::used_by(memory, users)));
}

fn seated(line: &mut Line, gpu: &GpuView, user: Option<String>, holder: &str) {
    line.push(Tone::Bad, "IN USE WITHOUT RESERVATION");
    let names = user.map(|name| people::shown(&name)).into_iter().collect::<Vec<_>>();
    line.push(Tone::Plain, &format!(" {} - seat held by {holder}", people::by(&names)));
    if let (Some(used), false) = (gpu.used(), gpu.users().is_empty()) {
        line.push(Tone::Plain, &format!(", {}", people::used_by(Some(used), &gpu.users())));
    }
}

fn unknown(line: &mut Line, gpu: &GpuView, why: &str, now: Timestamp) {
    line.push(Tone::Warn, "UNKNOWN");
    line.push(Tone::Plain, &format!(" ({})", clip_within(Within::Parentheses, why, FREE_TEXT)));
    for slice in &gpu.slices {
        line.push(Tone::Dim, &format!(" [{}]", slice_and_use(gpu, slice)));
    }
    if let Some(reservation) = &gpu.reservation {
        line.push(Tone::Plain, &format!(" - reserved{}", holding(reservation, now)));
    }
}

/// `MIG 1g.10gb: by user bob - 2060MB used by PID 9 (python3)`, `MIG 1g.10gb: 12MB used`, `MIG 1g.10gb: not known`.
pub(super) fn slice_and_use(gpu: &GpuView, slice: &Slice) -> String {
    let on_it = |judged: &&Judged| judged.slice.as_ref() == Some(&slice.uuid);
    let users: Vec<&Judged> = gpu.occupancy.processes.iter().filter(on_it).collect();
    let told = match (users.as_slice(), slice.used, &slice.processes) {
        ([], Some(used), Some(_)) => format!("{used} used"),
        ([], None, Some(_)) => "no process that can be seen".to_owned(),
        ([], _, None) => "not known".to_owned(),
        (users, used, _) => {
            let names = people::owners(users.iter().copied());
            format!("{} - {}", people::by(&names), people::used_by(used, users))
        }
    };
    format!("{}: {told}", clip_within(Within::List, &slice.profile, PROFILE))
}

/// Processes beside the holder's that nobody is accused of.
fn bystanders(line: &mut Line, gpu: &GpuView) {
    if gpu.reservation.is_none() {
        return;
    }
    let mut tell = |what: &str, role: Role| {
        let list: Vec<String> = gpu.with_role(|r| *r == role).into_iter().map(people::process).collect();
        if !list.is_empty() {
            line.push(Tone::Warn, &format!(" [{what}: {}]", list.join(", ")));
        }
    };
    tell("outside the run", Role::HolderOutside);
    tell("unattributed", Role::Unattributed);
}

fn remarks(line: &mut Line, gpu: &GpuView) {
    if let Some(note) = gpu.note() {
        line.push(Tone::Dim, &format!(" [note: {}]", clip_within(Within::Brackets, note, FREE_TEXT)));
    }
    if let Some(model) = gpu.model() {
        line.push(Tone::Dim, &format!(" [model: {}]", clip_within(Within::Brackets, model, MODEL)));
    }
}

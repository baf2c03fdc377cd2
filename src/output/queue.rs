//! `chg queue`: who waits for what, since when, and for whom. Pure.

use std::num::NonZeroU32;

use serde::Serialize;

use crate::model::ids::{GpuIndex, Timestamp};
use crate::model::request::Demand;
use crate::model::share::Share;
use crate::model::verb::{Blocker, Standing, Why};
use crate::model::waiter::Waiter;

use super::blockers::{Ages, listed};
use super::clock::{brief, rfc3339};
use super::escape::clip;
use super::grid::{Column, Room, grid};
use super::line::{Line, Tone};
use super::{people, share};

const USER: usize = 32;
const NOTE: usize = 40;

/// The line at one moment, its head first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueView {
    pub(crate) now: Timestamp,
    pub(crate) waiting: Vec<(Waiter, Standing)>,
}

/// The line as a table, and its sum.
pub(crate) fn queue(view: &QueueView, room: Room) -> Vec<Line> {
    if view.waiting.is_empty() {
        return vec![Line::from("Nobody is waiting.")];
    }
    let mut lines = places(view, "POSITION", room);
    let gpus: usize = view.waiting.iter().map(|(waiter, _)| wanted(&waiter.demand)).sum();
    lines.push(Line::of(Tone::Dim, &format!("{} waiting for {gpus} GPU(s)", view.waiting.len())));
    lines
}

/// A heading, whose first column is called `first`, and a row for each who waits.
pub(super) fn places(view: &QueueView, first: &'static str, room: Room) -> Vec<Line> {
    let columns = [
        Column::Right(first),
        Column::Left("USER"),
        Column::Left("WANTS"),
        Column::Left("WAITED"),
        Column::Left("NOTE"),
        Column::Left("BLOCKED BY"),
    ];
    let is_narrow = matches!(room, Room::Cut(room) if room < 80);
    let rows = view.waiting.iter().map(|(waiter, standing)| {
        let mut row = row(waiter, standing, view.now);
        if is_narrow {
            row[4] = Line::new();
        }
        row
    });
    grid(&columns, rows.collect(), room)
}

fn row(waiter: &Waiter, standing: &Standing, now: Timestamp) -> Vec<Line> {
    let blocked = match &standing.share {
        Some(share) => share::theirs(share),
        None => listed(&standing.blocked_by, Ages::At(now)),
    };
    vec![
        Line::of(Tone::Strong, &standing.position.to_string()),
        Line::from(clip(&people::holder(&waiter.holder), USER)),
        Line::from(demand(waiter)),
        Line::from(brief(now.since(waiter.enqueued))),
        Line::from(clip(waiter.note.as_deref().unwrap_or(""), NOTE)),
        Line::of(Tone::Dim, &blocked),
    ]
}

/// `3 GPUs (run)`, `GPU 1, 3 (manual)`, `all that are free (run)`.
fn demand(waiter: &Waiter) -> String {
    let what = match &waiter.demand {
        Demand::Count(count) if count.get() == 1 => "1 GPU".to_owned(),
        Demand::Count(count) => format!("{count} GPUs"),
        Demand::Exactly(ids) => people::gpus(ids),
        Demand::AllFree => "all that are free".to_owned(),
    };
    let partly = if waiter.allocated.is_empty() {
        String::new()
    } else {
        format!(", has {}", people::gpus(&waiter.allocated))
    };
    format!("{what} ({}{partly})", waiter.kind.as_str())
}

/// The least number of GPUs that satisfies a demand.
fn wanted(demand: &Demand) -> usize {
    match demand {
        Demand::Count(count) => usize::try_from(count.get()).unwrap_or(usize::MAX),
        Demand::Exactly(ids) => ids.len(),
        Demand::AllFree => 1,
    }
}

/// The Go program's object, with position, `blocked_by` and `waited_seconds` more.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct QueueJson {
    entries: Vec<EntryJson>,
    total_waiting: usize,
    total_gpus_requested: usize,
    total_gpus_allocated: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct EntryJson {
    id: String,
    user: String,
    actual_user: String,
    requested_count: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    requested_ids: Vec<GpuIndex>,
    allocated_gpus: Vec<GpuIndex>,
    reservation_type: &'static str,
    /// Nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    enqueue_time: String,
    last_heartbeat: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_timeout: Option<String>,
    position: usize,
    blocked_by: Vec<BlockerJson>,
    /// Where what its person holds keeps it waiting.
    #[serde(skip_serializing_if = "Option::is_none")]
    over_share: Option<ShareJson>,
    waited_seconds: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct ShareJson {
    held: usize,
    limit: NonZeroU32,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct BlockerJson {
    gpu_id: GpuIndex,
    reason: &'static str,
    /// Whose it is, or whom it is kept for, where that is known.
    users: Vec<String>,
}

/// The line for `queue --json`.
pub(crate) fn queue_json(view: &QueueView) -> QueueJson {
    QueueJson {
        entries: view
            .waiting
            .iter()
            .map(|(waiter, standing)| EntryJson::new(waiter, standing, view.now))
            .collect(),
        total_waiting: view.waiting.len(),
        total_gpus_requested: view.waiting.iter().map(|(waiter, _)| wanted(&waiter.demand)).sum(),
        total_gpus_allocated: view.waiting.iter().map(|(waiter, _)| waiter.allocated.len()).sum(),
    }
}

impl EntryJson {
    fn new(waiter: &Waiter, standing: &Standing, now: Timestamp) -> Self {
        let holder = &waiter.holder;
        Self {
            id: waiter.id.to_string(),
            user: holder.label.as_ref().unwrap_or(&holder.account).clone(),
            actual_user: holder.account.clone(),
            requested_count: wanted(&waiter.demand),
            requested_ids: match &waiter.demand {
                Demand::Exactly(ids) => ids.clone(),
                Demand::Count(_) | Demand::AllFree => Vec::new(),
            },
            allocated_gpus: waiter.allocated.clone(),
            reservation_type: waiter.kind.as_str(),
            expiry_duration: waiter.lasts.and_then(|lasts| u64::try_from(lasts.as_nanos()).ok()),
            note: waiter.note.clone().filter(|note| !note.is_empty()),
            enqueue_time: rfc3339(waiter.enqueued),
            last_heartbeat: rfc3339(waiter.looked),
            wait_timeout: waiter.give_up.map(rfc3339),
            position: standing.position,
            blocked_by: standing.blocked_by.iter().map(BlockerJson::new).collect(),
            over_share: standing
                .share
                .as_ref()
                .map(|Share { held, limit, .. }| ShareJson { held: *held, limit: *limit }),
            waited_seconds: now.since(waiter.enqueued).as_secs(),
        }
    }
}

impl BlockerJson {
    fn new(blocker: &Blocker) -> Self {
        let (reason, users) = match &blocker.why {
            Why::Reserved { by, .. } => ("reserved", vec![people::exact_holder(by)]),
            Why::Used { by } => ("unreserved", by.iter().filter_map(|user| user.name.clone()).collect()),
            Why::Draining => ("draining", Vec::new()),
            Why::SetAside { for_holder } => ("set_aside", vec![people::exact_holder(for_holder)]),
            Why::Unknown(_) => ("unknown", Vec::new()),
            Why::Seat { by } => ("seat", by.iter().cloned().collect()),
            Why::Damaged => ("damaged", Vec::new()),
        };
        Self { gpu_id: blocker.gpu, reason, users }
    }
}

#[cfg(test)]
pub(super) mod tests;

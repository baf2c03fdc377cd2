//! What the screen shows: a row per GPU with bars, below it who waits, and the processes, most memory first, as many as
//! fit. Pure.

use std::cmp::Reverse;

use crate::model::ids::Timestamp;
use crate::model::occupancy::{Judged, Role};
use crate::sys::winsize::Size;

use super::super::clock::brief;
use super::super::escape::clip;
use super::super::grid::{Column, Room, grid};
use super::super::line::{Line, Tone};
use super::super::people;
use super::super::queue::{QueueView, places};
use super::super::status::{GpuView, StatusView, conditions, dotted, in_short, totals};
use super::bars::Strokes;
use super::gpus::rows;

const KEYS: &str = "q quits";
const GAP: &str = "  ";
/// What a section needs: a blank line, its heading, and one row.
const SECTION: usize = 3;
/// Columns of a process's user, on a narrow screen and on a wide one.
const USER: [usize; 2] = [12, 22];

/// Everything that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WatchView {
    /// The name of this machine.
    pub(crate) host: String,
    pub(crate) status: StatusView,
    pub(crate) queue: QueueView,
}

/// The lines of the screen, none wider and not more than fit in `size`; `trouble` takes the place of the totals.
pub(crate) fn frame(view: &WatchView, trouble: Option<&str>, size: Size, strokes: Strokes) -> Vec<Line> {
    let (columns, height) = (usize::from(size.columns), usize::from(size.rows));
    let mut lines = vec![title(view, trouble, columns), Line::new()];
    lines.extend(fit(rows(&view.status, size, strokes), height.saturating_sub(lines.len()), "GPUs"));
    if !view.queue.waiting.is_empty() {
        let places = places(&view.queue, "WAITING", Room::Cut(columns));
        // Half of what is left: who runs matters as much as who waits.
        let half = (height.saturating_sub(lines.len()) / 2).max(SECTION);
        add_section(&mut lines, places, half, height, "waiting");
    }
    add_section(&mut lines, processes(&view.status, columns), height, height, "processes");
    lines.truncate(height);
    lines.into_iter().map(|line| line.clipped(columns)).collect()
}

fn title(view: &WatchView, trouble: Option<&str>, columns: usize) -> Line {
    let waiting = match view.queue.waiting.len() {
        0 => String::new(),
        waiting => format!(", {waiting} waiting"),
    };
    let sum = |totals: Line| totals.with(Tone::Plain, &waiting);
    let sum = match trouble {
        Some(trouble) => Line::of(Tone::Bad, trouble),
        None => match sum(totals(&view.status)) {
            wide if wide.width() > columns => sum(conditions(&view.status)),
            fitting => fitting,
        },
    };
    let mut title = Line::of(Tone::Strong, &clip(&view.host, 32)).with(Tone::Plain, GAP);
    if title.width() + sum.width() <= columns {
        title.append(sum);
    } else {
        title = sum;
    }
    if title.width() + GAP.len() + KEYS.len() <= columns {
        title.pad_to(columns - KEYS.len());
        title.push(Tone::Dim, KEYS);
    }
    title
}

/// A blank line, the heading and as many rows as fit into `most` lines and the screen; or nothing.
fn add_section(lines: &mut Vec<Line>, section: Vec<Line>, most: usize, height: usize, what: &str) {
    let left = height.saturating_sub(lines.len());
    if section.len() > 1 && left >= SECTION {
        lines.push(Line::new());
        lines.extend(fit(section, most.min(left) - 1, what));
    }
}

/// A heading and all rows, or those that fit and how many do not.
fn fit(mut lines: Vec<Line>, room: usize, what: &str) -> Vec<Line> {
    if lines.len() > room {
        let shown = room.saturating_sub(1);
        let hidden = lines.len() - shown.max(1);
        lines.truncate(shown);
        if room > 1 {
            lines.push(Line::of(Tone::Dim, &format!("… {hidden} more {what}")));
        }
    }
    lines
}

/// A heading, and a row per process and GPU, most memory first.
fn processes(view: &StatusView, columns: usize) -> Vec<Line> {
    let mut all: Vec<(&GpuView, &Judged)> = view
        .gpus
        .iter()
        .flat_map(|gpu| gpu.occupancy.processes.iter().map(move |judged| (gpu, judged)))
        .collect();
    if all.is_empty() {
        return Vec::new();
    }
    all.sort_by_key(|(gpu, judged)| (Reverse(judged.memory), gpu.index, judged.process.pid));
    let is_wide = columns >= 80;
    let headings = [
        Column::Right("GPU"),
        Column::Right("PID"),
        Column::Left("USER"),
        Column::Right("MEMORY"),
        Column::Left("FOR"),
        Column::Left("COMMAND"),
    ];
    let rows = all.into_iter().map(|(gpu, judged)| {
        let mut row = process(gpu, judged, view.now, USER[usize::from(is_wide)]);
        if !is_wide {
            row[4] = Line::new();
        }
        row
    });
    grid(&headings, rows.collect(), Room::Cut(columns))
}

fn process(gpu: &GpuView, judged: &Judged, now: Timestamp, user: usize) -> Vec<Line> {
    let process = &judged.process;
    let command =
        if process.command.is_empty() { process.name.clone() } else { people::command(&process.command) };
    let origin = people::further_origin(process).map(|origin| (Tone::Plain, origin));
    let told = role(&judged.role).into_iter().chain(origin);
    vec![
        Line::of(Tone::Strong, &gpu.index.to_string()),
        Line::from(process.pid.to_string()),
        Line::from(clip(&people::owner(process).unwrap_or_else(|| "?".to_owned()), user)),
        Line::from(judged.memory.map_or("-".to_owned(), in_short)),
        Line::from(process.started.map_or(String::new(), |started| brief(now.since(started)))),
        dotted(told.chain([(Tone::Plain, command)])),
    ]
}

fn role(role: &Role) -> Option<(Tone, String)> {
    let (tone, word) = match role {
        Role::Holder => return None,
        Role::HolderOutside => (Tone::Warn, "outside the run"),
        Role::Intruder => (Tone::Bad, "intruder"),
        Role::Unattributed => (Tone::Warn, "unattributed"),
        Role::System => (Tone::Dim, "system"),
        Role::Unreserved => (Tone::Bad, "unreserved"),
        // Of what is told beside its GPU.
        Role::Orphan { .. } => (Tone::Bad, "orphan"),
    };
    Some((tone, word.to_owned()))
}

#[cfg(test)]
mod tests;

//! What the screen shows: a row per GPU with bars, below it the processes, most memory first, as many as fit. Pure.

use std::cmp::Reverse;

use crate::model::ids::Timestamp;
use crate::model::occupancy::{Judged, Role};
use crate::sys::winsize::Size;

use super::super::clock::brief;
use super::super::escape::{clip, width};
use super::super::line::{Line, Tone};
use super::super::people;
use super::super::status::{Condition, GpuView, StatusView, held_or_free_for, status_word, totals, user_of};
use super::bars::{bar, gigabytes, percent};

const KEYS: &str = "q quits";
/// `UNRESERVED`.
const STATUS: usize = 10;
const GAP: &str = "  ";

/// The lines of the screen, none wider and not more than fit in `size`; `trouble` takes the place of the totals.
pub(crate) fn frame(view: &StatusView, trouble: Option<&str>, size: Size) -> Vec<Line> {
    let (columns, rows) = (usize::from(size.columns), usize::from(size.rows));
    let layout = Layout::of(view, columns);
    let mut lines = vec![title(view, trouble, columns), Line::new(), layout.heading()];
    let gpus: Vec<Line> = view.gpus.iter().map(|gpu| layout.row(gpu, view.now)).collect();
    let room = rows.saturating_sub(lines.len());
    lines.extend(fit(gpus, room, "GPUs"));
    let processes = processes(view, columns);
    // A gap, the heading and one process, or nothing.
    if !processes.is_empty() && lines.len() + 3 <= rows {
        lines.extend([Line::new(), process_heading(columns)]);
        let room = rows - lines.len();
        lines.extend(fit(processes, room, "processes"));
    }
    lines.truncate(rows);
    lines.into_iter().map(|line| line.clipped(columns)).collect()
}

fn title(view: &StatusView, trouble: Option<&str>, columns: usize) -> Line {
    let mut title = trouble.map_or_else(|| totals(view), |trouble| Line::of(Tone::Bad, trouble));
    if title.width() + GAP.len() + KEYS.len() <= columns {
        title.pad_to(columns - KEYS.len());
        title.push(Tone::Dim, KEYS);
    }
    title
}

/// All lines, or those that fit and how many do not.
fn fit(mut lines: Vec<Line>, room: usize, what: &str) -> Vec<Line> {
    if lines.len() > room {
        let hidden = lines.len() - room.saturating_sub(1);
        lines.truncate(room.saturating_sub(1));
        if room > 0 {
            lines.push(Line::of(Tone::Dim, &format!("… {hidden} more {what}")));
        }
    }
    lines
}

/// How the columns of the GPUs share the width.
struct Layout {
    user: usize,
    /// Within the brackets.
    bar: usize,
    /// Whether memory is told in gigabytes; else in percent.
    gigabytes: bool,
    duration: bool,
}

impl Layout {
    fn of(view: &StatusView, columns: usize) -> Self {
        let most = if columns >= 100 { 24 } else { 12 };
        let names = view.gpus.iter().map(|gpu| width(&user_of(gpu, &Condition::of(gpu))));
        let user = names.max().unwrap_or(0).clamp("USER".len(), most);
        let (gigabytes, duration) = (columns >= 90, columns >= 72);
        let memory_text = if gigabytes { 12 } else { 5 };
        let duration_text = if duration { 9 } else { 0 };
        let texts = 3 + 2 + STATUS + 2 + user + 2 + memory_text + 2 + 5 + duration_text;
        let brackets = 4;
        let bar = (columns.saturating_sub(texts + brackets) / 2).clamp(4, 24);
        Self { user, bar, gigabytes, duration }
    }

    fn heading(&self) -> Line {
        let memory = self.bar + 2 + if self.gigabytes { 12 } else { 5 };
        let mut text = format!("GPU  {:<STATUS$}  {:<user$}  ", "STATUS", "USER", user = self.user);
        text += &format!("{:<memory$}  {:<load$}", "MEMORY", "LOAD", load = self.bar + 2 + 5);
        if self.duration {
            text += "  FOR";
        }
        Line::of(Tone::Strong, text.trim_end())
    }

    fn row(&self, gpu: &GpuView, now: Timestamp) -> Line {
        let condition = Condition::of(gpu);
        let (word, tone) = status_word(gpu, &condition);
        let mut line = Line::of(Tone::Strong, &format!("{:>3}", gpu.index)).with(Tone::Plain, GAP);
        line.append(padded(Line::of(tone, word), STATUS));
        line.append(padded(Line::from(clip(&user_of(gpu, &condition), self.user)), self.user));
        line.append(self.memory(gpu));
        line.push(Tone::Plain, GAP);
        line.append(self.load(gpu));
        if let (true, Some(span)) = (self.duration, held_or_free_for(gpu, now)) {
            line.push(Tone::Plain, &format!("{GAP}{}", brief(span)));
        }
        line
    }

    fn memory(&self, gpu: &GpuView) -> Line {
        let measured = gpu.measured.as_ref();
        let share = measured.map(|measured| percent(measured.used.0, measured.total.0));
        let text = match measured {
            Some(measured) if self.gigabytes => gigabytes(measured.used, measured.total),
            _ => in_percent(share),
        };
        let wide = if self.gigabytes { 12 } else { 5 };
        bar(share, self.bar).with(Tone::Plain, &format!("{text:>wide$}"))
    }

    fn load(&self, gpu: &GpuView) -> Line {
        let load = gpu.measured.as_ref().and_then(|measured| measured.utilization).map(u64::from);
        bar(load, self.bar).with(Tone::Plain, &format!("{:>5}", in_percent(load)))
    }
}

fn in_percent(share: Option<u64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{share}%"))
}

fn padded(mut line: Line, columns: usize) -> Line {
    line.pad_to(columns);
    line.with(Tone::Plain, GAP)
}

/// Columns for a process's user.
const fn user_columns(columns: usize) -> usize {
    if columns >= 100 { 20 } else { 12 }
}

fn process_heading(columns: usize) -> Line {
    let user = user_columns(columns);
    Line::of(Tone::Strong, &format!("GPU      PID  {:<user$}  {:>9}  COMMAND", "USER", "MEMORY"))
}

/// A row per process and GPU, most memory first.
fn processes(view: &StatusView, columns: usize) -> Vec<Line> {
    let mut all: Vec<(&GpuView, &Judged)> = view
        .gpus
        .iter()
        .flat_map(|gpu| gpu.occupancy.processes.iter().map(move |judged| (gpu, judged)))
        .collect();
    all.sort_by_key(|(gpu, judged)| (Reverse(judged.memory), gpu.index, judged.process.pid));
    all.into_iter().map(|(gpu, judged)| process_row(gpu, judged, columns)).collect()
}

fn process_row(gpu: &GpuView, judged: &Judged, columns: usize) -> Line {
    let process = &judged.process;
    let user = user_columns(columns);
    let memory = judged.memory.map_or("-".to_owned(), |memory| memory.to_string());
    let command = if process.command.is_empty() { process.name.clone() } else { process.command.join(" ") };
    let owner = people::owner(process).unwrap_or_else(|| "?".to_owned());
    let mut line = Line::from(format!("{:>3}  {:>7}  ", gpu.index, process.pid));
    line.append(padded(Line::from(clip(&owner, user)), user));
    line.push(Tone::Plain, &format!("{memory:>9}  "));
    let (word, tone) = role(&judged.role);
    if !word.is_empty() {
        line.push(tone, &format!("{word}: "));
    }
    line.with(Tone::Plain, &clip(&command, columns))
}

const fn role(role: &Role) -> (&'static str, Tone) {
    match role {
        Role::Holder => ("", Tone::Plain),
        Role::HolderOutside => ("outside the run", Tone::Warn),
        Role::Intruder => ("intruder", Tone::Bad),
        Role::Unattributed => ("unattributed", Tone::Warn),
        Role::System => ("system", Tone::Dim),
        Role::Unreserved => ("unreserved", Tone::Bad),
        Role::Orphan { .. } => ("orphan", Tone::Bad),
    }
}

#[cfg(test)]
mod tests;

//! The rows of GPUs on the watched screen, in as much detail as its size allows. Pure.

use crate::model::ids::Timestamp;
use crate::sys::winsize::Size;

use super::super::clock::brief;
use super::super::escape::{clip, width};
use super::super::grid::{Column, Room, grid};
use super::super::line::{Line, Tone};
use super::super::status::{
    Condition, GpuView, StatusView, gigabytes, held_or_free_for, remarks, status_word, user_of,
};
use super::bars::{Strokes, bar, percent};

/// From here on memory is told in gigabytes, and there is room for details beside a row.
const WIDE: usize = 100;
/// Below this only memory has a bar.
const NARROW: usize = 72;
/// What stands before the bars: GPU, status, user and time, without the width of the user.
const BEFORE: usize = 3 + 2 + 10 + 2 + 2 + 7 + 2;
/// `100%`.
const PERCENT: usize = 4;
/// What details want beside a row.
const DETAILS: usize = 28;
const LONGEST_BAR: usize = 16;
const SHORTEST_BAR: usize = 4;

/// A heading and a row per GPU, with what there is to say of it beside or below it. Where the screen is too low for
/// that, the rows alone.
pub(super) fn rows(view: &StatusView, size: Size, strokes: Strokes) -> Vec<Line> {
    let (columns, height) = (usize::from(size.columns), usize::from(size.rows));
    let layout = Layout::of(view, columns, strokes);
    let told = |tell: &dyn Fn(&GpuView) -> Line| {
        let rows = view.gpus.iter().map(|gpu| layout.row(gpu, view.now, tell(gpu))).collect();
        grid(&layout.headings(), rows, Room::CutOrBelow(columns))
    };
    let whole = told(&|gpu| remarks(gpu, view.now, layout.user));
    // The title and the blank line stand above.
    if whole.len() + 2 <= height { whole } else { told(&|_| Line::new()) }
}

/// How the columns share the width.
struct Layout {
    user: usize,
    memory_bar: usize,
    memory_text: usize,
    /// None on a narrow screen.
    load_bar: usize,
    is_wide: bool,
    strokes: Strokes,
}

impl Layout {
    fn of(view: &StatusView, columns: usize, strokes: Strokes) -> Self {
        let is_wide = columns >= WIDE;
        let most = if is_wide { 24 } else { 12 };
        let names = view.gpus.iter().map(|gpu| width(&user_of(gpu, &Condition::of(gpu))));
        let user = names.max().unwrap_or(0).clamp("USER".len(), most);
        let gigabytes = view.gpus.iter().filter_map(|gpu| gpu.measured.as_ref()).map(|seen| {
            // At its widest, so that nothing moves when more is used.
            gigabytes(seen.total, seen.total).len()
        });
        let memory_text = if is_wide { gigabytes.max().unwrap_or(0) } else { PERCENT };
        let details = if is_wide { DETAILS + 2 } else { 0 };
        let texts = BEFORE + user + memory_text + 1 + 2 + PERCENT + 1 + details;
        let left = columns.saturating_sub(texts);
        let (memory_bar, load_bar) = if columns < NARROW { (left, 0) } else { (left / 2, left / 2) };
        let bar = |columns: usize| columns.clamp(SHORTEST_BAR, LONGEST_BAR);
        Self {
            user,
            memory_bar: bar(memory_bar),
            memory_text,
            load_bar: if load_bar > 0 { bar(load_bar) } else { 0 },
            is_wide,
            strokes,
        }
    }

    fn headings(&self) -> [Column; 7] {
        let load = if self.load_bar > 0 { Column::Left("LOAD") } else { Column::Right("LOAD") };
        [
            Column::Right("GPU"),
            Column::Left("STATUS"),
            Column::Left("USER"),
            // As wide as it ever gets, so that nothing moves when a minute has passed.
            Column::Left("FOR    "),
            Column::Left("MEMORY"),
            load,
            Column::Left("DETAILS"),
        ]
    }

    fn row(&self, gpu: &GpuView, now: Timestamp, details: Line) -> Vec<Line> {
        let condition = Condition::of(gpu);
        let (word, tone) = status_word(gpu, &condition);
        vec![
            Line::of(Tone::Strong, &gpu.index.to_string()),
            Line::of(tone, word),
            Line::from(clip(&user_of(gpu, &condition), self.user)),
            Line::from(held_or_free_for(gpu, now).map_or(String::new(), brief)),
            self.memory(gpu),
            self.load(gpu),
            details,
        ]
    }

    fn memory(&self, gpu: &GpuView) -> Line {
        let Some(measured) = &gpu.measured else { return Line::new() };
        let share = percent(measured.used.0, measured.total.0);
        let text = if self.is_wide { gigabytes(measured.used, measured.total) } else { format!("{share}%") };
        let columns = self.memory_text;
        bar(Some(share), self.memory_bar, Tone::Busy, self.strokes)
            .with(Tone::Plain, &format!(" {text:>columns$}"))
    }

    fn load(&self, gpu: &GpuView) -> Line {
        let Some(measured) = &gpu.measured else { return Line::new() };
        let load = measured.utilization.map(u64::from);
        let text = load.map_or("-".to_owned(), |load| format!("{load}%"));
        if self.load_bar == 0 {
            return Line::from(text);
        }
        bar(load, self.load_bar, Tone::Good, self.strokes).with(Tone::Plain, &format!(" {text:>PERCENT$}"))
    }
}

//! `chg report`: GPU hours by account. Pure.

use serde::{Serialize, Serializer};

use crate::model::ids::Timestamp;

use super::clock::rfc3339;
use super::escape::clip;
use super::grid::{Column, Room, grid};
use super::line::{Line, Tone};

const COLUMNS: [Column; 5] = [
    Column::Left("USER"),
    Column::Right("GPU HOURS"),
    Column::Right("SHARE"),
    Column::Right("RUN"),
    Column::Right("MANUAL"),
];
/// Columns of a name: with all the room there is, and with the least.
const NAME: usize = 40;
const LEAST: usize = 8;
/// What the numbers take, unless they are huge.
const NUMBERS: usize = 2 + 9 + 2 + 6 + 2 + 5 + 2 + 6;

/// A report, in the order in which it is shown; the JSON is this.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ReportView {
    pub(crate) users: Vec<ReportUser>,
    pub(crate) total_gpu_hours: f64,
    pub(crate) total_reservations: u64,
    pub(crate) unique_users: u64,
    #[serde(rename = "start_date", serialize_with = "as_date")]
    pub(crate) start: Timestamp,
    #[serde(rename = "end_date", serialize_with = "as_date")]
    pub(crate) end: Timestamp,
    pub(crate) days: u64,
}

/// One account's share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ReportUser {
    pub(crate) name: String,
    pub(crate) gpu_hours: f64,
    /// Of all hours in the report.
    pub(crate) percentage: f64,
    pub(crate) run_count: u64,
    pub(crate) manual_count: u64,
}

fn as_date<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&date(*moment))
}

/// The day in UTC.
fn date(moment: Timestamp) -> String {
    let mut text = rfc3339(moment);
    text.truncate(10);
    text
}

/// The report as text, names cut so that the numbers have room.
pub(crate) fn report(view: &ReportView, room: Room) -> Vec<Line> {
    let days = counted(view.days, "day");
    let period = format!("{} to {} ({days})", date(view.start), date(view.end));
    let title = Line::of(Tone::Strong, "GPU hours").with(Tone::Plain, &format!(", {period}"));
    if view.users.is_empty() {
        return vec![title, Line::from("No reservations in that time.")];
    }
    let name = match room {
        Room::Endless => NAME,
        Room::Cut(columns) | Room::CutOrBelow(columns) => columns.saturating_sub(NUMBERS).clamp(LEAST, NAME),
    };
    let rows = view.users.iter().map(|user| {
        let share = format!("{:.1}%", user.percentage);
        row(Tone::Plain, &clip(&user.name, name), user.gpu_hours, &share, [user.run_count, user.manual_count])
    });
    let sum = |count: fn(&ReportUser) -> u64| view.users.iter().map(count).sum::<u64>();
    let counts = [sum(|user| user.run_count), sum(|user| user.manual_count)];
    let total = row(Tone::Strong, "TOTAL", view.total_gpu_hours, "100.0%", counts);
    let mut lines = vec![title, Line::new()];
    lines.extend(grid(&COLUMNS, rows.chain([total]).collect(), room));
    let closing = format!(
        "{} by {}",
        counted(view.total_reservations, "reservation"),
        counted(view.unique_users, "user")
    );
    lines.extend([Line::new(), Line::of(Tone::Dim, &closing)]);
    lines
}

fn row(tone: Tone, name: &str, hours: f64, share: &str, counts: [u64; 2]) -> Vec<Line> {
    let [runs, manual] = counts.map(|count| count.to_string());
    [name, &format!("{hours:.2}"), share, &runs, &manual].map(|text| Line::of(tone, text)).into()
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests;

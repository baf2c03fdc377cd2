//! `chg report`: GPU hours by account. Pure.

use serde::{Serialize, Serializer};

use crate::model::ids::Timestamp;

use super::clock::rfc3339;
use super::escape::{clip, width};
use super::line::{Line, Tone};

const NAME: usize = 40;

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

/// The report as text.
pub(crate) fn report(view: &ReportView) -> Vec<Line> {
    let period = format!("{} to {} ({} days)", date(view.start), date(view.end), view.days);
    let title = Line::of(Tone::Strong, "GPU hours").with(Tone::Plain, &format!(", {period}"));
    if view.users.is_empty() {
        return vec![title, Line::from("No reservations in that time.")];
    }
    let names: Vec<String> = view.users.iter().map(|user| clip(&user.name, NAME)).collect();
    let wide = names.iter().map(|name| width(name)).chain([5]).max().unwrap_or(5);
    let heading = row("USER", wide, ["GPU HOURS", "SHARE", "RUN", "MANUAL"].map(str::to_owned));
    let users = view.users.iter().zip(&names).map(|(user, name)| {
        let share = format!("{:.1}%", user.percentage);
        row(
            name,
            wide,
            [hours(user.gpu_hours), share, user.run_count.to_string(), user.manual_count.to_string()],
        )
    });
    let sum = |count: fn(&ReportUser) -> u64| view.users.iter().map(count).sum::<u64>().to_string();
    let counts = [sum(|user| user.run_count), sum(|user| user.manual_count)];
    let [runs, manual] = counts;
    let total = row("TOTAL", wide, [hours(view.total_gpu_hours), "100.0%".to_owned(), runs, manual]);
    let closing = format!("{} reservations by {} users", view.total_reservations, view.unique_users);
    let heading = Line::of(Tone::Strong, &heading);
    let mut lines = vec![title, Line::new(), heading];
    lines.extend(users.map(Line::from));
    lines.extend([Line::of(Tone::Strong, &total), Line::new(), Line::from(closing)]);
    lines
}

fn hours(hours: f64) -> String {
    format!("{hours:.2}")
}

/// The name to the left, the numbers to the right.
fn row(name: &str, wide: usize, numbers: [String; 4]) -> String {
    let blanks = " ".repeat(wide.saturating_sub(width(name)));
    let [hours, share, runs, manual] = numbers;
    format!("{name}{blanks}  {hours:>10}  {share:>6}  {runs:>5}  {manual:>6}")
}

#[cfg(test)]
mod tests;

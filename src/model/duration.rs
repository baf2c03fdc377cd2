//! Spans of time as people type and read them. Pure.

use std::fmt;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// A year as humantime has it: 365.25 days.
const LONGEST: Duration = Duration::from_secs(31_557_600);
/// More digits than this cannot stand in a span of at most a year.
const MOST_DIGITS: usize = 12;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a duration: {why}; write it like 30s, 30m, 2h, 1d, 0.5h, 3.5d or '1h 30m'")]
pub(crate) struct BadDuration {
    text: String,
    why: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("it is empty")]
    Empty,
    #[error("it has a sign")]
    Signed,
    #[error("a number is missing before '{0}'")]
    NoNumber(String),
    #[error("'{0}' is not a number")]
    BadNumber(String),
    #[error("'{0}' lacks its unit")]
    NoUnit(String),
    #[error("'{0}' is not a unit of time")]
    BadUnit(String),
    #[error("'{0}' would be months, and minutes are 'm'")]
    Months(String),
    #[error("it is zero")]
    Zero,
    #[error("it is more than a year")]
    TooLong,
}

/// Reads `30s`, `2h`, `0.5h`, `1h30m`, `1h 30m` and the like: numbers with a unit each, more than zero, at most a year.
///
/// # Errors
/// Says which part of the text is wrong, and how durations are written.
pub(crate) fn parse(text: &str) -> Result<Duration, BadDuration> {
    total(text).map_err(|why| BadDuration { text: text.to_owned(), why })
}

fn total(text: &str) -> Result<Duration, Fault> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(Fault::Empty);
    }
    if rest.starts_with(['-', '+', '\u{2212}']) {
        return Err(Fault::Signed);
    }
    let mut nanos = 0_u128;
    while !rest.is_empty() {
        let (number, after) = split_while(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = split_while(after.trim_start(), |c| !c.is_ascii_digit() && !c.is_whitespace());
        nanos = nanos.saturating_add(part(number, unit)?);
        rest = after.trim_start();
    }
    let whole = u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos);
    match whole {
        Duration::ZERO => Err(Fault::Zero),
        whole if whole > LONGEST => Err(Fault::TooLong),
        whole => Ok(whole),
    }
}

fn split_while(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// Nanoseconds in one number with its unit.
fn part(number: &str, unit: &str) -> Result<u128, Fault> {
    if number.is_empty() {
        return Err(Fault::NoNumber(unit.to_owned()));
    }
    if unit.is_empty() {
        return Err(Fault::NoUnit(number.to_owned()));
    }
    let unit = unit_nanos(unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole = digits(whole).ok_or_else(|| unreadable(whole, number))?;
    let parts = digits(fraction).ok_or_else(|| Fault::BadNumber(number.to_owned()))?;
    let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(u32::MAX));
    Ok(whole * unit + parts * unit / scale)
}

fn unreadable(whole: &str, number: &str) -> Fault {
    if whole.len() > MOST_DIGITS { Fault::TooLong } else { Fault::BadNumber(number.to_owned()) }
}

fn digits(text: &str) -> Option<u128> {
    let readable = (1..=MOST_DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if readable { text.parse().ok() } else { None }
}

fn unit_nanos(unit: &str) -> Result<u128, Fault> {
    if unit == "M" || unit.starts_with("month") {
        return Err(Fault::Months(unit.to_owned()));
    }
    // A unit has letters only: whatever else stands there would be read as a number with it.
    let one = unit.chars().all(char::is_alphabetic).then(|| humantime::parse_duration(&format!("1{unit}")));
    match one {
        Some(Ok(one)) => Ok(one.as_nanos()),
        _ => Err(Fault::BadUnit(unit.to_owned())),
    }
}

/// A span in full, as `chg status` prints it: `0h 30m 15s`. Hours are not folded into days: scripts parse this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InFull(pub(crate) Duration);

impl fmt::Display for InFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        write!(f, "{}h {}m {}s", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

/// A span in its two largest units, for sentences: `12s`, `4m 10s`, `3h 2m`, `2h`, `2d 5h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InShort(pub(crate) Duration);

impl fmt::Display for InShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let units = [
            (seconds / 86_400, "d"),
            (seconds / 3600 % 24, "h"),
            (seconds / 60 % 60, "m"),
            (seconds % 60, "s"),
        ];
        let Some(largest) = units.iter().position(|(count, _)| *count > 0) else {
            return f.write_str("0s");
        };
        let shown = units[largest..].iter().take(2).filter(|(count, _)| *count > 0);
        let shown: Vec<_> = shown.map(|(count, unit)| format!("{count}{unit}")).collect();
        f.write_str(&shown.join(" "))
    }
}

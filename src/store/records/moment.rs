//! Times in records: whole seconds or RFC 3339 with any offset when read, either form when written.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::model::ids::Timestamp;

const NANOS: i64 = 1_000_000_000;
const SECONDS_A_DAY: i64 = 86_400;

/// A time as read from a record, in either form; the zero time of Go's library is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(pub(super) Option<Timestamp>);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MomentVisitor)
    }
}

struct MomentVisitor;

impl Visitor<'_> for MomentVisitor {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time: seconds since 1970, or RFC 3339")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Moment, E> {
        Ok(Moment(None))
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Moment, E> {
        Ok(Moment(Some(Timestamp::from_seconds(seconds))))
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Moment, E> {
        self.visit_i64(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Moment, E> {
        from_float(seconds).map(|at| Moment(Some(at))).ok_or_else(|| E::custom("not a time"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
        if text.is_empty() || text.starts_with("0001-01-01T00:00:00") {
            return Ok(Moment(None));
        }
        let parsed = parse(text)
            .or_else(|| text.parse().ok().map(Timestamp::from_seconds))
            .or_else(|| text.parse().ok().and_then(from_float));
        parsed
            .map(|at| Moment(Some(at)))
            .ok_or_else(|| E::custom(format!("'{}' is not a time", text.escape_debug())))
    }
}

/// Seconds with a fraction; saturates at the ends of time.
fn from_float(seconds: f64) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, which is what is wanted")]
    seconds.is_finite().then_some(Timestamp((seconds * 1e9) as i64))
}

/// A time that is written as RFC 3339 in UTC, to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rfc3339(pub(super) Timestamp);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.seconds();
        let (year, month, day) = civil(seconds.div_euclid(SECONDS_A_DAY));
        let of_day = seconds.rem_euclid(SECONDS_A_DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match fraction(self.0) {
            0 => f.write_str("Z"),
            nanos => write!(f, ".{nanos:09}Z"),
        }
    }
}

/// The nanoseconds beyond the whole second.
pub(super) fn fraction(at: Timestamp) -> u32 {
    u32::try_from(at.0.rem_euclid(NANOS)).unwrap_or(0)
}

/// Reads `2026-11-23T14:51:04.194367062Z`, `2025-06-30T09:00:00-08:00` and the like.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let punctuation = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if !text.is_ascii() || bytes.len() < 20 || punctuation.iter().any(|&(at, mark)| bytes[at] != mark) {
        return None;
    }
    if !matches!(bytes[10], b'T' | b't' | b' ') {
        return None;
    }
    let (year, month, day) = (digits(&bytes[..4])?, digits(&bytes[5..7])?, digits(&bytes[8..10])?);
    let (hour, minute, second) = (digits(&bytes[11..13])?, digits(&bytes[14..16])?, digits(&bytes[17..19])?);
    // 60 is a leap second.
    let in_range =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !in_range {
        return None;
    }
    let (nanos, rest) = fraction_of(&bytes[19..])?;
    let offset = offset_of(rest)?;
    let seconds = days(year, month, day) * SECONDS_A_DAY + hour * 3600 + minute * 60 + second - offset;
    Some(Timestamp(seconds.checked_mul(NANOS)?.checked_add(nanos)?))
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// The nanoseconds of `.123…` and what follows; digits beyond the ninth are dropped.
fn fraction_of(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some(tail) = bytes.strip_prefix(b".") else { return Some((0, bytes)) };
    let length = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let nanos = (0..9).fold(0, |sum, at| {
        sum * 10 + tail.get(at).filter(|_| at < length).map_or(0, |byte| i64::from(byte - b'0'))
    });
    (length > 0).then_some((nanos, &tail[length..]))
}

/// Seconds east of UTC.
fn offset_of(bytes: &[u8]) -> Option<i64> {
    match bytes {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), hours @ .., b':', m1, m2] if hours.len() == 2 => {
            let (hours, minutes) = (digits(hours)?, digits(&[*m1, *m2])?);
            let east = hours * 3600 + minutes * 60;
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -east } else { east })
        }
        _ => None,
    }
}

/// Days since 1970 of a date of the Gregorian calendar, counting years from March so that a leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since 1970: the inverse of [`days`].
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_forms_and_any_offset_are_read() {
        let read = |json: &str| serde_json::from_str::<Moment>(json).unwrap().0;
        assert_eq!(read("1795445462"), Some(Timestamp::from_seconds(1_795_445_462)));
        assert_eq!(read("1795445462.5"), Some(Timestamp(1_795_445_462_500_000_000)));
        assert_eq!(read("\"1795445462\""), Some(Timestamp::from_seconds(1_795_445_462)));
        let at = Some(Timestamp(1_795_445_464_194_367_062));
        assert_eq!(read("\"2026-11-23T14:51:04.194367062Z\""), at);
        assert_eq!(read("\"2026-11-23T06:51:04.194367062-08:00\""), at);
        assert_eq!(read("\"2026-11-23T20:21:04.194367062+05:30\""), at);
        assert_eq!(read("\"1970-01-01T00:00:00Z\""), Some(Timestamp(0)));
        assert_eq!(read("null"), None);
        assert_eq!(read("\"0001-01-01T00:00:00Z\""), None, "Go's zero time");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "\"soon\"",
            "\"2026-13-01T00:00:00Z\"",
            "\"2026-11-23T14:51:04\"",
            "[]",
            "true",
            "\"2026-11-23T14:51:04.Z\"",
        ] {
            assert!(serde_json::from_str::<Moment>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_survives_being_written_and_read(nanos in any::<i64>()) {
            let text = Rfc3339(Timestamp(nanos)).to_string();
            prop_assert_eq!(parse(&text), Some(Timestamp(nanos)), "{}", text);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,40}|[0-9TZ:+.-]{0,40}") {
            let _ = parse(&text);
        }
    }
}

//! Spans and moments of time as the output writes them. Pure.

use std::time::{Duration, UNIX_EPOCH};

use crate::model::duration::{InFull, InShort};
use crate::model::ids::Timestamp;

/// The form that scripts parse: `0h 30m 15s`, hours beyond a day included (`47h 59m 53s`).
pub(crate) fn full(span: Duration) -> String {
    InFull(span).to_string()
}

/// The form for reading: the two largest units, `4m 10s`, `3h 2m`, `2d 4h`.
pub(crate) fn brief(span: Duration) -> String {
    InShort(span).to_string()
}

/// RFC 3339 in UTC with as many decimals as are needed, as Go writes a time in JSON. Moments before 1970 become 1970.
pub(crate) fn rfc3339(moment: Timestamp) -> String {
    let nanos = u64::try_from(moment.0).unwrap_or(0);
    let text = humantime::format_rfc3339(UNIX_EPOCH + Duration::from_nanos(nanos)).to_string();
    match text.strip_suffix('Z') {
        Some(digits) if digits.contains('.') => format!("{}Z", digits.trim_end_matches('0')),
        _ => text,
    }
}

/// `expiry` as a distance from `now`: `in 3h 15m 45s`, or `expired`.
pub(crate) fn until(expiry: Timestamp, now: Timestamp) -> String {
    if expiry < now { "expired".to_owned() } else { format!("in {}", full(expiry.since(now))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_in_both_forms() {
        let both = |seconds| {
            let span = Duration::from_secs(seconds);
            (full(span), brief(span))
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(both(0), pair("0h 0m 0s", "0s"));
        assert_eq!(both(250), pair("0h 4m 10s", "4m 10s"));
        assert_eq!(both(1815), pair("0h 30m 15s", "30m 15s"));
        assert_eq!(both(10_925), pair("3h 2m 5s", "3h 2m"));
        assert_eq!(both(7200), pair("2h 0m 0s", "2h"));
        assert_eq!(both(172_793), pair("47h 59m 53s", "1d 23h"));
    }

    #[test]
    fn moments_are_written_as_go_does() {
        assert_eq!(rfc3339(Timestamp::from_seconds(1_795_618_262)), "2026-11-25T14:51:02Z");
        assert_eq!(rfc3339(Timestamp(1_795_445_464_194_367_062)), "2026-11-23T14:51:04.194367062Z");
        assert_eq!(rfc3339(Timestamp(1_795_445_464_190_000_000)), "2026-11-23T14:51:04.19Z");
        assert_eq!(rfc3339(Timestamp(-5)), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(Timestamp(i64::MAX)), "2262-04-11T23:47:16.854775807Z");
    }

    #[test]
    fn what_has_expired_is_not_counted_down() {
        let now = Timestamp::from_seconds(100);
        assert_eq!(until(Timestamp::from_seconds(160), now), "in 0h 1m 0s");
        assert_eq!(until(Timestamp::from_seconds(99), now), "expired");
    }
}

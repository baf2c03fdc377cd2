//! Spans as people write and read them.

use super::*;
use proptest::prelude::*;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn why(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

#[test]
fn every_form_that_the_manual_names_is_read() {
    let forms = [
        ("30s", 30),
        ("30m", 1800),
        ("2h", 7200),
        ("1d", 86_400),
        ("0.5h", 1800),
        ("3.5d", 302_400),
        ("1h 30m", 5400),
        ("1h30m", 5400),
        ("1.5m", 90),
        (" 2 hours ", 7200),
        ("1w", 604_800),
        ("1d 2h 3m 4s", 93_784),
        ("1y", 31_557_600),
    ];
    for (text, expected) in forms {
        assert_eq!(parse(text), Ok(seconds(expected)), "{text}");
    }
    assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(parse("0.333h"), Ok(Duration::from_millis(1_198_800)), "a fraction that is no whole second");
}

#[test]
fn what_went_wrong_before_is_refused_with_its_reason() {
    assert!(why("-5h").contains("it has a sign"));
    assert!(why("+5h").contains("it has a sign"));
    assert!(why("0s").contains("it is zero"));
    assert!(why("0.0h").contains("it is zero"));
    assert!(why("30").contains("'30' lacks its unit"));
    assert!(why("1h 30").contains("'30' lacks its unit"));
    assert!(why("h").contains("a number is missing before 'h'"));
    assert!(why("").contains("it is empty"));
    assert!(why("  ").contains("it is empty"));
    assert!(why("2M").contains("'M' would be months, and minutes are 'm'"));
    assert!(why("2 months").contains("months"));
    assert!(why("367d").contains("more than a year"));
    assert!(why("1y 1s").contains("more than a year"));
    assert!(why("9999999999999999999999d").contains("more than a year"));
    assert!(why("999999999999y").contains("more than a year"));
    assert!(why("2 fortnights").contains("'fortnights' is not a unit of time"));
    assert!(why("1h-30m").contains("'h-' is not a unit"));
    assert!(why("1..5h").contains("'1..5' is not a number"));
    assert!(why("1.h").contains("'1.' is not a number"));
    assert!(why(".5h").contains("'.5' is not a number"));
    assert!(why("soon").contains("write it like 30s, 30m, 2h, 1d, 0.5h, 3.5d or '1h 30m'"));
}

#[test]
fn the_forms_for_reading_are_exact() {
    assert_eq!(InFull(seconds(1815)).to_string(), "0h 30m 15s");
    assert_eq!(InFull(seconds(172_793)).to_string(), "47h 59m 53s");
    assert_eq!(InFull(Duration::from_millis(999)).to_string(), "0h 0m 0s");
    assert_eq!(InShort(seconds(12)).to_string(), "12s");
    assert_eq!(InShort(seconds(250)).to_string(), "4m 10s");
    assert_eq!(InShort(seconds(10_920)).to_string(), "3h 2m");
    assert_eq!(InShort(seconds(190_800)).to_string(), "2d 5h");
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_fall_over(text in "\\PC{0,40}") {
        if let Ok(duration) = parse(&text) {
            prop_assert!(duration > Duration::ZERO && duration <= LONGEST);
        }
    }

    #[test]
    fn digits_and_units_in_any_order_stay_within_a_year(text in "[0-9.hmsdwyM ]{0,40}") {
        if let Ok(duration) = parse(&text) {
            prop_assert!(duration > Duration::ZERO && duration <= LONGEST);
        }
    }

    #[test]
    fn what_is_printed_in_full_is_read_back(total in 1_u64..31_557_600) {
        prop_assert_eq!(parse(&InFull(seconds(total)).to_string()), Ok(seconds(total)));
    }
}

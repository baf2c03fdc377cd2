//! Bars of memory and utilisation, in characters that every terminal has. Pure.

use crate::model::ids::Megabytes;

use super::super::line::{Line, Tone};

/// Where a bar turns from calm to warning, in percent.
const HIGH: u64 = 90;

/// Percent of a whole; more than all is all.
pub(super) fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 { 0 } else { (u128::from(part) * 100 / u128::from(whole)).min(100) as u64 }
}

/// `[|||||     ]`; empty where nothing is known. A part that is not zero shows at least one stroke.
pub(super) fn bar(percent: Option<u64>, inner: usize) -> Line {
    let share = percent.unwrap_or(0).min(100);
    let strokes = (inner * share as usize).div_ceil(100);
    let tone = if share >= HIGH { Tone::Warn } else { Tone::Good };
    Line::of(Tone::Dim, "[")
        .with(tone, &"|".repeat(strokes))
        .with(Tone::Plain, &" ".repeat(inner.saturating_sub(strokes)))
        .with(Tone::Dim, "]")
}

/// `45.1/79.6G`.
pub(super) fn gigabytes(used: Megabytes, total: Megabytes) -> String {
    let tenths = |memory: Megabytes| {
        let tenths = (memory.0.saturating_mul(10) + 512) / 1024;
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    format!("{}/{}G", tenths(used), tenths(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        assert_eq!(bar(Some(0), 10).plain(), "[          ]");
        assert_eq!(bar(Some(1), 10).plain(), "[|         ]");
        assert_eq!(bar(Some(50), 10).plain(), "[|||||     ]");
        assert_eq!(bar(Some(100), 4).plain(), "[||||]");
        assert_eq!(bar(Some(900), 4).plain(), "[||||]", "nonsense from a driver");
        assert_eq!(bar(None, 4).plain(), "[    ]");
    }

    #[test]
    fn shares_do_not_overflow() {
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
        assert_eq!(percent(1, 0), 0);
        assert_eq!(percent(8452, 81_559), 10);
    }

    #[test]
    fn memory_is_rounded_to_tenths() {
        assert_eq!(gigabytes(Megabytes(45), Megabytes(81_559)), "0.0/79.6G");
        assert_eq!(gigabytes(Megabytes(1024), Megabytes(16_384)), "1.0/16.0G");
    }
}

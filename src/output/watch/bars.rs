//! Bars of memory and load. Pure.

use super::super::line::{Line, Tone};

/// What bars are drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strokes {
    /// Heavy and light lines, which join.
    Lines,
    /// What every terminal has.
    Ascii,
}

impl Strokes {
    /// What the locale and the terminal can show. The console's font has one weight of line alone.
    pub(super) fn of_this_terminal() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(text).unwrap_or_default();
        Self::of(&locale, &text("TERM").unwrap_or_default())
    }

    fn of(locale: &str, term: &str) -> Self {
        let charset = locale.split('.').nth(1).unwrap_or_default().to_ascii_lowercase();
        let is_unicode = charset.starts_with("utf-8") || charset.starts_with("utf8");
        if is_unicode && term != "linux" { Self::Lines } else { Self::Ascii }
    }
}

/// Percent of a whole; more than all is all.
pub(super) fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 { 0 } else { (u128::from(part) * 100 / u128::from(whole)).min(100) as u64 }
}

/// `━━━━──────`, so many columns wide; blank where nothing is known. A part that is not zero shows at least one stroke,
/// and one that is not all leaves one.
pub(super) fn bar(percent: Option<u64>, columns: usize, tone: Tone, strokes: Strokes) -> Line {
    let Some(share) = percent.map(|percent| percent.min(100) as usize) else {
        return Line::from(" ".repeat(columns));
    };
    let inner = match strokes {
        Strokes::Lines => columns,
        Strokes::Ascii => columns.saturating_sub(2),
    };
    let rounded = (inner * share + 50) / 100;
    let full = match share {
        0 => 0,
        100 => inner,
        _ => rounded.clamp(1.min(inner), inner.saturating_sub(1).max(1)).min(inner),
    };
    let rest = inner - full;
    match strokes {
        Strokes::Lines => Line::of(tone, &"━".repeat(full)).with(Tone::Dim, &"─".repeat(rest)),
        Strokes::Ascii => Line::of(Tone::Dim, "[")
            .with(tone, &"|".repeat(full))
            .with(Tone::Plain, &" ".repeat(rest))
            .with(Tone::Dim, "]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        let shown = |share, columns, strokes| bar(share, columns, Tone::Good, strokes).plain();
        for (share, ascii, lines) in [
            (Some(0), "[          ]", "────────────"),
            (Some(1), "[|         ]", "━───────────"),
            (Some(50), "[|||||     ]", "━━━━━━──────"),
            (Some(99), "[||||||||| ]", "━━━━━━━━━━━─"),
            (Some(100), "[||||||||||]", "━━━━━━━━━━━━"),
            (Some(900), "[||||||||||]", "━━━━━━━━━━━━"),
            (None, "            ", "            "),
        ] {
            assert_eq!(shown(share, 12, Strokes::Ascii), ascii, "{share:?}");
            assert_eq!(shown(share, 12, Strokes::Lines), lines, "{share:?}");
        }
        assert_eq!(shown(Some(50), 0, Strokes::Lines), "");
        assert_eq!(shown(Some(50), 1, Strokes::Lines), "━");
    }

    #[test]
    fn shares_do_not_overflow() {
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
        assert_eq!(percent(1, 0), 0);
        assert_eq!(percent(8452, 81_559), 10);
    }

    #[test]
    fn only_a_terminal_that_says_unicode_gets_lines() {
        for (locale, term, expected) in [
            ("en_GB.UTF-8", "xterm-256color", Strokes::Lines),
            ("C.utf8", "tmux", Strokes::Lines),
            ("de_DE.utf8@euro", "xterm", Strokes::Lines),
            ("C", "xterm", Strokes::Ascii),
            ("", "xterm", Strokes::Ascii),
            ("ja_JP.eucJP", "xterm", Strokes::Ascii),
            ("en_GB.UTF-8", "linux", Strokes::Ascii),
        ] {
            assert_eq!(Strokes::of(locale, term), expected, "{locale} {term}");
        }
    }
}

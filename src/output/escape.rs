//! Makes text that other people chose safe and measurable: what a terminal would obey is shown escaped, and widths
//! are those of the screen. Pure.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr;

/// Shows what a terminal would obey, or the eye would miss, as an escape: control characters (C0, C1, DEL), line
/// separators, bidirectional overrides (Boucher and Anderson, "Trojan Source", 2021) and invisible format characters.
/// Doing it twice changes nothing more.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hostile(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// What the lines of status are put together with. A text of somebody's choosing must not have in it what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// `[note: …]`.
    Brackets,
    /// `UNKNOWN (…)`.
    Parentheses,
    /// `PID 12345 (python3, …)`, and names in a list.
    List,
}

impl Within {
    const fn is_mark(self, c: char) -> bool {
        match self {
            Self::Brackets => matches!(c, '[' | ']'),
            Self::Parentheses => matches!(c, '[' | ']' | '(' | ')'),
            Self::List => matches!(c, '[' | ']' | '(' | ')' | ','),
        }
    }
}

/// As [`clip`], for a text that stands in such a place.
pub(super) fn clip_within(place: Within, text: &str, columns: usize) -> String {
    let is_mark = |c| place.is_mark(c);
    if !text.contains(is_mark) {
        return clip(text, columns);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_mark(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    clip(&safe, columns)
}

/// Columns that `text` takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Escaped, and cut with an ellipsis where it is wider than `columns`.
pub(crate) fn clip(text: &str, columns: usize) -> String {
    let safe = escape(text);
    match fitting(&safe, columns) {
        whole if whole == safe.len() => safe.into_owned(),
        _ if columns == 0 => String::new(),
        _ => {
            let mut cut = safe[..fitting(&safe, columns - 1)].to_owned();
            cut.push('…');
            cut
        }
    }
}

/// Broken between words into lines of at most so many columns; a longer word stays whole.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in escape(text).split(' ') {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The length in bytes of the longest beginning of `text` that takes at most `columns`. Characters without width are
/// bounded too: stacked by the thousand they would climb over the lines above.
fn fitting(text: &str, columns: usize) -> usize {
    let most_characters = columns.saturating_mul(4);
    let mut fits = 0;
    for (count, (start, c)) in text.char_indices().enumerate() {
        let end = start + c.len_utf8();
        // The whole beginning is measured anew: a selector may change the width of the character before it.
        if count >= most_characters || width(&text[..end]) > columns {
            return fits;
        }
        fits = end;
    }
    fits
}

/// Whether a terminal would obey `c`, or a reader be deceived by it.
pub(super) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Direction marks, embeddings, overrides, isolates.
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Line and paragraph separator.
            | '\u{2028}' | '\u{2029}'
            // Without width: soft hyphen, joiners, spaces, the byte order mark, invisible operators, old formats.
            | '\u{00ad}' | '\u{034f}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            // Blank letters.
            | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}'
            // Tags and supplementary selectors: whole sentences can hide in them.
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn harmless_text_is_left_alone() {
        assert!(matches!(escape("Zoë 山田 \\ \"x\""), Cow::Borrowed("Zoë 山田 \\ \"x\"")));
    }

    #[test]
    fn what_a_terminal_obeys_becomes_visible() {
        assert_eq!(escape("a\x1b[31mred\nGPU 9: AVAILABLE\r\t"), "a\\u{1b}[31mred\\nGPU 9: AVAILABLE\\r\\t");
        assert_eq!(escape("\u{9b}2J\u{7f}"), "\\u{9b}2J\\u{7f}");
        assert_eq!(escape("ecila\u{202e}x\u{2066}"), "ecila\\u{202e}x\\u{2066}");
        assert_eq!(escape("al\u{200b}ice\u{e0041}"), "al\\u{200b}ice\\u{e0041}");
    }

    #[test]
    fn what_would_end_its_place_in_a_line_becomes_visible() {
        let text = "x] (y), [z";
        assert_eq!(clip_within(Within::Brackets, text, 40), "x\\u{5d} (y), \\u{5b}z");
        assert_eq!(clip_within(Within::Parentheses, text, 80), "x\\u{5d} \\u{28}y\\u{29}, \\u{5b}z");
        assert_eq!(clip_within(Within::List, text, 80), "x\\u{5d} \\u{28}y\\u{29}\\u{2c} \\u{5b}z");
        assert_eq!(clip_within(Within::Brackets, "\x1b]", 40), "\\u{1b}\\u{5d}");
        assert_eq!(clip_within(Within::Brackets, "plain", 3), "pl…");
    }

    #[test]
    fn text_is_cut_at_columns_not_at_bytes() {
        assert_eq!(clip("山田太郎", 8), "山田太郎");
        assert_eq!(clip("山田太郎", 7), "山田太…");
        assert_eq!(clip("山田太郎", 6), "山田…");
        assert_eq!(clip("abc", 0), "");
        assert_eq!(clip("ab", 1), "…");
    }

    #[test]
    fn text_is_broken_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("山田 太郎 x", 6), ["山田", "太郎 x"]);
        assert_eq!(wrapped("incomprehensible", 7), ["incomprehensible"]);
        assert_eq!(wrapped("", 7), [""]);
    }

    #[test]
    fn a_pile_of_accents_is_cut_too() {
        assert!(clip(&"\u{301}".repeat(10_000), 10).chars().count() <= 41);
    }

    proptest! {
        #[test]
        fn nothing_hostile_survives(text in any::<String>()) {
            let safe = escape(&text);
            prop_assert!(!safe.contains(is_hostile));
            prop_assert_eq!(escape(&safe), safe.clone());
        }

        #[test]
        fn cut_text_fits(text in any::<String>(), columns in 0_usize..40) {
            prop_assert!(width(&clip(&text, columns)) <= columns);
        }
    }
}

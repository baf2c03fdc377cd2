//! A line of output: pieces of text, each with a tone. Every piece is escaped on its way in, so that no line can
//! carry what a terminal would obey; colours are added only at the very end. Pure.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::escape::{clip, escape, width};

/// What a piece of text means; how that looks is decided here alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    #[default]
    Plain,
    /// A heading, or the name of a thing.
    Strong,
    /// Of lesser interest.
    Dim,
    /// Free, done.
    Good,
    /// Taken, as it should be.
    Busy,
    /// Deserves attention.
    Warn,
    /// Wrong.
    Bad,
}

impl Tone {
    const fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Dim => Style::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Busy => AnsiColor::Cyan.on_default(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// Whether colours are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Always,
    Never,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    tone: Tone,
    /// Escaped.
    text: String,
}

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Line {
    pieces: Vec<Piece>,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A line of one tone.
    pub(crate) fn of(tone: Tone, text: &str) -> Self {
        Self::new().with(tone, text)
    }

    pub(crate) fn with(mut self, tone: Tone, text: &str) -> Self {
        self.push(tone, text);
        self
    }

    pub(crate) fn push(&mut self, tone: Tone, text: &str) {
        if !text.is_empty() {
            self.pieces.push(Piece { tone, text: escape(text).into_owned() });
        }
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.pieces.extend(other.pieces);
    }

    /// Adds blanks up to `columns`.
    pub(crate) fn pad_to(&mut self, columns: usize) {
        let missing = columns.saturating_sub(self.width());
        self.push(Tone::Plain, &" ".repeat(missing));
    }

    /// Columns on a terminal.
    pub(crate) fn width(&self) -> usize {
        self.pieces.iter().map(|piece| width(&piece.text)).sum()
    }

    /// Cut with an ellipsis where it is wider than `columns`.
    pub(crate) fn clipped(self, columns: usize) -> Self {
        if self.width() <= columns {
            return self;
        }
        let mut left = columns;
        let mut cut = Self::new();
        for piece in self.pieces {
            let wide = width(&piece.text);
            // The piece that fills the last column must still show that something follows.
            if wide < left {
                left -= wide;
                cut.pieces.push(piece);
            } else {
                let ellipsis = format!("{}…", piece.text);
                cut.push(piece.tone, &clip(&ellipsis, left));
                break;
            }
        }
        cut
    }

    /// The text alone.
    pub(crate) fn plain(&self) -> String {
        self.pieces.iter().map(|piece| piece.text.as_str()).collect()
    }

    /// The text as written, with its colours or without.
    pub(crate) fn render(&self, colour: Colour) -> String {
        match colour {
            Colour::Never => self.plain(),
            Colour::Always => self.coloured(),
        }
    }

    fn coloured(&self) -> String {
        let mut out = String::new();
        for Piece { tone, text } in &self.pieces {
            let style = tone.style();
            let _ = write!(out, "{style}{text}{style:#}");
        }
        out
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self::of(Tone::Plain, text)
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self::of(Tone::Plain, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_surround_the_text_and_nothing_else() {
        let line = Line::of(Tone::Good, "free").with(Tone::Plain, " (x)");
        assert_eq!(line.render(Colour::Never), "free (x)");
        assert_eq!(line.render(Colour::Always), "\x1b[32mfree\x1b[0m (x)");
    }

    #[test]
    fn a_piece_cannot_bring_its_own_colour() {
        assert_eq!(Line::from("a\x1b[31mb").render(Colour::Never), "a\\u{1b}[31mb");
    }

    #[test]
    fn a_wide_line_is_cut_across_its_pieces() {
        let line = || Line::of(Tone::Good, "abc").with(Tone::Bad, "山田").with(Tone::Dim, "xyz");
        assert_eq!(line().clipped(10).plain(), "abc山田xyz");
        assert_eq!(line().clipped(9).plain(), "abc山田x…");
        assert_eq!(line().clipped(7).plain(), "abc山…");
        assert_eq!(line().clipped(3).plain(), "ab…");
        assert_eq!(line().clipped(0).plain(), "");
    }
}

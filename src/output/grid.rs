//! Columns that line up, whatever the width of the characters in them. Pure.

use super::line::{Line, Tone};

/// Between two columns.
const GAP: &str = "  ";
/// The last column holds the free text; with less room than this it is written below its row instead.
const TEXT: usize = 24;
/// How far such a text is set in.
const BELOW: usize = 5;

/// A heading, and the side that its cells lean to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Left(&'static str),
    /// For numbers.
    Right(&'static str),
}

impl Column {
    const fn heading(self) -> &'static str {
        match self {
            Self::Left(heading) | Self::Right(heading) => heading,
        }
    }
}

/// How wide the lines may become, and what is done about wider ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Endless,
    /// So many columns; what is wider is cut, with an ellipsis.
    Cut(usize),
    /// The same, but the text of the last column stands below its row, where hardly anything would be left of it.
    CutOrBelow(usize),
}

impl Room {
    /// Of a terminal with so many columns, and endless elsewhere.
    pub(crate) fn of(terminal: Option<usize>) -> Self {
        terminal.map_or(Self::Endless, Self::CutOrBelow)
    }
}

/// A heading and the rows below it; columns that are empty in every row are left out.
pub(super) fn grid(columns: &[Column], rows: Vec<Vec<Line>>, room: Room) -> Vec<Line> {
    let used: Vec<usize> =
        (0..columns.len()).filter(|&column| rows.iter().any(|row| width_at(row, column) > 0)).collect();
    let widths: Vec<usize> =
        used.iter().map(|&column| column_width(columns[column], &rows, column)).collect();
    let before_text: usize = widths.iter().rev().skip(1).map(|width| width + GAP.len()).sum();
    let has_text = used.last() == Some(&(columns.len() - 1));
    let is_below = match room {
        Room::CutOrBelow(room) => has_text && before_text + TEXT.min(*widths.last().unwrap_or(&0)) > room,
        Room::Cut(_) | Room::Endless => false,
    };
    let heading = columns.iter().map(|column| Line::of(Tone::Strong, column.heading())).collect();
    let mut lines = Vec::new();
    for (number, mut row) in std::iter::once(heading).chain(rows).enumerate() {
        let text = if is_below { row.pop() } else { None };
        lines.push(join(row, columns, &used, &widths));
        if let Some(text) = text.filter(|text| number > 0 && text.width() > 0) {
            let mut below = Line::new();
            below.pad_to(BELOW);
            below.append(text);
            lines.push(below);
        }
    }
    match room {
        Room::Cut(room) | Room::CutOrBelow(room) => {
            lines.into_iter().map(|line| line.clipped(room)).collect()
        }
        Room::Endless => lines,
    }
}

fn width_at(row: &[Line], column: usize) -> usize {
    row.get(column).map_or(0, Line::width)
}

fn column_width(column: Column, rows: &[Vec<Line>], at: usize) -> usize {
    let widest = rows.iter().map(|row| width_at(row, at)).max().unwrap_or(0);
    widest.max(super::escape::width(column.heading()))
}

fn join(row: Vec<Line>, columns: &[Column], used: &[usize], widths: &[usize]) -> Line {
    let mut line = Line::new();
    let mut start = 0;
    let cells = row.into_iter().enumerate().filter(|(at, _)| used.contains(at));
    for ((at, cell), width) in cells.zip(widths) {
        if cell.width() > 0 {
            line.pad_to(match columns[at] {
                Column::Left(_) => start,
                Column::Right(_) => start + width - cell.width(),
            });
            line.append(cell);
        }
        start += width + GAP.len();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] =
        [Column::Left("WHO"), Column::Left("EMPTY"), Column::Right("N"), Column::Left("NOTE")];

    fn rows(rows: &[[&str; 4]]) -> Vec<Vec<Line>> {
        rows.iter().map(|row| row.iter().copied().map(Line::from).collect()).collect()
    }

    fn text(lines: &[Line]) -> Vec<String> {
        lines.iter().map(Line::plain).collect()
    }

    #[test]
    fn columns_line_up_by_screen_width_and_empty_ones_vanish() {
        let lines = grid(
            &COLUMNS,
            rows(&[["山田", "", "10", "x"], ["bob", "", "", "y"], ["c", "", "1", "z"]]),
            Room::Endless,
        );
        assert_eq!(text(&lines), ["WHO    N  NOTE", "山田  10  x", "bob       y", "c      1  z"]);
    }

    #[test]
    fn no_line_ends_in_blanks() {
        let lines = grid(&COLUMNS, rows(&[["x", "", "", "long"], ["y", "", "", ""]]), Room::Endless);
        assert_eq!(text(&lines), ["WHO  NOTE", "x    long", "y"]);
    }

    #[test]
    fn the_text_is_cut_to_the_room_that_there_is() {
        let long = "a note that goes on for longer than the screen is wide";
        let lines = grid(&COLUMNS, rows(&[["bob", "", "1", long]]), Room::CutOrBelow(40));
        assert_eq!(text(&lines), ["WHO  N  NOTE", "bob  1  a note that goes on for longer …"]);
    }

    #[test]
    fn where_hardly_anything_would_be_left_of_it_the_text_stands_below() {
        let long = "a note that goes on for longer than the screen is wide";
        let lines =
            grid(&COLUMNS, rows(&[["bob", "", "1", long], ["ann", "", "2", ""]]), Room::CutOrBelow(30));
        assert_eq!(text(&lines), ["WHO  N", "bob  1", "     a note that goes on for …", "ann  2"]);
        let lines = grid(&COLUMNS, rows(&[["bob", "", "1", "short"]]), Room::CutOrBelow(30));
        assert_eq!(text(&lines), ["WHO  N  NOTE", "bob  1  short"]);
    }

    #[test]
    fn nothing_is_wider_than_the_room() {
        for room in 0..60 {
            for how in [Room::Cut(room), Room::CutOrBelow(room)] {
                let lines = grid(&COLUMNS, rows(&[["山田山田山田", "x", "123456", "山田山田山田山田"]]), how);
                assert!(lines.iter().all(|line| line.width() <= room), "{how:?}: {lines:?}");
            }
        }
    }
}

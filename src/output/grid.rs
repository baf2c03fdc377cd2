//! Columns that line up, whatever the width of the characters in them. Pure.

use super::line::{Line, Tone};

/// Between two columns.
const GAP: &str = "  ";

/// A heading and the rows below it, aligned to the left; columns that are empty in every row are left out, the last
/// one is not padded.
pub(crate) fn grid(headings: &[&str], rows: Vec<Vec<Line>>) -> Vec<Line> {
    let used: Vec<usize> =
        (0..headings.len()).filter(|&column| rows.iter().any(|row| width_at(row, column) > 0)).collect();
    let widths: Vec<usize> =
        used.iter().map(|&column| column_width(headings[column], &rows, column)).collect();
    let heading = headings.iter().map(|text| Line::of(Tone::Strong, text)).collect();
    std::iter::once(heading).chain(rows).map(|row| join(row, &used, &widths)).collect()
}

fn width_at(row: &[Line], column: usize) -> usize {
    row.get(column).map_or(0, Line::width)
}

fn column_width(heading: &str, rows: &[Vec<Line>], column: usize) -> usize {
    let widest = rows.iter().map(|row| width_at(row, column)).max().unwrap_or(0);
    widest.max(super::escape::width(heading))
}

fn join(row: Vec<Line>, used: &[usize], widths: &[usize]) -> Line {
    let mut line = Line::new();
    let mut end = 0;
    for (cell, width) in row
        .into_iter()
        .enumerate()
        .filter(|(column, _)| used.contains(column))
        .map(|(_, cell)| cell)
        .zip(widths)
    {
        if cell.width() > 0 {
            line.pad_to(end);
            line.append(cell);
        }
        end += width + GAP.len();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_by_screen_width_and_empty_ones_vanish() {
        let row = |cells: [&str; 4]| cells.into_iter().map(Line::from).collect::<Vec<_>>();
        let lines = grid(
            &["WHO", "EMPTY", "N", "NOTE"],
            vec![row(["山田", "", "1", "x"]), row(["bob", "", "", "y"])],
        );
        let text: Vec<String> = lines.iter().map(Line::plain).collect();
        assert_eq!(text, ["WHO   N  NOTE", "山田  1  x", "bob      y"]);
    }

    #[test]
    fn no_line_ends_in_blanks() {
        let lines = grid(&["A", "B"], vec![vec!["x".into(), "long".into()], vec!["y".into(), "".into()]]);
        assert_eq!(lines[2].plain(), "y");
    }
}

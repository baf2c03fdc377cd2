//! The table: what was measured, beside its floor and its target.

use std::fmt::Write;

use bench::stats::Sample;

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    on: String,
    measured: Cells,
    floor: Option<f64>,
    target: String,
    reached: Reached,
    unit: &'static str,
}

#[derive(Debug)]
enum Cells {
    Spread { median: f64, p99: f64 },
    One(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    Yes,
    No,
    /// Reported for its own sake.
    NoTarget,
}

impl From<bool> for Reached {
    fn from(reached: bool) -> Self {
        if reached { Self::Yes } else { Self::No }
    }
}

impl Row {
    pub(crate) fn spread(what: impl Into<String>, on: impl Into<String>, sample: &Sample) -> Self {
        let cells = Cells::Spread { median: sample.median(), p99: sample.p99() };
        Self::new(what.into(), on.into(), cells, "ms")
    }

    pub(crate) fn one(
        what: impl Into<String>,
        on: impl Into<String>,
        value: f64,
        unit: &'static str,
    ) -> Self {
        Self::new(what.into(), on.into(), Cells::One(value), unit)
    }

    const fn new(what: String, on: String, measured: Cells, unit: &'static str) -> Self {
        Self { what, on, measured, floor: None, target: String::new(), reached: Reached::NoTarget, unit }
    }

    pub(crate) fn floor(mut self, floor: f64) -> Self {
        self.floor = Some(floor);
        self
    }

    pub(crate) fn target(mut self, target: impl Into<String>, reached: impl Into<Reached>) -> Self {
        self.target = target.into();
        self.reached = reached.into();
        self
    }

    pub(crate) fn is_missed(&self) -> bool {
        self.reached == Reached::No
    }

    fn middle(&self) -> f64 {
        match self.measured {
            Cells::Spread { median, .. } => median,
            Cells::One(value) => value,
        }
    }

    fn cells(&self) -> [String; 8] {
        let with_unit = |value: f64| format!("{} {}", short(value), self.unit);
        let p99 = match self.measured {
            Cells::Spread { p99, .. } => with_unit(p99),
            Cells::One(_) => String::new(),
        };
        let ratio = self.floor.filter(|floor| *floor > 0.0).map(|floor| self.middle() / floor);
        let reached = match self.reached {
            Reached::Yes => "yes",
            Reached::No => "**no**",
            Reached::NoTarget => "–",
        };
        [
            self.what.clone(),
            self.on.clone(),
            with_unit(self.middle()),
            p99,
            self.floor.map(with_unit).unwrap_or_default(),
            ratio.map(|ratio| format!("{ratio:.1}")).unwrap_or_default(),
            self.target.clone(),
            reached.to_owned(),
        ]
    }
}

fn short(value: f64) -> String {
    if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

const HEADINGS: [&str; 8] = ["what", "on", "median", "p99", "floor", "ratio", "target", "reached"];

/// The rows as a table that a terminal and a browser show alike.
pub(crate) fn table(rows: &[Row]) -> String {
    let lines: Vec<[String; 8]> =
        std::iter::once(HEADINGS.map(String::from)).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if number == 0 {
            widths.iter().for_each(|width| {
                let _ = write!(text, "|{}", "-".repeat(width + 2));
            });
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_its_ratio_to_the_floor_and_whether_it_reached_its_target() {
        let sample = Sample::from_iter([1.0, 3.0, 30.0]);
        let row = Row::spread("launch", "Redis", &sample).floor(1.5).target("≤ 2 ms", sample.median() <= 2.0);
        assert!(row.is_missed());
        assert_eq!(
            row.cells(),
            ["launch", "Redis", "3.00 ms", "30.0 ms", "1.50 ms", "2.0", "≤ 2 ms", "**no**"]
        );
        assert_eq!(table(&[row]).lines().count(), 3);
    }
}

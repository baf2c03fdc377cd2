//! What a terminal shows: the bytes that reached it, as a terminal understands them.

use std::num::NonZero;
use std::process::Command;

use super::pty::Pty;
use super::wait::{wait_for, wait_until};

/// A terminal of a certain size with a command on it.
pub(crate) struct Glass {
    pub(crate) pty: Pty,
    columns: u16,
    rows: u16,
}

impl Glass {
    /// Starts the command on a terminal that has this size from the first moment.
    pub(crate) fn start(command: &Command, columns: u16, rows: u16) -> Self {
        let mut sized = Command::new("sh");
        sized.args(["-c", &format!("stty cols {columns} rows {rows}; exec \"$@\""), "sh"]);
        sized.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => sized.env(name, value),
                None => sized.env_remove(name),
            };
        }
        Self { pty: Pty::start(&sized), columns, rows }
    }

    /// What the command printed until it ended, which it must well.
    pub(crate) fn prints(command: &Command, columns: u16) -> Self {
        let mut glass = Self::start(command, columns, 100);
        glass.pty.ends_with(0);
        glass.pty.shows_all();
        glass
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        (self.columns, self.rows) = (columns, rows);
        self.pty.stty(&["cols", &columns.to_string(), "rows", &rows.to_string()]);
    }

    pub(crate) fn terminal(&self) -> vt100::Parser {
        let mut terminal =
            vt100::Parser::new(NonZero::new(self.rows).unwrap(), NonZero::new(self.columns).unwrap(), 0);
        terminal.process(self.pty.screen().as_bytes());
        terminal
    }

    /// The rows, without what is blank below them.
    pub(crate) fn shows(&self) -> Vec<String> {
        let terminal = self.terminal();
        let mut rows: Vec<String> =
            terminal.screen().rows(0, self.columns).map(|row| row.trim_end().to_owned()).collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }

    /// Waits until all rows are as wanted; gives them.
    pub(crate) fn waits_for(&self, what: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut last = Vec::new();
        wait_for(&format!("{what} on the screen: {:#?}", self.shows()), || {
            last = self.shows();
            wanted(&last).then(|| last.clone())
        })
    }

    /// No row ran over into the next one.
    pub(crate) fn has_whole_rows(&self) {
        let terminal = self.terminal();
        for row in 0..self.rows {
            assert!(!terminal.screen().row_wrapped(row), "row {row} wraps: {:#?}", self.shows());
        }
    }

    /// The column in which this begins in a row that contains `row`.
    pub(crate) fn column_of(&self, row: &str, text: &str) -> usize {
        let terminal = self.terminal();
        let screen = terminal.screen();
        for number in 0..self.rows {
            // One entry per cell; the second half of a wide character is empty.
            let cells: Vec<&str> = (0..self.columns)
                .map(|column| screen.cell(number, column).map_or("", vt100::Cell::contents))
                .map(|cell| if cell.is_empty() { " " } else { cell })
                .collect();
            if screen.rows(0, self.columns).nth(usize::from(number)).is_some_and(|line| line.contains(row)) {
                let found = (0..cells.len()).find(|start| cells[*start..].concat().starts_with(text));
                return found.unwrap_or_else(|| panic!("no {text:?} behind {row:?}: {:#?}", self.shows()));
            }
        }
        panic!("no row with {row:?}: {:#?}", self.shows())
    }

    /// The terminal becomes as it was before anything took it over.
    pub(crate) fn is_given_back(&self) {
        wait_until("the screen and the cursor to be as they were", || {
            let terminal = self.terminal();
            !terminal.screen().alternate_screen() && !terminal.screen().hide_cursor()
        });
    }
}

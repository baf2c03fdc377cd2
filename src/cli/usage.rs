//! What is wrong with a command line, in three lines at most: nobody reads twenty-two lines of usage.

use std::error::Error as _;
use std::fmt;

use clap::error::{ContextKind, ErrorKind};

/// A mistake in what was typed. Displayed without the leading `error:`; the hint is for a line of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsageError {
    message: String,
    hint: Option<String>,
}

impl UsageError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Keeps of clap's report what it says of the mistake, and leaves out the usage that follows.
    pub(super) fn from_clap(report: &clap::Error, help: &str) -> Self {
        let see = format!("'{help}' shows what there is");
        if let Some(message) = bad_value(report) {
            return Self { message, hint: Some(see) };
        }
        let text = report.to_string();
        let (mut message, mut tip) = (Vec::new(), None);
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if line.starts_with("Usage:") || line.starts_with("For more information") {
                break;
            }
            match line.strip_prefix("tip: ") {
                // What is no option here is no value either.
                Some(found) if !found.starts_with("to pass ") => tip = tip.or(Some(found)),
                Some(_) => {}
                None => message.push(line.strip_prefix("error: ").unwrap_or(line)),
            }
        }
        Self { message: message.join(" "), hint: Some(tip.map_or(see, str::to_owned)) }
    }
}

/// A value that one of our own parsers refused: its words say which, and why.
fn bad_value(report: &clap::Error) -> Option<String> {
    let ours = report.source().filter(|_| report.kind() == ErrorKind::ValueValidation)?;
    let option = report.get(ContextKind::InvalidArg)?.to_string();
    Some(format!("{}: {ours}", option.split(['=', ' ']).next().unwrap_or_default()))
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UsageError {}

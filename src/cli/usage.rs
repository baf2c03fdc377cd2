//! What is wrong with a command line, in three lines at most: nobody reads twenty-two lines of usage.

use std::error::Error as _;
use std::fmt;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::values;

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

    /// Says in our words what clap found; `help` is the call that shows what there is.
    pub(super) fn from_clap(report: &clap::Error, help: &str) -> Self {
        let verb = help.trim_end_matches(" --help");
        let names = names(report, ContextKind::InvalidArg);
        let name = names.first().map_or("", String::as_str);
        let value = joined(report, ContextKind::InvalidValue);
        let found = match report.kind() {
            ErrorKind::UnknownArgument if name.starts_with('-') => {
                UsageError::new(format!("{verb} has no option '{name}'"))
                    .with_hint_of(report, ContextKind::SuggestedArg)
            }
            ErrorKind::UnknownArgument => {
                let found = UsageError::new(format!("{verb} takes options only, not '{name}'"));
                match meant(verb, name) {
                    Some(option) => found.with_hint(format!("did you mean {verb} {option} {name}?")),
                    None => found,
                }
            }
            ErrorKind::ValueValidation if report.source().is_some() => {
                // A value that one of our own parsers refused: its words say which, and why.
                UsageError::new(format!(
                    "{name}: {}",
                    report.source().map(ToString::to_string).unwrap_or_default()
                ))
            }
            ErrorKind::InvalidValue if value.is_empty() => UsageError::new(format!("{name} needs a value")),
            ErrorKind::InvalidValue => {
                let allowed = strings(report, ContextKind::ValidValue).join(", ");
                UsageError::new(format!("{name}: '{value}' is none of {allowed}"))
                    .with_hint_of(report, ContextKind::SuggestedValue)
            }
            ErrorKind::ArgumentConflict => {
                let other = self::names(report, ContextKind::PriorArg).join(", ");
                UsageError::new(format!("{name} does not go together with {other}"))
            }
            ErrorKind::MissingRequiredArgument => {
                UsageError::new(format!("{verb}: {} is missing", names.join(", ")))
            }
            ErrorKind::InvalidSubcommand => {
                let word = joined(report, ContextKind::InvalidSubcommand);
                UsageError::new(format!("there is no verb '{word}'"))
                    .with_hint_of(report, ContextKind::SuggestedSubcommand)
            }
            _ => UsageError::new(first_line(report)),
        };
        match found.hint {
            Some(_) => found,
            None => found.with_hint(format!("'{help}' shows what there is")),
        }
    }

    fn with_hint_of(self, report: &clap::Error, suggested: ContextKind) -> Self {
        match strings(report, suggested).first() {
            Some(nearest) => self.with_hint(format!("did you mean {nearest}?")),
            None => self,
        }
    }
}

/// What the report has of this kind.
fn strings(report: &clap::Error, kind: ContextKind) -> Vec<String> {
    match report.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// Options and words by their names alone: `--gpus <N>` is `--gpus`.
fn names(report: &clap::Error, kind: ContextKind) -> Vec<String> {
    let name = |text: String| text.split(['=', ' ']).next().unwrap_or_default().to_owned();
    strings(report, kind).into_iter().map(name).collect()
}

fn joined(report: &clap::Error, kind: ContextKind) -> String {
    strings(report, kind).join(", ")
}

fn first_line(report: &clap::Error) -> String {
    let text = report.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// The option that a bare value was meant for.
fn meant(verb: &str, word: &str) -> Option<&'static str> {
    match verb.rsplit(' ').next()? {
        "release" | "extend" if values::gpu_ids(word).is_ok() => Some("-G"),
        "reserve" | "extend" if values::span(word).is_ok() => Some("-d"),
        "reserve" | "admin" if values::count(word).is_ok() => Some("-g"),
        "report" if values::count(word).is_ok() => Some("-d"),
        _ => None,
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UsageError {}

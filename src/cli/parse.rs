//! From the words of a command line to [`Cli`], or to one error that says what to do.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ErrorKind};
use clap::{Command, CommandFactory, FromArgMatches};

use super::at_once;
use super::split::{self, Shape};
use super::usage::UsageError;
use super::{Cli, ShimVerb, Verb};

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Parsed {
    Do(Box<Cli>),
    /// What may stand at the end of these words, for a shell.
    Complete(Vec<OsString>),
    /// Help or version, for stdout; styled with ANSI codes.
    Show(String),
}

/// Reads the command line, program name first.
///
/// # Errors
/// What is wrong with it, and what to write instead.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Parsed, UsageError> {
    let mut words = words.into_iter();
    let program = words.next().unwrap_or_else(|| OsString::from("chg"));
    let words: Vec<OsString> = words.collect();
    match at_once::read(&words) {
        Some(Parsed::Do(cli)) => accept(*cli).map(|cli| Parsed::Do(Box::new(cli))),
        Some(plain) => Ok(plain),
        None => in_full(&program, words),
    }
}

/// By the definition of the whole program.
pub(super) fn in_full(program: &OsStr, mut words: Vec<OsString>) -> Result<Parsed, UsageError> {
    // Not built: clap does that for the verb that is meant, and for all of them it takes a millisecond.
    let top = Cli::command();
    match split::shape(&top, &words) {
        Shape::Verb => {}
        Shape::Bare => words.insert(0, OsString::from("run")),
        Shape::Stray(at) => return Err(stray(top, &words, at)),
        Shape::Valueless(at) => {
            return Err(UsageError::new(format!(
                "{} needs a value before the --",
                words[at].to_string_lossy()
            ))
            .with_hint("'chg run --help' shows what there is"));
        }
        Shape::Nothing => return Err(nothing()),
    }
    read(top, program_name(program), &words)
}

fn program_name(path: &OsStr) -> &'static str {
    if path.to_string_lossy().ends_with("canhazgpu") { "canhazgpu" } else { "chg" }
}

fn read(top: Command, name: &'static str, words: &[OsString]) -> Result<Parsed, UsageError> {
    let help = help_for(&top, name, words);
    let all = std::iter::once(OsString::from(name)).chain(words.iter().cloned());
    let parsed = top.try_get_matches_from(all).and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => accept(cli).map(|cli| Parsed::Do(Box::new(cli))),
        Err(report) => match report.kind() {
            ErrorKind::DisplayHelp => Ok(Parsed::Show(report.render().ansi().to_string())),
            ErrorKind::DisplayVersion => {
                Ok(Parsed::Show(format!("canhazgpu {}\n", env!("CARGO_PKG_VERSION"))))
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if help.contains(" shim ") => {
                Err(UsageError::new("say what to do with shims: install, remove, list or env")
                    .with_hint(format!("'{help}' shows more")))
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Err(nothing()),
            _ => Err(explain(&report, words, &help)),
        },
    }
}

/// The call that shows the help nearest to what was typed.
fn help_for(top: &Command, name: &str, words: &[OsString]) -> String {
    let verb = words.iter().take_while(|word| *word != "--").find_map(|word| top.find_subcommand(word));
    match verb {
        Some(verb) => format!("{name} {} --help", verb.get_name()),
        None => format!("{name} --help"),
    }
}

fn explain(report: &clap::Error, words: &[OsString], help: &str) -> UsageError {
    let named = report.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    match report.kind() {
        ErrorKind::MissingRequiredArgument if named.contains("COMMAND") => no_command(words),
        _ => UsageError::from_clap(report, help),
    }
}

fn no_command(words: &[OsString]) -> UsageError {
    let example = "for example: chg -g 2 -- python3 train.py";
    match words.last() {
        Some(last) if last == "--" => UsageError::new("no command after the --").with_hint(example),
        _ => UsageError::new("no command: write one after --").with_hint(example),
    }
}

fn nothing() -> UsageError {
    UsageError::new("nothing to do: write a command after --, or a verb")
        .with_hint("for example 'chg -- python3 train.py' or 'chg status'; 'chg --help' shows what there is")
}

/// A word where only a verb or a command after `--` can stand.
fn stray(top: Command, words: &[OsString], at: usize) -> UsageError {
    let word = words[at].to_string_lossy().into_owned();
    let corrected = corrected(words, at);
    match similar_verb(top, &words[at]) {
        Some(verb) => UsageError::new(format!("there is no verb '{word}'"))
            .with_hint(format!("did you mean 'chg {verb}'? A program of that name runs as: {corrected}")),
        None => UsageError::new(format!("write -- before the command '{word}'"))
            .with_hint(format!("like this: {corrected}")),
    }
}

fn similar_verb(top: Command, word: &OsStr) -> Option<String> {
    let report = top.try_get_matches_from([OsStr::new("chg"), word]).err()?;
    match report.get(ContextKind::SuggestedSubcommand)? {
        clap::error::ContextValue::Strings(verbs) => verbs.first().cloned(),
        clap::error::ContextValue::String(verb) => Some(verb.clone()),
        _ => None,
    }
}

/// The same command line with the `--` where it belongs, quoted for a shell.
fn corrected(words: &[OsString], at: usize) -> String {
    let before = words[..at].iter().map(|word| quoted(word));
    let command = words[at..].iter().filter(|word| *word != "--").map(|word| quoted(word));
    let line: Vec<String> = std::iter::once("chg".to_owned())
        .chain(before)
        .chain(std::iter::once("--".to_owned()))
        .chain(command)
        .collect();
    line.join(" ")
}

fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./,:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// What clap cannot express: options that contradict each other, and what is not here yet.
fn accept(cli: Cli) -> Result<Cli, UsageError> {
    match &cli.verb {
        Verb::Run(args) => args.gpus.demand().map(drop)?,
        Verb::Reserve(args) => args.gpus.demand().map(drop)?,
        Verb::Web { .. } => return Err(not_here("web")),
        Verb::Status(args) if args.all => return Err(not_here("status --all")),
        Verb::Status(args) if args.remote.is_some() => return Err(not_here("status --remote")),
        Verb::Shim(args) => shim_call(&args.verb)?,
        _ => {}
    }
    Ok(cli)
}

fn not_here(what: &str) -> UsageError {
    UsageError::new(format!("'chg {what}' of the Go canhazgpu is not here yet"))
        .with_hint("'chg status' shows this machine; over ssh it shows another")
}

/// `chg shim NAME -- ARGS`: without the `--` it is more likely a slip.
fn shim_call(verb: &ShimVerb) -> Result<(), UsageError> {
    match verb {
        ShimVerb::Call(words) if words.get(1).is_none_or(|word| word != "--") => {
            let name = words.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            Err(UsageError::new(format!("chg shim knows install, remove, list and env, not '{name}'"))
                .with_hint(format!("to call a shim: chg shim {} -- ARGUMENTS…", quoted(OsStr::new(&name)))))
        }
        _ => Ok(()),
    }
}

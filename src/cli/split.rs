//! Where the verb stands in a command line, before clap reads it: the bare form `chg [OPTIONS] -- CMD` means `run`, and
//! must swallow neither a verb nor a command without its `--`.

use std::ffi::{OsStr, OsString};

use clap::Command;

use super::typed::{Options, Value};

/// What the words before a `--` amount to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// It names a verb, or asks for help or the version: clap may read it as it stands.
    Verb,
    /// The bare form: `run` belongs in front.
    Bare,
    /// A word that is neither option nor verb, where only a command after `--` could stand (its position).
    Stray(usize),
    /// An option whose value is missing: `--` follows at once (the option's position).
    Valueless(usize),
    /// No word at all.
    Nothing,
}

/// Judges `words`, the command line without the program's name. `top` is the whole program; it need not be built.
pub(super) fn shape(top: &Command, words: &[OsString]) -> Shape {
    let Some(verb) = top.find_subcommand("run") else { return Shape::Verb };
    let run = Options { verb, top };
    match first_word(run, words, 0) {
        Found::Nothing if words.is_empty() => Shape::Nothing,
        Found::Word(at) if words[at] == "run" => match first_word(run, words, at + 1) {
            Found::Word(stray) => Shape::Stray(stray),
            Found::Valueless(at) => Shape::Valueless(at),
            _ => Shape::Verb,
        },
        Found::Word(at) if is_verb(top, &words[at]) => Shape::Verb,
        Found::Word(at) => Shape::Stray(at),
        Found::Valueless(at) => Shape::Valueless(at),
        Found::Help { alone: true } => Shape::Verb,
        Found::Unknown(at) if words[at..].iter().any(|word| is_verb(top, word)) && !has_dashes(words) => {
            Shape::Verb
        }
        Found::Nothing | Found::Dashes | Found::Unknown(_) | Found::Help { alone: false } => Shape::Bare,
    }
}

/// Whether these words are options, with their values, up to the dashes.
pub(super) fn dashes_come_first(options: Options<'_>, words: &[OsString]) -> bool {
    matches!(first_word(options, words, 0), Found::Dashes)
}

fn is_verb(top: &Command, word: &OsStr) -> bool {
    word == "help" || top.find_subcommand(word).is_some()
}

fn has_dashes(words: &[OsString]) -> bool {
    words.iter().any(|word| word == "--")
}

enum Found {
    /// A word that is no option and no option's value.
    Word(usize),
    Dashes,
    /// An option that takes the `--` for its value.
    Valueless(usize),
    /// An option that `run` does not have.
    Unknown(usize),
    /// `--help` or `--version`; `alone` if no option of `run` stands before it.
    Help {
        alone: bool,
    },
    Nothing,
}

/// Walks over options and their values to the first thing that is neither.
fn first_word(run: Options<'_>, words: &[OsString], from: usize) -> Found {
    let mut at = from;
    let mut alone = true;
    while let Some(word) = words.get(at) {
        let text = word.to_string_lossy();
        match text.as_ref() {
            "--" => return Found::Dashes,
            "-h" | "--help" | "-V" | "--version" => return Found::Help { alone },
            option if option.len() > 1 && option.starts_with('-') => match run.read(option) {
                None => return Found::Unknown(at),
                Some(typed)
                    if typed.value == Value::Next && words.get(at + 1).is_some_and(|next| next == "--") =>
                {
                    return Found::Valueless(at);
                }
                Some(typed) => {
                    alone &= typed.everywhere;
                    at += if typed.value == Value::Next { 2 } else { 1 };
                }
            },
            _ => return Found::Word(at),
        }
    }
    Found::Nothing
}

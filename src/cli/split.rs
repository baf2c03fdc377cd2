//! Where the verb stands in a command line, before clap reads it: the bare form `chg [OPTIONS] -- CMD` means `run`, and
//! must swallow neither a verb nor a command without its `--`.

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction, Command};

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
    let run = &Run { verb, top };
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

/// What `run` takes: its own options, and those that every verb takes.
struct Run<'a> {
    verb: &'a Command,
    top: &'a Command,
}

impl Run<'_> {
    fn option(&self, is_meant: impl Fn(&Arg) -> bool) -> Option<&Arg> {
        let everywhere = self.top.get_arguments().filter(|arg| arg.is_global_set());
        self.verb.get_arguments().chain(everywhere).find(|arg| is_meant(arg))
    }
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
fn first_word(run: &Run<'_>, words: &[OsString], from: usize) -> Found {
    let mut at = from;
    let mut alone = true;
    while let Some(word) = words.get(at) {
        let text = word.to_string_lossy();
        let step = match text.as_ref() {
            "--" => return Found::Dashes,
            "-h" | "--help" | "-V" | "--version" => return Found::Help { alone },
            long if long.starts_with("--") => after_long(run, &long[2..]),
            short if short.len() > 1 && short.starts_with('-') => after_shorts(run, &short[1..]),
            _ => return Found::Word(at),
        };
        match step {
            None => return Found::Unknown(at),
            Some(Step { value: Value::Next, .. }) if words.get(at + 1).is_some_and(|next| next == "--") => {
                return Found::Valueless(at);
            }
            Some(Step { value, global }) => {
                alone &= global;
                at += if value == Value::Next { 2 } else { 1 };
            }
        }
    }
    Found::Nothing
}

#[derive(PartialEq, Eq)]
enum Value {
    Within,
    Next,
}

struct Step {
    value: Value,
    global: bool,
}

fn after_long(run: &Run<'_>, text: &str) -> Option<Step> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    let arg = run.option(|arg| arg.get_long() == Some(name))?;
    Some(Step {
        value: if value.is_none() && takes_value(arg) { Value::Next } else { Value::Within },
        global: arg.is_global_set(),
    })
}

/// `-qg2`, `-qg 2`: the first short option that takes a value takes the rest, or the next word.
fn after_shorts(run: &Run<'_>, cluster: &str) -> Option<Step> {
    let mut global = true;
    for (position, letter) in cluster.char_indices() {
        let arg = run.option(|arg| arg.get_short() == Some(letter))?;
        global &= arg.is_global_set();
        if takes_value(arg) {
            let rest = position + letter.len_utf8() < cluster.len();
            return Some(Step { value: if rest { Value::Within } else { Value::Next }, global });
        }
    }
    Some(Step { value: Value::Within, global })
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

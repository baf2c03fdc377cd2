//! Command lines that are read without the definition of the whole program, which takes clap most of a millisecond:
//! what shims and shells call, and what people type all day. Where anything is unusual, [`super::parse`] reads it.

use std::ffi::{OsStr, OsString};

use clap::{Args, Command, FromArgMatches};

use super::split;
use super::typed::Options;
use super::{Cli, Globals, Parsed, RunArgs, ShimArgs, ShimVerb, Shown, StatusArgs, Verb};

/// What `words` ask for, if that is plain. The program's name is not among them.
pub(super) fn read(words: &[OsString]) -> Option<Parsed> {
    let [first, rest @ ..] = words else { return None };
    match first.to_str() {
        Some("shim") => shim(rest),
        Some("completions") => match rest {
            [answer, typed @ ..] if answer == "--answer" => Some(Parsed::Complete(typed.to_vec())),
            _ => None,
        },
        Some("status") => alone::<StatusArgs>(rest, Verb::Status),
        Some("run") => run(rest),
        _ => run(words),
    }
}

/// `chg shim NAME -- …`, as every shim calls it: nothing in it is for clap to read.
fn shim(call: &[OsString]) -> Option<Parsed> {
    let [name, dashes, ..] = call else { return None };
    (dashes == "--" && is_name(name)).then(|| {
        let verb = Verb::Shim(ShimArgs { verb: ShimVerb::Call(call.to_vec()) });
        done(Globals::default(), verb)
    })
}

/// Whether it can only be a shim's name: neither an option nor a verb of `chg shim`.
fn is_name(word: &OsStr) -> bool {
    !word.as_encoded_bytes().starts_with(b"-")
        && !["install", "remove", "list", "env", "help"].iter().any(|verb| word == *verb)
}

/// Options of `run`, then the dashes, then a command.
fn run(words: &[OsString]) -> Option<Parsed> {
    let command = definition::<RunArgs>();
    let options = Options { verb: &command, top: &command };
    if !split::dashes_come_first(options, words) {
        return None;
    }
    taken(command, words, Verb::Run)
}

fn alone<A: Args>(words: &[OsString], verb: impl FnOnce(A) -> Verb) -> Option<Parsed> {
    taken(definition::<A>(), words, verb)
}

/// One verb by itself, with what every verb takes; help and version are left to the whole.
fn definition<A: Args>() -> Command {
    let command = Command::new("chg").disable_help_flag(true).disable_version_flag(true).no_binary_name(true);
    Globals::augment_args(A::augment_args(command))
}

fn taken<A: Args>(command: Command, words: &[OsString], verb: impl FnOnce(A) -> Verb) -> Option<Parsed> {
    let matches = command.try_get_matches_from(words).ok()?;
    let globals = Globals::from_arg_matches(&matches).ok()?;
    A::from_arg_matches(&matches).ok().map(|args| done(globals, verb(args)))
}

fn done(globals: Globals, verb: Verb) -> Parsed {
    Parsed::Do(Box::new(Cli { globals, shown: Shown::default(), verb }))
}

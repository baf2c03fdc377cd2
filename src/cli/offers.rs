//! What may stand as the value of each option, for completion. Pure.

use clap::Arg;

use super::complete::{Live, Word};
use super::manual;
use crate::model::duration;

/// Where the values of an option come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Offer {
    Fixed(Vec<Word>),
    Durations,
    Files,
    Directories,
    Groups,
    Live(Live),
    /// A list of them, with commas between.
    Listed(Live),
}

/// What `verb` takes as the value of `arg`.
pub(super) fn of(verb: &str, arg: &Arg) -> Offer {
    match (verb, arg.get_id().as_str()) {
        ("release", "gpu_ids") => Offer::Listed(Live::OwnGpus),
        ("extend", "gpu_ids") => Offer::Listed(Live::OwnManualGpus),
        (_, "gpu_ids") => Offer::Listed(Live::Gpus),
        (_, "gpus") => Offer::Live(Live::Counts),
        (_, "timeout" | "duration" | "wait" | "grace") => Offer::Durations,
        (_, "user") => Offer::Live(Live::Labels),
        (_, "release") => Offer::Live(Live::Reservations),
        (_, "reset") => Offer::Live(Live::Damaged),
        (_, "names") => Offer::Live(Live::Shims),
        (_, "config") => Offer::Files,
        (_, "dir") => Offer::Directories,
        (_, "group") => Offer::Groups,
        (_, "store") => Offer::Fixed(described(&[
            ("sqlite:/", "A directory of this machine"),
            ("redis://", "A Redis server"),
            ("rediss://", "A Redis server, over TLS"),
            ("redis+unix:///", "A Redis server, by its socket"),
        ])),
        (_, "provider") => {
            Offer::Fixed(described(&[("nvidia", "The GPUs of this machine"), ("fake", "Simulated ones")]))
        }
        (_, "strategy") => Offer::Fixed(described(&[
            ("lru", "What was released longest ago first"),
            ("affinity", "What the same person had last first"),
        ])),
        (_, "page") => Offer::Fixed(manual::names().map(|page| Word::new(page, "")).collect()),
        (_, "days") => Offer::Fixed(["1", "7", "30", "90"].map(|days| Word::new(days, "")).into()),
        (_, "watch") => Offer::Fixed(["1", "2", "5", "10"].map(|seconds| Word::new(seconds, "")).into()),
        _ => Offer::Fixed(choices(arg)),
    }
}

/// The words that clap knows for it.
fn choices(arg: &Arg) -> Vec<Word> {
    let shown = arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
    let about =
        |value: &clap::builder::PossibleValue| value.get_help().map(ToString::to_string).unwrap_or_default();
    shown.map(|value| Word::new(value.get_name(), about(&value))).collect()
}

fn described(words: &[(&str, &str)]) -> Vec<Word> {
    words.iter().map(|(text, about)| Word::new(*text, *about)).collect()
}

/// Those that people use; behind a number its units.
pub(super) fn durations(typed: &str) -> Vec<Word> {
    let texts: Vec<String> = if typed.is_empty() {
        ["30m", "1h", "2h", "4h", "8h", "12h", "1d", "2d", "7d"].map(str::to_owned).into()
    } else if typed.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        ["m", "h", "d", "s"].map(|unit| format!("{typed}{unit}")).into()
    } else {
        vec![typed.to_owned()]
    };
    let is_one = |text: &String| duration::parse(text).is_ok();
    texts.into_iter().filter(is_one).map(|text| Word::new(text, "")).collect()
}

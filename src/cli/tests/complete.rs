//! What is offered at the cursor.

use std::ffi::OsString;

use clap::{Arg, Command, CommandFactory};
use proptest::prelude::*;

use super::super::Cli;
use super::super::complete::{Live, Question, Wanted, question};
use super::super::offers::{self, Offer};

fn asked(line: &[&str]) -> Question {
    question(&line.iter().map(OsString::from).collect::<Vec<_>>())
}

fn texts(line: &[&str]) -> Vec<String> {
    match asked(line).wanted {
        Wanted::Words(words) => words.into_iter().map(|word| word.text).collect(),
        other => panic!("{line:?}: {other:?}"),
    }
}

fn live(line: &[&str]) -> (Live, String) {
    match asked(line).wanted {
        Wanted::Live { live, before } => (live, before),
        other => panic!("{line:?}: {other:?}"),
    }
}

#[test]
fn at_the_start_there_are_the_verbs_and_the_bare_form() {
    let first = texts(&[""]);
    for word in ["run", "status", "completions", "man", "--"] {
        assert!(first.iter().any(|text| text == word), "{word}");
    }
    assert!(!first.iter().any(|text| text == "web"), "what is not here is not offered");
    let options = texts(&["-"]);
    for word in ["--gpus", "--timeout", "--store", "--help", "--"] {
        assert!(options.iter().any(|text| text == word), "{word}");
    }
}

#[test]
fn an_option_is_not_offered_twice() {
    assert!(!texts(&["-g", "2", "--"]).contains(&"--gpus".to_owned()));
    assert!(texts(&["-v", "--"]).contains(&"--verbose".to_owned()), "some say more when given again");
    assert!(!texts(&["status", "-j", "-"]).contains(&"--json".to_owned()));
}

#[test]
fn a_verb_has_its_own_options() {
    let options = texts(&["status", ""]);
    assert!(options.contains(&"--watch".to_owned()) && !options.contains(&"--gpus".to_owned()));
    assert!(!options.contains(&"--all".to_owned()), "what is not here is not offered");
    assert!(!options.contains(&"--".to_owned()));
}

#[test]
fn the_command_is_anothers_to_complete() {
    for (line, first) in [
        (&["--", ""][..], 1),
        (&["run", "--", "python3", "tr"], 2),
        (&["-g", "2", "--", "git", "--", ""], 3),
        (&["-n", "--", "--", ""], 3),
    ] {
        assert_eq!(asked(line).wanted, Wanted::Command(first), "{line:?}");
    }
    assert_eq!(texts(&["status", "--", ""]), [""; 0]);
    assert_eq!(texts(&["python3", ""]), [""; 0], "a command without its dashes");
}

#[test]
fn lists_of_gpus_go_on_behind_their_last_comma() {
    for (line, (kind, before)) in [
        (&["-G", ""][..], (Live::Gpus, "")),
        (&["-G", "0,2"], (Live::Gpus, "0,")),
        (&["-G0,"], (Live::Gpus, "-G0,")),
        (&["-qG"], (Live::Gpus, "-qG")),
        (&["run", "--gpu-ids=1,"], (Live::Gpus, "--gpu-ids=1,")),
        (&["release", "-G", "1"], (Live::OwnGpus, "")),
        (&["extend", "-d", "1h", "-G", ""], (Live::OwnManualGpus, "")),
        (&["reserve", "-g", ""], (Live::Counts, "")),
        (&["admin", "--release", ""], (Live::Reservations, "")),
        (&["shim", "remove", "vllm", ""], (Live::Shims, "")),
    ] {
        assert_eq!(live(line), (kind, before.to_owned()), "{line:?}");
    }
}

#[test]
fn an_option_whose_value_may_be_left_out_is_followed_by_either() {
    assert!(texts(&["status", "--watch", ""]).contains(&"2".to_owned()));
    assert!(texts(&["status", "--watch", "-"]).contains(&"--no-color".to_owned()));
    assert!(texts(&["status", "--watch", "5", ""]).contains(&"--no-color".to_owned()));
}

#[test]
fn durations_take_the_units_behind_a_number() {
    assert!(texts(&["-t", ""]).contains(&"12h".to_owned()));
    assert_eq!(texts(&["-t", "45"]), ["45m", "45h", "45d", "45s"]);
    assert_eq!(texts(&["-t", "1.5"]), ["1.5m", "1.5h", "1.5d", "1.5s"]);
    assert_eq!(texts(&["reserve", "--duration=2h"]), ["--duration=2h"]);
    assert_eq!(texts(&["-t", "500"]), ["500m", "500h", "500s"], "500 days are too many");
    assert_eq!(texts(&["-t", "soon"]), [""; 0]);
}

#[test]
fn what_says_which_pool_is_meant_is_kept() {
    let line = ["--store=redis://h:1/2", "--config", "/x/y", "release", "--redis-port", "7", "-G", ""];
    let globals = asked(&line).globals;
    assert_eq!(globals.store.as_deref(), Some("redis://h:1/2"));
    assert_eq!(globals.config.as_deref(), Some(std::path::Path::new("/x/y")));
    assert_eq!(globals.redis_port, Some(7));
}

/// The options that take a text which nobody can foresee.
const FREE: &[&str] =
    &["note", "memory_threshold", "redis_host", "redis_port", "redis_db", "conflict_exit_code", "remote"];

#[test]
fn every_value_that_can_be_foreseen_is_offered() {
    fn check(verb: &Command) -> usize {
        let takes = |arg: &&Arg| arg.get_action().takes_values() && !FREE.contains(&arg.get_id().as_str());
        let hidden = |arg: &&Arg| arg.is_hide_set() || arg.get_id() == "command";
        let mut checked = 0;
        for arg in verb.get_arguments().filter(takes).filter(|arg| !hidden(arg)) {
            assert_ne!(
                offers::of(verb.get_name(), arg),
                Offer::Fixed(Vec::new()),
                "{} {}",
                verb.get_name(),
                arg.get_id()
            );
            checked += 1;
        }
        checked + verb.get_subcommands().map(check).sum::<usize>()
    }
    assert!(check(&Cli::command()) > 30);
}

proptest! {
    /// Whatever stands on the line.
    #[test]
    fn no_line_is_too_odd(line in prop::collection::vec("(-{0,2}[a-zA-Z=,0-9é]{0,8})|--|run|status|shim|-G|--watch", 0..7)) {
        let _ = question(&line.into_iter().map(OsString::from).collect::<Vec<_>>());
    }
}

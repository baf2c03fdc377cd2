//! Real command lines, as people and the Go program's scripts write them.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use clap::CommandFactory;

use super::{Cli, GpuIds, Parsed, ShimVerb, UsageError, Verb, parse};
use crate::model::ids::{GpuIndex, Megabytes};
use crate::model::record::{PoolRecord, Record};
use crate::model::request::Demand;

mod complete;
mod manual;
mod usage;

fn words(line: &[&str]) -> Vec<OsString> {
    std::iter::once("chg").chain(line.iter().copied()).map(OsString::from).collect()
}

fn cli(line: &[&str]) -> Cli {
    match parse(words(line)) {
        Ok(Parsed::Do(cli)) => *cli,
        other => panic!("{line:?} was not read: {other:?}"),
    }
}

fn run(line: &[&str]) -> super::RunArgs {
    match cli(line).verb {
        Verb::Run(args) => args,
        other => panic!("{line:?} is no run: {other:?}"),
    }
}

fn wrong(line: &[&str]) -> UsageError {
    match parse(words(line)) {
        Err(error) => error,
        other => panic!("{line:?} was accepted: {other:?}"),
    }
}

fn shown(line: &[&str]) -> String {
    match parse(words(line)) {
        Ok(Parsed::Show(text)) => text,
        other => panic!("{line:?} shows nothing: {other:?}"),
    }
}

/// The short way is a short cut only: whatever it reads, the whole definition reads alike.
#[test]
fn what_is_read_at_once_is_read_as_by_the_whole_definition() {
    let lines: [&[&str]; 14] = [
        &["--", "true"],
        &["-qg2", "-t", "12h", "--", "sh", "-c", "x", "--help"],
        &["run", "--gpu-ids=1,3", "-n", "a note", "--", "python3", "--", "-g", "9"],
        &["--store", "sqlite:/x", "-vv", "--wait", "30m", "--", "run", "status"],
        &["run", "--redis-port", "7", "--orphans", "kill", "--on-lost", "terminate", "--new", "--", "a"],
        &["-E", "9", "--nonblock", "-u", "ann", "--memory-threshold", "9", "--", "--"],
        &["status"],
        &["status", "-j"],
        &["status", "--config", "/x", "--watch", "2", "-o", "table", "--no-color"],
        &["status", "--store", "redis://h/3", "-s"],
        &["shim", "vllm", "--", "serve", "m"],
        &["-G", "0-3", "--grace", "5s", "--", "x"],
        &["-w", "1h", "--cuda-ids", "--", "x"],
        &["run", "--", "--version"],
    ];
    let mut at_once = 0;
    for line in lines {
        let read = super::at_once::read(&words(line)[1..]);
        let full = super::parse::in_full(OsStr::new("chg"), words(line)[1..].to_vec());
        if let Some(read) = read {
            at_once += 1;
            assert_eq!(format!("{:?}", Ok::<_, UsageError>(read)), format!("{full:?}"), "{line:?}");
        }
    }
    assert!(at_once >= 12, "only {at_once}");
}

#[test]
fn what_is_wrong_or_unusual_is_left_to_the_whole_definition() {
    for line in [
        &["--help"][..],
        &["status", "--help"],
        &["status", "extra"],
        &["run", "-g", "x", "--", "true"],
        &["-g", "--", "true"],
        &["true"],
        &["-g", "1", "status"],
        &["--"],
        &[],
        &["shim", "list"],
        &["--redis-host", "h", "--store", "sqlite:/x", "--", "true"],
    ] {
        assert!(super::at_once::read(&words(line)[1..]).is_none(), "{line:?}");
    }
}

#[test]
fn clap_finds_no_fault_with_the_definition() {
    Cli::command().debug_assert();
}

#[test]
fn the_bare_form_is_run() {
    for line in [
        &["-g", "2", "--", "python3", "train.py", "--lr", "1"][..],
        &["run", "-g", "2", "--", "python3", "train.py", "--lr", "1"],
        &["-g2", "--", "python3", "train.py", "--lr", "1"],
        &["-qg2", "--", "python3", "train.py", "--lr", "1"],
        &["--gpus=2", "--", "python3", "train.py", "--lr", "1"],
        &["--store", "sqlite:/x", "-g", "2", "--", "python3", "train.py", "--lr", "1"],
        &["--store", "sqlite:/x", "run", "-g", "2", "--", "python3", "train.py", "--lr", "1"],
    ] {
        let args = run(line);
        assert_eq!(args.gpus.gpus.map(std::num::NonZero::get), Some(2), "{line:?}");
        assert_eq!(args.command, ["python3", "train.py", "--lr", "1"], "{line:?}");
    }
}

#[test]
fn a_command_keeps_every_word_of_its_own() {
    assert_eq!(run(&["--", "status"]).command, ["status"]);
    assert_eq!(
        run(&["--", "sh", "-c", "echo hi", "--", "-g", "9"]).command,
        ["sh", "-c", "echo hi", "--", "-g", "9"]
    );
    assert_eq!(run(&["--", "--version"]).command, ["--version"]);
    assert_eq!(run(&["-n", "status", "--", "run"]).command, ["run"]);
    assert_eq!(run(&["-n", "status", "--", "run"]).note.as_deref(), Some("status"));
}

#[test]
fn a_command_need_not_be_utf8() {
    use std::os::unix::ffi::OsStringExt;
    let odd = OsString::from_vec(vec![b'a', 0xff]);
    let line = [words(&["--"]), vec![odd.clone()]].concat();
    let Ok(Parsed::Do(cli)) = parse(line) else { panic!("not read") };
    let Verb::Run(args) = cli.verb else { panic!("no run") };
    assert_eq!(args.command, [odd]);
}

#[test]
fn globals_stand_on_both_sides_of_the_verb() {
    for line in [
        &["--store", "redis://h:1/2", "--memory-threshold", "512", "-v", "status", "-j"][..],
        &["status", "-j", "--store", "redis://h:1/2", "--memory-threshold", "512", "-v"],
        &["--store=redis://h:1/2", "status", "-v", "--memory-threshold=512", "--json"],
    ] {
        let cli = cli(line);
        assert_eq!(cli.globals.store.as_deref(), Some("redis://h:1/2"), "{line:?}");
        assert_eq!(cli.globals.memory_threshold, Some(Megabytes(512)), "{line:?}");
        assert_eq!(cli.globals.verbose, 1, "{line:?}");
        assert!(matches!(cli.verb, Verb::Status(args) if args.json), "{line:?}");
    }
}

#[test]
fn the_options_of_the_go_program_are_read() {
    let cli = cli(&["status", "--redis-host", "10.0.0.1", "--redis-port", "6380", "--redis-db", "2"]);
    assert_eq!(cli.globals.redis_host.as_deref(), Some("10.0.0.1"));
    assert_eq!((cli.globals.redis_port, cli.globals.redis_db), (Some(6380), Some(2)));
    let args = run(&[
        "run",
        "--gpus",
        "1",
        "--gpu-ids",
        "1,3",
        "--timeout",
        "2h",
        "--note",
        "x",
        "--user",
        "alice",
        "--",
        "a",
    ]);
    assert_eq!(args.gpus.demand(), Ok(Some(Demand::Exactly(vec![GpuIndex(1), GpuIndex(3)]))));
    assert_eq!(args.timeout, Some(Duration::from_secs(7200)));
    assert_eq!((args.note.as_deref(), args.user.as_deref()), (Some("x"), Some("alice")));
}

#[test]
fn a_missing_separator_is_one_clear_error() {
    let error = wrong(&["python", "train.py"]);
    assert_eq!(error.to_string(), "write -- before the command 'python'");
    assert_eq!(error.hint(), Some("like this: chg -- python train.py"));
    let error = wrong(&["run", "-g", "2", "python", "a b.py", "--", "-x"]);
    assert_eq!(error.hint(), Some("like this: chg run -g 2 -- python 'a b.py' -x"));
}

#[test]
fn a_mistyped_verb_is_recognised() {
    let error = wrong(&["statsu"]);
    assert_eq!(error.to_string(), "there is no verb 'statsu'");
    assert_eq!(
        error.hint(),
        Some("did you mean 'chg status'? A program of that name runs as: chg -- statsu")
    );
}

#[test]
fn an_option_does_not_take_the_separator_for_its_value() {
    assert_eq!(wrong(&["-g", "--", "x"]).to_string(), "-g needs a value before the --");
    assert_eq!(wrong(&["run", "--note", "--", "x"]).to_string(), "--note needs a value before the --");
}

#[test]
fn an_empty_command_is_refused() {
    assert_eq!(wrong(&["--"]).to_string(), "no command after the --");
    assert_eq!(wrong(&["-g", "2", "--"]).to_string(), "no command after the --");
    assert_eq!(wrong(&["run"]).to_string(), "no command: write one after --");
    assert_eq!(wrong(&["-g", "2"]).to_string(), "no command: write one after --");
    assert_eq!(wrong(&[]).to_string(), "nothing to do: write a command after --, or a verb");
    assert_eq!(wrong(&["-v"]).to_string(), "no command: write one after --");
}

#[test]
fn bad_values_reach_our_own_words() {
    for (line, named) in [
        (&["-g", "-1", "--", "x"][..], "'-1'"),
        (&["-g", "0", "--", "x"], "'0'"),
        (&["-g", "two", "--", "x"], "'two'"),
        (&["-t", "-5h", "--", "x"], "'-5h'"),
        (&["reserve", "-d", "-5h"], "'-5h'"),
        (&["reserve", "-d", "30"], "'30'"),
        (&["reserve", "-d", "0s"], "'0s'"),
        (&["-G", "-1", "--", "x"], "'-1'"),
        (&["-G", "1,1", "--", "x"], "'1,1'"),
        (&["-E", "300", "--", "x"], "'300'"),
        (&["status", "--redis-port", "x"], "'x'"),
        (&["status", "--watch", "0"], "'0'"),
        (&["status", "-o", "wide"], "'wide'"),
        (&["admin", "--provider", "amd"], "'amd'"),
        (&["-u", "", "--", "x"], "--user: it is empty"),
    ] {
        let error = wrong(line).to_string();
        assert!(error.contains(named), "{line:?}: {error}");
    }
    assert_eq!(wrong(&["-g", "-1", "--", "x"]).to_string(), "--gpus: '-1' is not a whole number from 1 up");
}

#[test]
fn help_fits_a_narrow_terminal() {
    let mut top = Cli::command().term_width(80);
    top.build();
    for verb in std::iter::once(&mut top.clone()).chain(top.get_subcommands_mut()) {
        let help = verb.render_help().to_string();
        let wide = help.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "{}", verb.get_name());
        assert!(help.lines().count() <= 48, "{}: {} lines", verb.get_name(), help.lines().count());
    }
}

#[test]
fn a_count_and_ids_must_agree() {
    for (line, agrees) in [
        (&["-g", "2", "-G", "1,3", "--", "x"][..], true),
        (&["-g", "1", "-G", "1,3", "--", "x"], true),
        (&["-g", "3", "-G", "1,3", "--", "x"], false),
        (&["reserve", "-g", "3", "-G", "1,3"], false),
    ] {
        assert_eq!(parse(words(line)).is_ok(), agrees, "{line:?}");
    }
}

#[test]
fn help_and_version_are_shown() {
    for line in [&["--version"][..], &["-V"], &["run", "--version"], &["-q", "-V"], &["shim", "list", "-V"]] {
        assert_eq!(shown(line), concat!("canhazgpu ", env!("CARGO_PKG_VERSION"), "\n"), "{line:?}");
    }
    for verb in Cli::command().get_subcommands().map(clap::Command::get_name) {
        assert_eq!(shown(&[verb, "--help"]), shown(&[verb, "-h"]), "{verb}: the long form has gaps");
    }
    assert!(shown(&["--help"]).contains("reserve"));
    assert!(shown(&["-h"]).contains("reserve"));
    assert!(shown(&["help"]).contains("reserve"));
    assert!(shown(&["run", "--help"]).contains("--on-lost"));
    assert!(shown(&["-g", "2", "--help"]).contains("--on-lost"));
    assert!(!shown(&["--help"]).contains("web"), "what is not here is not shown");
}

#[test]
fn what_is_not_here_yet_says_so() {
    for line in [&["web"][..], &["web", "--port", "80"], &["status", "--all"], &["status", "--remote", "h"]] {
        assert!(wrong(line).to_string().contains("not here yet"), "{line:?}");
    }
}

#[test]
fn watch_takes_its_seconds_or_none() {
    let watch = |line: &[&str]| match cli(line).verb {
        Verb::Status(args) => args.watch,
        other => panic!("{other:?}"),
    };
    assert_eq!(watch(&["status"]), None);
    assert_eq!(watch(&["status", "--watch"]), Some(Duration::from_secs(2)));
    assert_eq!(watch(&["status", "--watch", "0.5"]), Some(Duration::from_millis(500)));
    assert_eq!(watch(&["status", "--watch=10"]), Some(Duration::from_secs(10)));
}

#[test]
fn a_shim_call_keeps_its_words() {
    let Verb::Shim(args) = cli(&["shim", "vllm", "--", "serve", "--help", "-g", "1"]).verb else {
        panic!("no shim")
    };
    let ShimVerb::Call(words) = args.verb else { panic!("no call") };
    assert_eq!(words, ["vllm", "--", "serve", "--help", "-g", "1"]);
    let error = wrong(&["shim", "vllm"]);
    assert_eq!(error.hint(), Some("to call a shim: chg shim vllm -- ARGUMENTS…"));
    let Verb::Shim(args) = cli(&["shim", "install", "vllm", "--dir", "/x"]).verb else { panic!("no shim") };
    assert!(matches!(args.verb, ShimVerb::Install(install) if install.names == ["vllm"]));
}

#[test]
fn records_are_reset_by_the_name_that_errors_print() {
    for name in ["gpu:3", "canhazgpu:gpu:3", "3"] {
        let Verb::Admin(args) = cli(&["admin", "--reset", name]).verb else { panic!("no admin") };
        assert_eq!(args.reset, Some(Record::OfGpu(GpuIndex(3))), "{name}");
    }
    for name in ["gpu_count", "canhazgpu:gpu_count"] {
        let Verb::Admin(args) = cli(&["admin", "--reset", name]).verb else { panic!("no admin") };
        assert_eq!(args.reset, Some(Record::OfPool(PoolRecord::GpuCount)), "{name}");
    }
    for name in ["gpus", "gpu:x", "queue:entry:3", ""] {
        assert!(parse(words(&["admin", "--reset", name])).is_err(), "{name}");
    }
}

#[test]
fn releases_take_their_gpus() {
    let Verb::Release(args) = cli(&["release", "-G", "1,3", "--force"]).verb else { panic!("no release") };
    assert_eq!(args.gpu_ids, Some(GpuIds(vec![GpuIndex(1), GpuIndex(3)])));
    assert!(args.force);
}

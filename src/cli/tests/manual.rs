//! The manual keeps up with the program.

use clap::{Arg, Command, CommandFactory};

use super::super::Cli;
use super::super::manual::{PAGES, page};

fn mentions(source: &str, arg: &Arg) -> bool {
    let long = arg.get_long().unwrap_or_default();
    let escaped = long.replace('-', "\\-");
    [long, escaped.as_str()].iter().any(|long| {
        let written = format!("Fl Fl {long}");
        source.lines().any(|line| {
            line.split(" , ").any(|part| {
                let part = part.trim_start_matches(".It ").trim_start_matches(". ");
                part == written || part.starts_with(&format!("{written} "))
            })
        })
    })
}

#[test]
fn every_verb_has_a_page_with_its_every_option() {
    let top = Cli::command();
    for verb in top.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        let source = page(Some(verb.get_name())).unwrap_or_else(|| panic!("no page for {}", verb.get_name()));
        for arg in verb.get_arguments().filter(|arg| arg.get_long().is_some() && !arg.is_hide_set()) {
            assert!(mentions(source, arg), "{}: --{}", verb.get_name(), arg.get_long().unwrap_or_default());
        }
    }
    let overview = page(None).expect("the overview");
    for arg in top.get_arguments().filter(|arg| arg.get_long().is_some()) {
        assert!(mentions(overview, arg), "--{}", arg.get_long().unwrap_or_default());
    }
}

/// The options that a page's synopsis and lists name: `Op Fl j`, `It Fl j , Fl Fl json`.
fn documented(source: &str) -> Vec<String> {
    let lists =
        source.lines().filter(|line| [".It Fl ", ".Op Fl "].iter().any(|start| line.starts_with(start)));
    let options = lists.flat_map(|line| line.split("Fl ").skip(1)).filter(|option| !option.is_empty());
    options.filter_map(|option| option.split(' ').next()).map(|name| name.replace("\\-", "-")).collect()
}

/// The options of a verb, its parts' included, long and short.
fn taken(verb: &Command) -> Vec<String> {
    let long = verb.get_arguments().filter_map(Arg::get_long).map(str::to_owned);
    let short = verb.get_arguments().filter_map(Arg::get_short).map(String::from);
    long.chain(short).chain(verb.get_subcommands().flat_map(taken)).collect()
}

#[test]
fn no_page_names_an_option_that_there_is_not() {
    let top = Cli::command();
    let mut checked = 0;
    for verb in top.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let source = page(Some(verb.get_name())).unwrap_or_else(|| panic!("no page for {}", verb.get_name()));
        let taken = taken(verb);
        for option in documented(source) {
            assert!(taken.contains(&option), "{}: {option}", verb.get_name());
            checked += 1;
        }
    }
    let of_all: Vec<_> =
        taken(&top).into_iter().chain(["h", "help", "V", "version"].map(str::to_owned)).collect();
    for option in documented(page(None).expect("the overview")) {
        assert!(of_all.contains(&option), "{option}");
        checked += 1;
    }
    assert!(checked > 50, "the options of the manual were not found");
}

#[test]
fn every_page_is_built_in() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("the manual")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut built_in: Vec<_> = PAGES.iter().map(|(file, _)| (*file).to_owned()).collect();
    built_in.sort();
    assert_eq!(built_in, files);
}

#[test]
fn pages_are_found_by_the_names_that_people_give_them() {
    for name in ["run", "canhazgpu-run", "chg-run", "canhazgpu-run.1"] {
        assert!(page(Some(name)).is_some_and(|source| source.contains("canhazgpu-run")), "{name}");
    }
    for name in ["config", "shims", "chg", "canhazgpu", "chg-shims.7"] {
        assert!(page(Some(name)).is_some(), "{name}");
    }
    assert_eq!(page(Some("cat")), None);
    assert!(page(None).is_some_and(|source| source.contains(".Nd reserve GPUs")));
}

//! The manual keeps up with the program: every option, in the words of the definition, and nothing else.

use std::collections::BTreeMap;

use clap::{Arg, Command, CommandFactory};

use super::super::Cli;
use super::super::manual::{PAGES, page};
use crate::exit;

/// What a page says of an option: its names and value, and the text below them.
struct Entry {
    long: String,
    /// As in `.It Fl g , Fl Fl gpus Ar n`, without `.It`.
    head: String,
    text: String,
}

/// The entries of a page's lists of options.
fn entries(source: &str) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    let mut open = 0;
    for line in source.lines() {
        if let Some(head) = line.strip_prefix(".It Fl ") {
            // Several options may share a text.
            let longs: Vec<&str> = head
                .split("Fl ")
                .skip(1)
                .filter_map(|rest| rest.split(' ').next())
                .filter(|name| name.len() > 1)
                .collect();
            open = found.len();
            for long in longs {
                found.push(Entry {
                    long: long.replace("\\-", "-"),
                    head: head.to_owned(),
                    text: String::new(),
                });
            }
        } else if line.starts_with(".It ") || line.starts_with(".El") {
            open = found.len();
        } else {
            for entry in &mut found[open..] {
                entry.text.push_str(line);
                entry.text.push('\n');
            }
        }
    }
    found
}

/// A verb with the pages of its parts.
fn options(verb: &Command) -> Vec<Arg> {
    let own = verb.get_arguments().filter(|arg| arg.get_long().is_some()).cloned();
    own.chain(verb.get_subcommands().flat_map(options)).collect()
}

fn documented_verbs(top: &Command) -> impl Iterator<Item = &Command> {
    top.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
}

fn long(arg: &Arg) -> &str {
    arg.get_long().unwrap_or_default()
}

fn check(name: &str, source: &str, options: &[Arg], hidden_too: bool) -> usize {
    let entries: BTreeMap<String, Entry> =
        entries(source).into_iter().map(|entry| (entry.long.clone(), entry)).collect();
    for arg in options.iter().filter(|arg| hidden_too || !arg.is_hide_set()) {
        let entry = entries.get(long(arg)).unwrap_or_else(|| panic!("{name}: nothing of --{}", long(arg)));
        agrees(name, arg, entry);
    }
    for option in entries.keys() {
        assert!(options.iter().any(|arg| long(arg) == option), "{name}: there is no --{option}");
    }
    entries.len()
}

/// The page names the same short form, says of a value exactly where one is taken, lists the words that may stand
/// there, and the default that `--help` names.
fn agrees(name: &str, arg: &Arg, entry: &Entry) {
    let Entry { long, head, text } = entry;
    if let Some(short) = arg.get_short() {
        assert!(
            head.starts_with(&format!("{short} , Fl Fl {long}")),
            "{name}: --{long} has a short form: {head}"
        );
    } else {
        assert!(head.contains(&format!("Fl {long}")), "{name}: --{long} has no short form: {head}");
    }
    let after = head.split(&format!("Fl {long}")).nth(1).unwrap_or_default();
    let value = after.split(" , ").next().unwrap_or_default().trim();
    let takes = arg.get_action().takes_values();
    assert_eq!(!value.is_empty(), takes, "{name}: the value of --{long}: {head}");
    for choice in arg.get_possible_values().iter().filter(|_| takes) {
        assert!(
            value.split(' ').any(|word| word == choice.get_name()),
            "{name}: --{long} {}",
            choice.get_name()
        );
    }
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if let Some(default) = help.split("[default: ").nth(1).and_then(|rest| rest.strip_suffix(']')) {
        let digits: String = default.chars().take_while(char::is_ascii_digit).collect();
        let named = if digits.is_empty() { default } else { &digits };
        assert!(
            text.contains(named) && text.contains("default"),
            "{name}: the default of --{long}, {default}"
        );
    }
}

#[test]
fn every_page_tells_of_every_option_and_of_no_other() {
    let top = Cli::command();
    let mut checked = 0;
    for verb in documented_verbs(&top) {
        let name = verb.get_name();
        let source = page(Some(name)).unwrap_or_else(|| panic!("no page for {name}"));
        checked += check(name, source, &options(verb), false);
    }
    let everywhere: Vec<Arg> = top.get_arguments().cloned().collect();
    checked += check("canhazgpu", page(None).expect("the overview"), &everywhere, true);
    assert!(checked > 50, "the options of the manual were not found");
}

#[test]
fn the_overview_names_every_verb() {
    let overview = page(None).expect("the overview");
    for verb in documented_verbs(&Cli::command()) {
        let name = verb.get_name();
        assert!(overview.contains(&format!("\n.It Cm {name}\n")), "{name} is not in the list");
        assert!(overview.contains(&format!("\n.Xr canhazgpu-{name} 1")), "{name} is not referred to");
    }
}

#[test]
fn the_overview_names_every_exit_status() {
    let overview = page(None).expect("the overview");
    let list = overview.split(".Sh EXIT STATUS").nth(1).and_then(|rest| rest.split(".El").next());
    let named: Vec<u8> =
        list.unwrap_or_default().lines().filter_map(|line| line.strip_prefix(".It ")?.parse().ok()).collect();
    let timed_out = 124;
    let all = [
        0,
        exit::FAILED,
        exit::USAGE,
        exit::BUSY,
        timed_out,
        exit::TROUBLE,
        exit::NOT_EXECUTABLE,
        exit::NOT_FOUND,
    ];
    assert_eq!(named, all);
}

/// The variables of ours that a text names, without what all begin with.
fn variables(text: &str) -> Vec<String> {
    let names = text.split("CANHAZGPU_").skip(1);
    let end = |rest: &str| rest.find(|c: char| !c.is_ascii_uppercase() && c != '_').unwrap_or(rest.len());
    names.map(|rest| rest[..end(rest)].to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Whether the page of settings, which has them all, has one for this variable: `STORE`, `RUN_TIMEOUT`.
fn is_setting(variable: &str) -> bool {
    let source = page(Some("config")).expect("the page of settings");
    let keys: Vec<&str> =
        source.lines().filter(|line| line.contains("Va ")).flat_map(|line| line.split([' ', ','])).collect();
    let name = variable.to_ascii_lowercase();
    let in_section = name
        .split_once('_')
        .is_some_and(|(section, key)| source.contains(&format!("[{section}]")) && keys.contains(&key));
    in_section || keys.contains(&&*name)
}

#[test]
fn the_variables_that_pages_name_are_those_that_there_are() {
    let special = ["CONFIG", "RESERVATION", "DEVICES", "SHIM_GPUS"];
    for (file, source) in PAGES {
        for name in variables(source) {
            assert!(is_setting(&name) || special.contains(&&*name), "{file}: CANHAZGPU_{name}");
        }
    }
    let overview = page(None).expect("the overview");
    for name in special {
        assert!(overview.contains(&format!("Ev CANHAZGPU_{name}")), "CANHAZGPU_{name}");
    }
    assert!(is_setting("RUN_ON_LOST") && !is_setting("RUN_TIMOUT"));
}

#[test]
fn every_page_says_what_it_is_with_an_example_and_the_statuses() {
    for (file, source) in PAGES {
        let name = file.rsplit_once('.').map_or(*file, |(name, _)| name);
        assert!(source.contains(&format!("\n.Nm {name}\n.Nd ")), "{file}");
        assert!(source.contains("\n.Sh EXAMPLES\n"), "{file}: no example");
        assert!(source.contains("\n.Sh SEE ALSO\n"), "{file}");
        assert_eq!(file.ends_with(".1"), source.contains("\n.Sh EXIT STATUS\n"), "{file}");
        for referred in source.lines().filter_map(|line| line.strip_prefix(".Xr canhazgpu")) {
            let (rest, section) =
                referred.trim_end_matches([' ', ',', '.', ')']).split_once(' ').expect("a section");
            let section = section.split(' ').next().unwrap_or_default();
            let target = format!("canhazgpu{rest}.{section}");
            assert!(PAGES.iter().any(|(file, _)| *file == target), "{file} refers to {target}");
        }
    }
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

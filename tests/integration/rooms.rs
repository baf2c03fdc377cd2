//! Keeps the rooms of the source apart: who may know Redis, NVML, unsafe code, /proc, the clock, the terminal, and
//! whom. Reads the source as text; `strip` takes comments and strings out first.

use std::fs;
use std::path::{Path, PathBuf};

mod examples;
mod strip;

use strip::{Strings, strip};

/// No file is longer than this, tests included.
const MOST_LINES: usize = 400;

/// Rooms that may know the model and what is below, but not one another (exceptions: [`may_know`]).
const SIBLINGS: &[&str] = &[
    "store",
    "seat",
    "bell",
    "gpu",
    "attribution",
    "supervise",
    "shim",
    "output",
    "config",
    "cli",
    "heartbeat",
];

/// The join of the rooms: known by nobody, and knowing everybody.
const ABOVE: &[&str] = &["commands", "error", "fuzz", "lib"];

/// Known by everybody but the model, which stands on nothing.
const BELOW: &[&str] = &["sys", "exit"];

/// Rooms in which the time is an argument.
const TIMELESS: &[&str] = &["model", "cli", "config", "shim", "output", "exit", "error"];

/// The loop of a watched screen: how long it waits, it has to measure.
const WAITS: &str = "output/watch/run.rs";

/// A rule that a file breaks.
#[derive(Debug, PartialEq, Eq)]
struct Breach {
    line: usize,
    what: String,
}

/// One file of the source, seen as its room.
struct Source<'a> {
    /// Relative to `src`, with forward slashes.
    path: &'a str,
    text: &'a str,
}

impl Source<'_> {
    /// `src/store/redis.rs` and `src/store.rs` are both of the room `store`.
    fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// `store/contract` is what every store is tested by.
    fn is_test(&self) -> bool {
        self.path.split('/').any(|part| matches!(part, "tests.rs" | "tests" | "testing.rs" | "contract"))
    }

    /// How many `super` lead from this file to the crate's root.
    fn depth(&self) -> usize {
        let parts = self.path.trim_end_matches(".rs").split('/');
        parts.filter(|part| *part != "mod").count()
    }

    fn breaches(&self) -> Vec<Breach> {
        let mut found = of_any_file(self.text);
        let whole = strip(self.text, Strings::Blank);
        found.extend(self.of_every_line(&whole));
        if !self.is_test() {
            let product = without_tests(&whole);
            found.extend(self.of_acquaintance(product));
            found.extend(self.of_clock_and_streams(product));
            found.extend(self.of_proc(without_tests(&strip(self.text, Strings::Keep))));
        }
        found
    }

    /// What holds for tests as well.
    fn of_every_line(&self, code: &str) -> Vec<Breach> {
        let room = self.room();
        let mut found = Vec::new();
        for (line, text) in numbered(code) {
            let mut breach = |what: &str| found.push(Breach { line, what: what.to_owned() });
            if room != "store" && (has_path(text, "redis") || has_path(text, "rusqlite")) {
                breach("Redis and SQLite are known in src/store only");
            }
            // The two calls that nvml-wrapper has no safe form of are unsafe code, and nothing more.
            let knows_nvml = room == "gpu" || self.path == "sys/nvml_v1.rs";
            if !knows_nvml && (has_word(text, "nvml_wrapper") || has_word(text, "nvml_wrapper_sys")) {
                breach("NVML is known in src/gpu only");
            }
            if room != "sys" && has_word(text, "unsafe") {
                breach("unsafe code is in src/sys only");
            }
            if ["println!", "eprintln!", "print!", "eprint!", "dbg!"].iter().any(|name| has_macro(text, name))
            {
                breach("the print macros panic when the terminal is gone: write through src/output");
            }
        }
        found
    }

    fn of_acquaintance(&self, code: &str) -> Vec<Breach> {
        let mut found = Vec::new();
        for (line, other) in acquaintances(code, self.depth()) {
            if !may_know(self.room(), &other) {
                found.push(Breach { line, what: format!("{} does not know {other}", self.room()) });
            }
        }
        found
    }

    fn of_clock_and_streams(&self, code: &str) -> Vec<Breach> {
        let mut found = Vec::new();
        for (line, text) in numbered(code) {
            if TIMELESS.contains(&self.room())
                && self.path != WAITS
                && (has_word(text, "SystemTime") || text.contains("Instant::now"))
            {
                found.push(Breach { line, what: "here the time is an argument".to_owned() });
            }
            let streams = ["io::stdout", "io::stderr", "stdout()", "stderr()"];
            // sys handles them as descriptors: which of them is the terminal.
            if !matches!(self.room(), "output" | "sys") && streams.iter().any(|name| text.contains(name)) {
                found.push(Breach {
                    line,
                    what: "stdout and stderr are written by src/output only".to_owned(),
                });
            }
        }
        found
    }

    /// A process may read what /proc says of itself and of the machine anywhere. The supervisor follows the tree of its
    /// own command, which is its child's and nobody else's. sys answers whether a process is stopped, as it answers for
    /// its group: the kernel has no other call for it.
    fn of_proc(&self, code: &str) -> Vec<Breach> {
        if matches!(self.room(), "attribution" | "supervise" | "sys") {
            return Vec::new();
        }
        let of_others = |text: &str| {
            text.match_indices("/proc/").any(|(at, _)| {
                let rest = &text[at + "/proc/".len()..];
                !["self", "thread-self", "net/", "sys/", "driver/", "meminfo", "uptime"]
                    .iter()
                    .any(|own| rest.starts_with(own))
            })
        };
        numbered(code)
            .filter(|(_, text)| of_others(text) || has_path(text, "procfs"))
            .map(|(line, _)| Breach {
                line,
                what: "/proc about others is read in src/attribution, of the own tree in src/supervise, only"
                    .to_owned(),
            })
            .collect()
    }
}

/// What holds for every file, wherever it lies.
fn of_any_file(text: &str) -> Vec<Breach> {
    let mut found = Vec::new();
    if !text.starts_with("//! ") {
        found.push(Breach {
            line: 1, what: "a file opens with a line that says its duty: //! …".to_owned()
        });
    }
    let lines = text.lines().count();
    if lines > MOST_LINES {
        found
            .push(Breach { line: MOST_LINES + 1, what: format!("{lines} lines; {MOST_LINES} are the most") });
    }
    found
}

fn may_know(room: &str, other: &str) -> bool {
    let is_room = [SIBLINGS, ABOVE, BELOW].iter().any(|rooms| rooms.contains(&other));
    if !is_room || room == other || ABOVE.contains(&room) {
        return true;
    }
    match room {
        "model" => false,
        "heartbeat" if other == "store" => true,
        "config" if other == "cli" => true,
        _ => BELOW.contains(&other),
    }
}

/// The rooms that the code names, each with its line: `crate::store`, `crate::{gpu, output::Line}`, `super::super::gpu`.
fn acquaintances(code: &str, depth: usize) -> Vec<(usize, String)> {
    let to_root = "super::".repeat(depth);
    let mut found = Vec::new();
    for start in ["crate::", to_root.as_str()] {
        for (at, _) in code.match_indices(start) {
            let inside_word = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if inside_word {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            found.extend(names_after(&code[at + start.len()..]).into_iter().map(|name| (line, name)));
        }
    }
    found
}

/// The first names of a path, or of each path in braces.
fn names_after(rest: &str) -> Vec<String> {
    let name =
        |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(group) = rest.trim_start().strip_prefix('{') else { return vec![name(rest)] };
    let (mut names, mut nested, mut item) = (Vec::new(), 0, String::new());
    for letter in group.chars() {
        match letter {
            '{' => nested += 1,
            '}' if nested == 0 => break,
            '}' => nested -= 1,
            ',' if nested == 0 => names.push(name(&std::mem::take(&mut item))),
            _ if nested == 0 => item.push(letter),
            _ => {}
        }
    }
    names.push(name(&item));
    names.retain(|name: &String| !name.is_empty());
    names
}

fn numbered(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines().enumerate().map(|(index, text)| (index + 1, text))
}

/// The code before a test module at the file's end.
fn without_tests(code: &str) -> &str {
    let end = code.match_indices("#[cfg(test)]").find(|(at, _)| {
        let after = code[at + "#[cfg(test)]".len()..].trim_start();
        after.starts_with("mod ")
            && after.split_once(['{', ';']).is_some_and(|(head, _)| after[head.len()..].starts_with('{'))
    });
    end.map_or(code, |(at, _)| &code[..at])
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part)
    })
}

/// `name::…` or `use name;`, but not a module of ours called so (`self::name`, `store::name`).
fn has_path(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        let starts = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '.');
        starts
            && (after.starts_with("::")
                || (before.trim_end().ends_with("use") && after.starts_with([';', ' '])))
    })
}

fn has_macro(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn rust_files(directory: &Path, into: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn files_under(directory: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut paths = Vec::new();
    rust_files(&root, &mut paths);
    paths.sort();
    let relative =
        |path: &Path| path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
    paths.iter().map(|path| (relative(path), fs::read_to_string(path).expect("text"))).collect()
}

fn assert_none(mut breaches: Vec<String>) {
    breaches.sort();
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
}

#[test]
fn every_room_keeps_to_itself() {
    let files = files_under("src");
    assert!(files.iter().any(|(path, _)| path == "lib.rs"), "the source was not found");
    let breaches = files.iter().flat_map(|(path, text)| {
        let found = Source { path, text }.breaches();
        found.into_iter().map(move |Breach { line, what }| format!("src/{path}:{line}: {what}"))
    });
    assert_none(breaches.collect());
}

#[test]
fn what_is_beside_the_product_is_short_and_says_its_duty() {
    let breaches = ["tests", "fakenvml", "bench", "fuzz"].into_iter().flat_map(|directory| {
        files_under(directory).into_iter().flat_map(move |(path, text)| {
            let found = of_any_file(&text);
            found.into_iter().map(move |Breach { line, what }| format!("{directory}/{path}:{line}: {what}"))
        })
    });
    assert_none(breaches.collect());
}

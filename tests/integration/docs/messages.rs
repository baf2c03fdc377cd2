//! The guide to troubleshooting names every message that the source can print, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const GUIDE: &str = include_str!("../../../docs/troubleshooting.md");

/// What a message stands behind in the source.
const BEFORE: [&str; 8] = [
    "#[error(",
    "UsageError::new(",
    "Self::new(",
    "message:",
    "let message = ",
    ".warn(",
    ".doing(",
    "News::Warning(",
];

/// Files whose every sentence is a message, but for the hints.
const SENTENCES: [&str; 2] = ["output/refusal.rs", "output/share.rs"];

/// Parts of messages: why a value is bad, why a GPU is unknown, what a test made up.
const PARTS: [&str; 7] = [
    "model/duration.rs",
    "model/gpu_list.rs",
    "commands/eyes.rs",
    "gpu/helper.rs",
    "gpu/inventory.rs",
    "model/occupancy/site.rs",
    "model/plan/blockers.rs",
];

#[test]
fn every_message_has_its_mend() {
    let source = messages();
    assert!(source.len() > 80, "{}", source.len());
    let guide: BTreeSet<String> = spans(GUIDE).map(str::to_owned).collect();
    let missing: Vec<_> = source.iter().filter(|message| !guide.contains(*message)).collect();
    assert!(missing.is_empty(), "not in docs/troubleshooting.md: {missing:#?}");
    let stale: Vec<_> =
        firsts(GUIDE).filter(|span| says_something(span) && !source.contains(*span)).collect();
    assert!(stale.is_empty(), "nowhere in the source: {stale:#?}");
}

/// Every message of the source, with `…` for what changes.
fn messages() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    for path in rust_files(&root) {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let whole =
            |message: &String| !PARTS.contains(&name.as_str()) || message.contains("; write it like ");
        found.extend(BEFORE.iter().flat_map(|marker| after(text, marker)).filter(whole));
        if SENTENCES.contains(&name.as_str()) {
            found.extend(sentences(text));
        }
    }
    found.retain(|message| says_something(message));
    found
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        // What doctor finds stands beside its mend.
        let is_told_elsewhere = ["tests", "contract", "doctor"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && !is_told_elsewhere {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}

/// The literals that follow a marker at once, or inside `format!`.
fn after(text: &str, marker: &str) -> Vec<String> {
    let literal = |rest: &str| {
        let rest = rest.trim_start().trim_start_matches('&');
        let rest = rest.strip_prefix("format!(").unwrap_or(rest).trim_start();
        rest.strip_prefix('"').map(|rest| shown(literal_text(rest)))
    };
    text.split(marker).skip(1).filter_map(literal).collect()
}

/// Every literal of more than two words outside the function of the hints.
fn sentences(text: &str) -> Vec<String> {
    let (before, rest) = text.split_once("\nfn hint(").unwrap_or((text, ""));
    let after = rest.split_once("\n}\n").map_or("", |(_, after)| after);
    let mut found = Vec::new();
    for line in [before, after].concat().lines().filter(|line| !line.trim_start().starts_with("//")) {
        let mut rest = line;
        while let Some((_, begun)) = rest.split_once('"') {
            let literal = literal_text(begun);
            rest = begun.get(literal.len() + 1..).unwrap_or_default();
            found.extend(
                Some(shown(literal)).filter(|text| text.split(' ').count() > 2 && !text.starts_with("'chg ")),
            );
        }
    }
    found
}

/// Up to the quote that ends it.
fn literal_text(rest: &str) -> &str {
    let mut before = ' ';
    let end = rest.find(|letter| {
        let ends = letter == '"' && before != '\\';
        before = letter;
        ends
    });
    &rest[..end.unwrap_or(rest.len())]
}

/// A literal as a reader sees it.
fn shown(literal: &str) -> String {
    let (mut text, mut depth) = (String::new(), 0);
    for letter in literal.replace("\\\"", "\"").chars() {
        match letter {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                text.push('…');
            }
            other if depth == 0 => text.push(other),
            _ => {}
        }
    }
    text
}

/// Whether it is more than what changes.
fn says_something(message: &str) -> bool {
    message.chars().filter(|letter| letter.is_alphabetic()).count() > 3
}

/// Everything between backquotes.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The first column of every table, and the list of what the kernel refused.
fn firsts(text: &str) -> impl Iterator<Item = &str> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|line| line.split('`').nth(1))
}

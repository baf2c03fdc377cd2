//! The documents say what is so: every message is in the guide, and every command line runs.

mod blocks;
mod messages;
mod rights;
mod scene;

use blocks::{Block, blocks};

const DOCUMENTS: [(&str, &str); 3] = [
    ("README.md", include_str!("../../README.md")),
    ("docs/administration.md", include_str!("../../docs/administration.md")),
    ("docs/troubleshooting.md", include_str!("../../docs/troubleshooting.md")),
];

#[test]
fn every_command_line_of_the_documents_runs() {
    for (name, text) in DOCUMENTS {
        let Some(ran) = scene::play(name, text) else { return };
        let left = blocks(text).iter().filter(|block| **block == Block::NotRun).count();
        assert!(left <= 1 && ran > 0, "{name}: {ran} run, {left} not");
    }
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, text) in DOCUMENTS {
        let directory = root.join(name).parent().unwrap().to_path_buf();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, part) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            let target = if file.is_empty() { root.join(name) } else { directory.join(file) };
            let text = std::fs::read(&target).unwrap_or_else(|error| panic!("{name}: {link}: {error}"));
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(part.is_empty() || anchors(&text).any(|anchor| anchor == part), "{name}: {link}");
        }
    }
}

/// What a heading is called in a link, as GitHub makes it.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings.map(|heading| {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|letter| letter.is_alphanumeric() || *letter == '-').collect()
    })
}

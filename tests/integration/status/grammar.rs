//! Every line of `status` follows the grammar, and so does every line that the documents show.

use std::fs;
use std::path::Path;

use fakenvml::Code;

use crate::support::grammar::read;
use crate::support::host::{Host, can_be_others};

fn follows(line: &str) {
    read(line).unwrap_or_else(|fault| panic!("{fault}"));
}

#[test]
fn the_lines_of_a_busy_host_follow_the_grammar() {
    let host = Host::with_gpus(8);
    host.me().does(&["-G", "0", "--", "true"]);
    let _run =
        host.me().holds(&["-G", "1", "-n", "a note: (1), 2] [model: x", "-u", "label) for 0h 0m 1s (run"]);
    host.me().does(&["reserve", "-G", "2,7", "-n", "demo"]);
    let _worker = host.me().takes_without_asking(&[3], "python3");
    let _second = host.me().takes_without_asking(&[3], "jupyter");
    host.gpus.set_used(4, 9000);
    host.gpus.worker("vllm");
    let _server = host.me().starts(&["-G", "5", "--", "vllm", "serve", "a/b"]);
    host.processes_on(5, 1);
    host.gpus.fail("*", Some(6), Code::GPU_IS_LOST);
    host.gpus.fail("*", Some(7), Code::GPU_IS_LOST);
    if can_be_others() {
        let _intruder = host.user(1).takes_without_asking(&[1], "python3");
        let line = host.line(1);
        follows(&line);
        assert!(line.contains(" + IN USE WITHOUT RESERVATION by user uid 23001 - "), "{line}");
        let _other = host.user(1).takes_without_asking(&[3], "python3");
        let line = host.line(3);
        follows(&line);
        assert!(line.contains(" by users "), "{line}");
    }
    let status = host.status();
    assert_eq!(status.len(), 8);
    let words =
        ["AVAILABLE", "IN USE", "IN USE", "IN USE WITHOUT", "IN USE WITHOUT", "IN USE", "UNKNOWN", "UNKNOWN"];
    for (line, word) in status.iter().zip(words) {
        follows(line);
        assert!(line.split(": ").nth(1).unwrap().starts_with(word), "{line}");
    }
}

/// The lines of status in a text, each without what the text adds to it.
fn lines_in(name: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let mut lines: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        let starts =
            line.strip_prefix("GPU ").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        match lines.last_mut() {
            _ if starts => lines.push(line.to_owned()),
            // A page breaks them, and says so.
            Some(last) if is_open && line.starts_with("       ") => {
                last.push(' ');
                last.push_str(line.trim());
            }
            _ => {}
        }
        is_open = starts || (is_open && line.starts_with("       "));
    }
    lines
}

#[test]
fn the_lines_that_documents_show_follow_the_grammar() {
    for (name, least) in [("README.md", 6), ("man/canhazgpu-status.1", 4)] {
        let lines = lines_in(name);
        assert!(lines.len() >= least, "{name}: {lines:#?}");
        lines.iter().for_each(|line| follows(line));
    }
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".md") {
            lines_in(&format!("docs/{name}")).iter().for_each(|line| follows(line));
        }
    }
}

#[test]
fn what_does_not_follow_the_grammar_is_found() {
    for line in [
        "GPU x: AVAILABLE (never used)",
        "GPU 0: AVAILABLE",
        "GPU 0: AVAILABLE (last released 5m ago) [validated: 4MB used]",
        "GPU 0: IN USE by alice for 0h 0m 1s (run) [validated: 8004MB, 1 processes]",
        "GPU 0: IN USE by alice for 0h 0m 1s (manual, expires in 3h) [validated: no actual usage detected]",
        "GPU 0: IN USE by alice for 0h 0m 1s (manual, expires in 3h 0m 0s)",
        "GPU 0: IN USE WITHOUT RESERVATION by bob - 4004MB used by PID 1 (x)",
        "GPU 0: IN USE WITHOUT RESERVATION by users bob - 4004MB used by PID 1 (x)",
        "GPU 0: IN USE WITHOUT RESERVATION by user bob - 4004MB used by PID x",
        "GPU 0: AVAILABLE (never used) [validated: 4MB used] [something: else]",
        "GPU 0: AVAILABLE (never used) [validated: 4MB used] ",
    ] {
        assert!(read(line).is_err(), "{line}");
    }
}

#[test]
fn the_pictures_of_the_readme_are_there_and_small_and_say_what_they_show() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("README.md")).unwrap();
    let pictures: Vec<(&str, &str)> = text
        .split("![")
        .skip(1)
        .filter_map(|rest| {
            rest.split_once("](")?
                .1
                .split_once(')')
                .map(|(path, _)| (rest.split("](").next().unwrap_or(""), path))
        })
        .collect();
    let mut paths: Vec<&str> = pictures.iter().map(|(_, path)| *path).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["docs/status.png", "docs/table.png", "docs/watch.png"]);
    for (told, path) in pictures {
        let bytes = fs::read(root.join(path)).unwrap();
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"), "{path}");
        assert!(bytes.len() < 150_000, "{path}: {}", bytes.len());
        assert!(told.len() > 40, "{path}: {told}");
    }
}

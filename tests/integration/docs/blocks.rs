//! The fenced blocks of a document that say what to type, and what to write into which file.

/// What a block is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// The commands behind `$ `, without their comments.
    Console(Vec<String>),
    /// A file of settings whose first line is its path.
    File { path: String, text: String },
    /// Marked so, with a reason.
    NotRun,
}

/// In order. A block of commands cannot be left out without a reason in front of it: `<!-- not run: … -->`.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    let mut before = "";
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```").filter(|kind| !kind.is_empty()) {
            let inside: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.extend(block(kind, &inside, before));
        }
        if !line.is_empty() {
            before = line;
        }
    }
    found
}

fn block(kind: &str, inside: &[&str], before: &str) -> Option<Block> {
    let reason = before.strip_prefix("<!-- not run: ").and_then(|rest| rest.strip_suffix(" -->"));
    match kind {
        "console" => Some(match reason {
            Some(reason) => {
                assert!(reason.len() > 10, "why: {reason:?}");
                Block::NotRun
            }
            None => Block::Console(commands(inside)),
        }),
        "toml" => inside.first().and_then(|first| first.strip_prefix("# ")).map(|path| Block::File {
            path: path.to_owned(),
            text: inside.iter().flat_map(|line| [line, "\n"]).collect(),
        }),
        _ => None,
    }
}

fn commands(inside: &[&str]) -> Vec<String> {
    let typed = inside.iter().filter_map(|line| line.strip_prefix("$ "));
    typed.map(|command| command.split("  #").next().unwrap_or_default().trim_end().to_owned()).collect()
}

#[test]
fn commands_and_files_are_read_and_nothing_else() {
    let text = "a\n\n```console\n$ one 'a  b'      # a comment\nits output\n$ two\n```\n\n```toml\n# /etc/x\na = 1\n```\n\
                ```toml\na = 1\n```\n<!-- not run: it would never end -->\n```console\n$ three\n```\n```\n$ four\n```\n";
    let expected = [
        Block::Console(vec!["one 'a  b'".into(), "two".into()]),
        Block::File { path: "/etc/x".into(), text: "# /etc/x\na = 1\n".into() },
        Block::NotRun,
    ];
    assert_eq!(blocks(text), expected);
}

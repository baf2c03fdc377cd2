//! Rust source without its comments, and without the text of its strings where asked: enough of a lexer to look for
//! words. Line numbers are kept.

/// What becomes of string literals.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Strings {
    Keep,
    Blank,
}

/// Blanks comments (and strings) out, newlines excepted.
pub(super) fn strip(text: &str, strings: Strings) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (length, keep) = next(rest, code.chars().next_back());
        let (token, after) = rest.split_at(length);
        let keep = match keep {
            Keep::Code => true,
            Keep::Comment => false,
            Keep::Text => strings == Strings::Keep,
        };
        code.extend(token.chars().map(|letter| if keep || letter == '\n' { letter } else { ' ' }));
        rest = after;
    }
    code
}

enum Keep {
    Code,
    Comment,
    Text,
}

/// How long the next piece is, and what it is.
fn next(rest: &str, before: Option<char>) -> (usize, Keep) {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), Keep::Comment);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), Keep::Comment);
    }
    if let Some(length) = raw_string(rest).filter(|_| !in_word) {
        return (length, Keep::Text);
    }
    if rest.starts_with('"') {
        return (quoted(rest), Keep::Text);
    }
    if let Some(length) = character(rest) {
        return (length, Keep::Text);
    }
    (rest.chars().next().map_or(1, char::len_utf8), Keep::Code)
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let here = &rest[at..];
        at += match () {
            () if here.starts_with("/*") => {
                depth += 1;
                2
            }
            () if here.starts_with("*/") => {
                depth -= 1;
                2
            }
            () => here.chars().next().map_or(1, char::len_utf8),
        };
        if depth == 0 {
            break;
        }
    }
    at
}

/// `r"…"`, `r#"…"#`, `br"…"`, `cr"…"`.
fn raw_string(rest: &str) -> Option<usize> {
    let marks =
        rest.strip_prefix("br").or_else(|| rest.strip_prefix("cr")).or_else(|| rest.strip_prefix('r'))?;
    let hashes = marks.len() - marks.trim_start_matches('#').len();
    let body = marks[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let opened = rest.len() - body.len();
    Some(body.find(&end).map_or(rest.len(), |at| opened + at + end.len()))
}

fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal, told from a lifetime by its closing quote.
fn character(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    if body.starts_with('\\') {
        return body.char_indices().skip(2).find(|(_, letter)| *letter == '\'').map(|(at, _)| at + 2);
    }
    let first = body.chars().next()?;
    let after = &body[first.len_utf8()..];
    after.starts_with('\'').then(|| 2 + first.len_utf8())
}

//! The flat part of a YAML file: `key: scalar` at the top, or of a JSON object, which is YAML too. Pure.

/// In place of a value that is no scalar: no number and no word that anybody asks for.
const BLOCK: &str = "a block of its own";

/// The scalars at the top of the file, as text and in its order; the last of two with one name counts. What is null is
/// left out.
///
/// # Errors
/// It is written in a way that only a whole YAML parser reads.
pub(super) fn scalars(text: &str) -> Result<Vec<(String, String)>, String> {
    if let Ok(serde_json::Value::Object(object)) = serde_json::from_str(text) {
        return Ok(object.into_iter().filter_map(|(key, value)| Some((key, json_scalar(&value)?))).collect());
    }
    let lines: Vec<&str> = text.lines().filter(|line| says_something(line)).collect();
    let top = lines.first().map_or(0, |line| indent(line));
    if lines.first().is_some_and(|line| line.trim_start().starts_with(['{', '[', '?', '&', '!', '%'])) {
        return Err("it is not written as 'key: value' lines".to_owned());
    }
    let mut found: Vec<(String, String)> = Vec::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| indent(line) == top) {
        let goes_on = lines.get(at + 1).is_some_and(|next| indent(next) > top);
        let Some((key, value)) = entry(line) else { continue };
        let value = if value.is_empty() && goes_on { Some(BLOCK.to_owned()) } else { plain(value) };
        // A later one replaces an earlier one, with nothing, too.
        found.retain(|(known, _)| known != key);
        found.extend(value.map(|value| (key.to_owned(), value)));
    }
    Ok(found)
}

/// Whether a key is set to something, however deep it stands.
pub(super) fn is_set_anywhere(text: &str, key: &str) -> bool {
    let value = |line: &str| {
        let rest = line.trim_start().trim_start_matches(['"', '\'']).strip_prefix(key)?;
        let value = rest.trim_start_matches(['"', '\'']).trim_start().strip_prefix(':')?;
        plain(value.trim().trim_end_matches(','))
    };
    text.lines().any(|line| value(line).is_some())
}

/// What a switch of the file says, if it is one: YAML 1.1 has many words for it.
pub(super) fn switch(value: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 3]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    if is_one_of(["true", "yes", "on"]) {
        return Some(true);
    }
    is_one_of(["false", "no", "off"]).then_some(false)
}

fn json_scalar(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(_) | serde_json::Value::Bool(_) => Some(value.to_string()),
        serde_json::Value::Null => None,
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => Some(BLOCK.to_owned()),
    }
}

/// Neither empty, nor a comment, nor the mark of a document.
fn says_something(line: &str) -> bool {
    let line = line.trim_end();
    !line.trim_start().is_empty() && !line.trim_start().starts_with('#') && !matches!(line, "---" | "...")
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Key and value of a line; a list's item has none.
fn entry(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.trim().split_once(':')?;
    let key = key.trim().trim_matches(['"', '\'']);
    let value = if value.trim_start().starts_with('#') { "" } else { value };
    let value = value.split(" #").next().unwrap_or_default().trim();
    (!key.is_empty() && !key.starts_with("- ")).then_some((key, value))
}

fn plain(value: &str) -> Option<String> {
    let unquoted = value.trim_matches(['"', '\'']);
    let is_null = unquoted == value && matches!(value, "" | "~" | "null" | "Null" | "NULL");
    (!is_null).then(|| unquoted.to_owned())
}

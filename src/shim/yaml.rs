//! The flat part of a YAML file: `key: scalar` lines at the top, or of a JSON object, which is YAML too. What is nested
//! is left out. Pure.

use std::collections::BTreeMap;

/// The scalars at the top of the file, as text.
pub(super) fn scalars(text: &str) -> BTreeMap<String, String> {
    if let Ok(serde_json::Value::Object(object)) = serde_json::from_str(text) {
        return object.into_iter().filter_map(|(key, value)| Some((key, json_scalar(&value)?))).collect();
    }
    text.lines().filter(|line| !line.starts_with([' ', '\t', '#', '-'])).filter_map(scalar).collect()
}

fn json_scalar(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(_) | serde_json::Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

fn scalar(line: &str) -> Option<(String, String)> {
    let (key, value) = line.split_once(':')?;
    let value = value.split(" #").next().unwrap_or_default().trim();
    let plain = value.trim_matches(['"', '\'']);
    let key = key.trim().trim_matches(['"', '\'']);
    (!key.is_empty() && !plain.is_empty()).then(|| (key.to_owned(), plain.to_owned()))
}

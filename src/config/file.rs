//! One configuration file: TOML text to keys and values with their lines. Pure.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::datum::Kind;
use super::error::ConfigError;
use super::resolve::{Layer, Origin};
use super::settings::{Setting, allowed_beside, is_section, meant};

/// A value as a file has it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) setting: &'static Setting,
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// Reads a file whole.
///
/// # Errors
/// Syntax, unknown keys, values of the wrong form; each with its line.
pub(super) fn read(layer: &Layer) -> Result<Vec<Entry>, ConfigError> {
    let table = DeTable::parse(&layer.text).map_err(|wrong| ConfigError::Syntax {
        place: layer.origin(wrong.span().map_or(0, |span| span.start)),
        why: wrong.message().lines().next().unwrap_or("not TOML").to_owned(),
    })?;
    let mut entries = Vec::new();
    collect(layer, "", table.get_ref(), &mut entries)?;
    Ok(entries)
}

fn collect(
    layer: &Layer,
    section: &str,
    table: &DeTable<'_>,
    into: &mut Vec<Entry>,
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let place = layer.origin(name.span().start);
        // Flags are written with hyphens, keys with underscores: take both.
        let name = name.get_ref().replace('-', "_");
        let key = if section.is_empty() { name } else { format!("{section}.{name}") };
        match (Setting::named(&key), value.get_ref()) {
            (Some(setting), value) => {
                let text = text(setting.kind, value).ok_or_else(|| wrong_form(setting, &place, value))?;
                if into.iter().any(|entry| entry.setting.key == setting.key) {
                    return Err(ConfigError::Syntax { place, why: format!("{key} is set twice") });
                }
                into.push(Entry { setting, text, origin: place });
            }
            (None, DeValue::Table(inner)) if section.is_empty() && is_section(&key) => {
                collect(layer, &key, inner, into)?;
            }
            (None, _) => {
                let (allowed, meant) = (allowed_beside(&key), meant(&key));
                return Err(ConfigError::Unknown { place, key, allowed, meant });
            }
        }
    }
    Ok(())
}

/// The value as a variable would have it; `None` for a form that no setting takes.
fn text(kind: Kind, value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Array(items) if kind.is_list() => {
            let items: Option<Vec<String>> = items.iter().map(Spanned::get_ref).map(scalar).collect();
            items.map(|items| items.join(","))
        }
        other => scalar(other),
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn wrong_form(setting: &Setting, place: &Origin, value: &DeValue<'_>) -> ConfigError {
    let why = format!("a TOML {} is not what it takes", value.type_str());
    ConfigError::Bad { place: place.clone(), key: setting.key.to_owned(), why }
}

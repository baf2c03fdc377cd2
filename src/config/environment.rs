//! Variables named CANHAZGPU_…: to settings, and those that are none. Pure.

use std::ffi::OsString;

use super::error::ConfigError;
use super::file::Entry;
use super::resolve::Origin;
use super::settings::SETTINGS;

/// What all of ours begin with.
pub(super) const PREFIX: &str = "CANHAZGPU_";

/// Not settings: which file to read, and what commands and shims are told.
const OURS: &[&str] = &[
    "CANHAZGPU_CONFIG",
    "CANHAZGPU_RESERVATION",
    "CANHAZGPU_DEVICES",
    "CANHAZGPU_SHIM_GPUS",
    "CANHAZGPU_SHIM_HOPS",
];

/// Settings among the variables, and the names that are none. An empty variable is as good as none.
pub(super) fn read(variables: &[(String, OsString)]) -> Result<(Vec<Entry>, Vec<String>), ConfigError> {
    let (mut entries, mut strays) = (Vec::new(), Vec::new());
    for (name, value) in
        variables.iter().filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty())
    {
        let origin = Origin::Environment(name.clone());
        match SETTINGS.iter().find(|setting| setting.variable() == *name) {
            Some(setting) => {
                let text = value.to_str().ok_or_else(|| ConfigError::Bad {
                    place: origin.clone(),
                    key: setting.key.to_owned(),
                    why: "it is not UTF-8".to_owned(),
                })?;
                entries.push(Entry { setting, text: text.to_owned(), origin });
            }
            None if !OURS.contains(&name.as_str()) => strays.push(name.clone()),
            None => {}
        }
    }
    Ok((entries, strays))
}

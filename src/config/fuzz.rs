//! Configuration files, for the fuzzer.

use std::path::PathBuf;

use super::resolve::{Layer, Layers, Settings};
use crate::cli::Globals;

/// One text as the host's file and as the user's: it is refused with a sentence, or its values can be shown.
pub(crate) fn file(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let layer = Layer { path: PathBuf::from("config.toml"), text: text.to_owned() };
    let flags = Globals::default();
    let layers = Layers { flags: &flags, host: Some(&layer), environment: &[], user: Some(&layer) };
    match Settings::resolve(&layers) {
        Ok(settings) => drop(settings.in_force()),
        Err(error) => {
            assert!(!error.to_string().is_empty() && error.hint().is_none_or(|hint| !hint.is_empty()))
        }
    }
}

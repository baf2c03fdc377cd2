//! What the kernel, container engines and other people's command lines say, for the fuzzer.

use super::cgroup::Place;
use super::command_lines::words_in;
use super::containers;
use super::model_in_use::model_of;
use super::owners::login_in;
use super::stat::Stat;

/// A file of /proc/PID, whichever it is.
pub(crate) fn proc(bytes: &[u8]) {
    let _ = (Stat::parse(bytes), Place::parse(bytes), login_in(bytes));
    let words = words_in(bytes);
    assert!(words.last().is_none_or(|last| !last.is_empty()), "{words:?}");
}

pub(crate) fn containers(bytes: &[u8]) {
    let named = containers::parse(&String::from_utf8_lossy(bytes));
    assert!(named.keys().all(|id| !id.is_empty()));
    let _ = containers::docker::parse(bytes, &"0123456789abcdef".repeat(4));
}

/// A command line, its words ended by zero bytes.
pub(crate) fn models(bytes: &[u8]) {
    let words = words_in(bytes);
    if let Some(model) = model_of([words.as_slice()]) {
        assert!(model.contains(char::is_alphanumeric), "{model:?}");
    }
}

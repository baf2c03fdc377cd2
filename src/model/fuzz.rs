//! Texts that people type, for the fuzzer.

use super::{duration, gpu_list};

/// What is read can be written and read again, and is within bounds.
pub(crate) fn durations(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    match duration::parse(text) {
        Ok(span) => {
            assert!(!span.is_zero() && span.as_secs() <= 366 * 86_400, "{span:?}");
            assert_eq!(duration::parse(&format!("{}ns", span.as_nanos())).ok().or(Some(span)), Some(span));
        }
        Err(wrong) => assert!(!wrong.to_string().is_empty()),
    }
}

/// What is read is in order and without repetition, and is written so that it can be read again.
pub(crate) fn gpu_lists(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    match gpu_list::parse(text) {
        Ok(gpus) => {
            assert!(!gpus.is_empty() && gpus.is_sorted_by(|a, b| a < b), "{gpus:?}");
            assert_eq!(gpu_list::parse(&gpu_list::compact(&gpus)).ok(), Some(gpus));
        }
        Err(wrong) => assert!(!wrong.to_string().is_empty()),
    }
}

//! Lists of GPU ids as people type and read them. Pure.

use std::fmt::Write as _;

use super::ids::GpuIndex;

#[cfg(test)]
mod tests;

/// No machine has more; a larger number is a slip of the finger.
const LARGEST: u32 = 1023;

/// Why a text is not a list of GPU ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a list of GPU ids: {why}; write it like 1,3 or 0-3")]
pub(crate) struct BadGpuList {
    text: String,
    why: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("it is empty")]
    Empty,
    #[error("an id is missing between commas")]
    Gap,
    #[error("'{0}' is negative")]
    Negative(String),
    #[error("'{0}' is not a number")]
    NotANumber(String),
    #[error("'{0}' runs backwards")]
    Backwards(String),
    #[error("{0} is named twice")]
    Twice(u32),
    #[error("'{0}' is beyond any GPU")]
    TooLarge(String),
}

/// Reads `1,3` and `0-3` and mixtures. The answer is ascending, without duplicates, not empty.
///
/// # Errors
/// Says which part of the text is wrong, and how lists are written.
pub(crate) fn parse(text: &str) -> Result<Vec<GpuIndex>, BadGpuList> {
    ids(text).map_err(|why| BadGpuList { text: text.to_owned(), why })
}

fn ids(text: &str) -> Result<Vec<GpuIndex>, Fault> {
    if text.trim().is_empty() {
        return Err(Fault::Empty);
    }
    let mut all = Vec::new();
    for item in text.split(',') {
        let (first, last) = range(item.trim())?;
        all.extend((first..=last).map(GpuIndex));
    }
    all.sort_unstable();
    match all.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Fault::Twice(pair[0].0)),
        None => Ok(all),
    }
}

fn range(item: &str) -> Result<(u32, u32), Fault> {
    if item.is_empty() {
        return Err(Fault::Gap);
    }
    if item.starts_with('-') {
        return Err(Fault::Negative(item.to_owned()));
    }
    let Some((first, last)) = item.split_once('-') else {
        return number(item).map(|id| (id, id));
    };
    let (first, last) = (number(first.trim_end())?, number(last.trim_start())?);
    if first <= last { Ok((first, last)) } else { Err(Fault::Backwards(item.to_owned())) }
}

fn number(text: &str) -> Result<u32, Fault> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::NotANumber(text.to_owned()));
    }
    // Digits that do not fit are as wrong as those that do but are beyond any GPU.
    text.parse().ok().filter(|id| *id <= LARGEST).ok_or_else(|| Fault::TooLarge(text.to_owned()))
}

/// `1,3`: for CUDA_VISIBLE_DEVICES and `--short`.
pub(crate) fn compact(gpus: &[GpuIndex]) -> String {
    joined(gpus, ",")
}

/// `1, 3`: in sentences.
pub(crate) fn spaced(gpus: &[GpuIndex]) -> String {
    joined(gpus, ", ")
}

/// `[1, 3]`: as the Go tool prints them, and scripts parse.
pub(crate) fn bracketed(gpus: &[GpuIndex]) -> String {
    format!("[{}]", spaced(gpus))
}

fn joined(gpus: &[GpuIndex], between: &str) -> String {
    let mut text = String::new();
    for (position, gpu) in gpus.iter().enumerate() {
        let separator = if position == 0 { "" } else { between };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{gpu}");
    }
    text
}

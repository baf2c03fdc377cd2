//! Reads durations and GPU lists until the model does.

use std::time::Duration;

use crate::model::ids::GpuIndex;

pub(super) fn span(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text.trim()) {
        Ok(span) if !span.is_zero() && !text.starts_with(['+', '-']) => Ok(span),
        _ => Err("expected a duration such as 30m, 2h, 1d or \"1h 30m\"".to_owned()),
    }
}

pub(super) fn ids(text: &str) -> Result<Vec<GpuIndex>, String> {
    let mut ids: Vec<GpuIndex> = Vec::new();
    for part in text.split(',') {
        ids.push(part.trim().parse().map(GpuIndex).map_err(|_| "expected GPU ids such as 1,3".to_owned())?);
    }
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("a GPU is named twice".to_owned());
    }
    Ok(ids)
}

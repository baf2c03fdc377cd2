//! From the text of an option to its value, with an error that says what is allowed.

use std::num::NonZeroU32;
use std::time::Duration;

use super::interim;
use crate::model::device::Provider;
use crate::model::ids::{GpuIndex, LeaseId, Megabytes};
use crate::model::strategy::Strategy;

/// GPU ids as given: ascending, without duplicates, not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GpuIds(pub(crate) Vec<GpuIndex>);

pub(super) fn span(text: &str) -> Result<Duration, String> {
    interim::span(text)
}

pub(super) fn gpu_ids(text: &str) -> Result<GpuIds, String> {
    interim::ids(text).map(GpuIds)
}

pub(super) fn count(text: &str) -> Result<NonZeroU32, String> {
    text.trim().parse().map_err(|_| "expected how many, a whole number from 1 up".to_owned())
}

pub(super) fn megabytes(text: &str) -> Result<Megabytes, String> {
    text.trim().parse().map(Megabytes).map_err(|_| "expected a whole number of megabytes".to_owned())
}

/// Of `status --watch`: seconds between two looks.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.trim().parse().map_err(|_| "expected a number of seconds".to_owned())?;
    if (0.1..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("expected from 0.1 to 86400 seconds".to_owned())
    }
}

/// Text that must say something.
pub(super) fn text(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) }
}

pub(super) fn lease_id(text: &str) -> Result<LeaseId, String> {
    self::text(text).map(|text| LeaseId(text.trim().to_owned()))
}

pub(super) fn provider(text: &str) -> Result<Provider, String> {
    Provider::parse(text).ok_or_else(|| "expected nvidia or fake".to_owned())
}

pub(super) fn strategy(text: &str) -> Result<Strategy, String> {
    match text {
        "lru" => Ok(Strategy::Lru),
        "affinity" => Ok(Strategy::Affinity),
        _ => Err("expected lru or affinity".to_owned()),
    }
}

/// A record as an error message names it: `gpu:3`, with any prefix, or the bare index.
pub(super) fn gpu_record(text: &str) -> Result<GpuIndex, String> {
    let expected = || "expected the name of a GPU's record, such as gpu:3".to_owned();
    let (before, index) = text.rsplit_once(':').unwrap_or(("gpu", text));
    if before != "gpu" && !before.ends_with(":gpu") {
        return Err(expected());
    }
    index.parse().map(GpuIndex).map_err(|_| expected())
}

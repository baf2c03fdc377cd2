//! From the text of an option or a setting to its value. Each error names the text and says what is allowed.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

use crate::model::device::Provider;
use crate::model::ids::{GpuIndex, LeaseId, Megabytes};
use crate::model::record::{PoolRecord, Record};
use crate::model::strategy::Strategy;
use crate::model::{duration, gpu_list};

/// GPU ids as given: ascending, without duplicates, not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GpuIds(pub(crate) Vec<GpuIndex>);

pub(crate) fn span(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|wrong| wrong.to_string())
}

pub(crate) fn gpu_ids(text: &str) -> Result<GpuIds, String> {
    gpu_list::parse(text).map(GpuIds).map_err(|wrong| wrong.to_string())
}

pub(crate) fn count(text: &str) -> Result<NonZeroU32, String> {
    number(text, "a whole number from 1 up")
}

pub(crate) fn megabytes(text: &str) -> Result<Megabytes, String> {
    number(text, "a whole number of megabytes").map(Megabytes)
}

pub(crate) fn status(text: &str) -> Result<u8, String> {
    number(text, "an exit status from 0 to 255")
}

pub(crate) fn port(text: &str) -> Result<u16, String> {
    number(text, "a port from 0 to 65535")
}

pub(crate) fn database(text: &str) -> Result<u32, String> {
    number(text, "the number of a Redis database")
}

fn number<T: FromStr>(text: &str, wanted: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("'{text}' is not {wanted}"))
}

/// Of `status --watch`: seconds between two looks.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.trim().parse().ok();
    match seconds.filter(|seconds| (0.1..=86_400.0).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs_f64(seconds)),
        None => Err(format!("'{text}' is not a number of seconds from 0.1 to 86400")),
    }
}

/// Text that must say something.
pub(crate) fn text(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) }
}

pub(super) fn lease_id(text: &str) -> Result<LeaseId, String> {
    self::text(text).map(|text| LeaseId(text.trim().to_owned()))
}

pub(crate) fn provider(text: &str) -> Result<Provider, String> {
    Provider::parse(text).ok_or_else(|| format!("'{text}' is neither nvidia nor fake"))
}

pub(super) fn strategy(text: &str) -> Result<Strategy, String> {
    match text {
        "lru" => Ok(Strategy::Lru),
        "affinity" => Ok(Strategy::Affinity),
        _ => Err(format!("'{text}' is neither lru nor affinity")),
    }
}

/// One of a few words.
pub(crate) fn choice<T: ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text.trim(), false).map_err(|_| {
        let named = |one: &T| one.to_possible_value().map(|value| value.get_name().to_owned());
        let words: Vec<_> = T::value_variants().iter().filter_map(named).collect();
        format!("'{text}' is none of {}", words.join(", "))
    })
}

/// A record as an error message names it: `gpu:3` or `pool`, with any prefix, or the bare index of a GPU.
pub(super) fn record(text: &str) -> Result<Record, String> {
    let (before, last) = text.rsplit_once(':').unwrap_or(("", text));
    if let Some(record) = PoolRecord::named(last) {
        return Ok(Record::OfPool(record));
    }
    let named_so = matches!(before, "" | "gpu") || before.ends_with(":gpu");
    let index = last.parse().ok().filter(|_| named_so);
    index.map(|index| Record::OfGpu(GpuIndex(index))).ok_or_else(|| {
        format!(
            "'{text}' is not the name of a record, such as gpu:3, pool, gpu_count, provider, queue or ended"
        )
    })
}

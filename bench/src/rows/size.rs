//! The program itself: how large it is, and how long it takes to build from nothing.

use std::path::Path;
use std::process::Command;

use bench::Result;
use bench::process::timed;

use crate::table::Row;

pub(crate) fn binary(chg: &Path) -> Result<Option<Row>> {
    let megabytes = std::fs::metadata(chg)?.len() as f64 / 1e6;
    let row = Row::one("binary, stripped", "release", megabytes, "MB");
    Ok(Some(row.target("≤ 6 MB", megabytes <= 6.0)))
}

/// Of the product alone, in a directory of its own below `scratch`.
pub(crate) fn cold_build(scratch: &Path) -> Result<Row> {
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--release", "--locked", "--target-dir"]).arg(scratch.join("cold"));
    let (millis, status) = timed(&mut build)?;
    if !status.success() {
        return Err(format!("{build:?}: {status}").into());
    }
    Ok(Row::one("cold build", "release", millis / 1e3, "s").target("≤ 150 s", millis <= 150e3))
}

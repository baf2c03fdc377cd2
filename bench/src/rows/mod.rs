//! What is measured, by group.

pub(crate) mod contention;
pub(crate) mod crowd;
pub(crate) mod handoff;
pub(crate) mod launch;
pub(crate) mod rest;
pub(crate) mod scale;
pub(crate) mod size;

use bench::Result;

use crate::Bench;
use crate::table::Row;

type Measure = fn(&mut Bench) -> Result<Vec<Row>>;

pub(crate) const GROUPS: &[(&str, Measure)] = &[
    ("launch", launch::launch),
    ("status", launch::status),
    ("crowd", crowd::crowd),
    ("shim", launch::shim),
    ("release", handoff::release),
    ("handoff", handoff::handoff),
    ("crash", handoff::crash),
    ("contention", contention::contention),
    ("queue", scale::queue),
    ("report", scale::report),
];

//! The only writer to stdout and stderr: lines, table, JSON, live displays, escaping.

mod answers;
mod ask;
mod blockers;
mod clock;
mod doctor;
mod escape;
mod grid;
mod json;
mod line;
mod out;
mod people;
mod queue;
mod refusal;
mod report;
mod share;
mod status;
mod stream;
mod trace;
mod wait;
mod watch;

pub(crate) use answers::{
    exports, extended, freed, granted, limited, quoted, released, reserved, reserved_json, short,
};
pub(crate) use ask::Answer;
pub(crate) use doctor::{Area, DoctorView, Finding, Level, Mend, SettingView, doctor};
pub(crate) use escape::{clip, escape};
pub(crate) use line::{Line, Tone};
pub(crate) use out::{Out, OutputError, Talk};
pub(crate) use people::holder;
pub(crate) use queue::{QueueView, queue, queue_json};
pub(crate) use refusal::{damage, refusal};
pub(crate) use report::{ReportUser, ReportView, report};
pub(crate) use status::{StatusView, json as status_json, lines, summary, table};
pub(crate) use stream::{Delivery, Wish};
pub(crate) use trace::trace;
pub(crate) use wait::WaitDisplay;
pub(crate) use watch::{WatchView, Watched, watch};

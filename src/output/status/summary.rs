//! `chg status --summary`: one line per model of GPU. Pure.

use std::collections::BTreeMap;

use super::super::escape::clip;
use super::super::line::{Line, Tone};
use super::{Condition, GpuView, StatusView};

/// How many GPUs are in which condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    all: usize,
    available: usize,
    reserved: usize,
    /// Among the reserved.
    intruded: usize,
    unreserved: usize,
    draining: usize,
    unknown: usize,
}

/// `8 x NVIDIA H100: 3 available, 4 in use, 1 in use without reservation`, by name.
pub(crate) fn summary(view: &StatusView) -> Vec<Line> {
    let mut models: BTreeMap<String, Counts> = BTreeMap::new();
    for gpu in &view.gpus {
        let name = gpu.device.as_ref().and_then(|device| device.name.as_deref()).unwrap_or("unknown model");
        models.entry(clip(name, 64)).or_default().add(gpu);
    }
    models.into_iter().map(|(name, counts)| counts.line(&name)).collect()
}

/// The same over all GPUs, in fewer words: `8 GPUs: 3 available, 4 in use, 1 unreserved`.
pub(crate) fn totals(view: &StatusView) -> Line {
    let what = if view.gpus.len() == 1 { "GPU" } else { "GPUs" };
    let mut line = Line::from(format!("{} {what}: ", view.gpus.len()));
    line.append(conditions(view));
    line
}

/// The totals alone: `3 available, 4 in use, 1 unreserved`.
pub(crate) fn conditions(view: &StatusView) -> Line {
    let mut counts = Counts::default();
    view.gpus.iter().for_each(|gpu| counts.add(gpu));
    counts.conditions("unreserved")
}

impl Counts {
    fn add(&mut self, gpu: &GpuView) {
        self.all += 1;
        self.intruded += usize::from(gpu.reservation.is_some() && !gpu.intruders().is_empty());
        *match Condition::of(gpu) {
            Condition::Available => &mut self.available,
            Condition::Reserved => &mut self.reserved,
            Condition::Unreserved | Condition::Seated { .. } => &mut self.unreserved,
            Condition::Draining => &mut self.draining,
            Condition::False(_) | Condition::Unknown(_) => &mut self.unknown,
        } += 1;
    }

    fn line(self, name: &str) -> Line {
        let mut line =
            Line::from(format!("{} x ", self.all)).with(Tone::Strong, name).with(Tone::Plain, ": ");
        line.append(self.conditions("in use without reservation"));
        line
    }

    /// The first two always, the others where there are any.
    fn conditions(self, unreserved: &'static str) -> Line {
        let mut line =
            Line::of(if self.available > 0 { Tone::Good } else { Tone::Warn }, &self.available.to_string());
        line.push(Tone::Plain, &format!(" available, {} in use", self.reserved));
        if self.intruded > 0 {
            line.push(Tone::Bad, &format!(" ({} intruded)", self.intruded));
        }
        let others = [
            (self.unreserved, unreserved, Tone::Bad),
            (self.draining, "draining", Tone::Warn),
            (self.unknown, "unknown", Tone::Warn),
        ];
        for (count, what, tone) in others.into_iter().filter(|(count, ..)| *count > 0) {
            line.push(Tone::Plain, ", ");
            line.push(tone, &format!("{count} {what}"));
        }
        line
    }
}

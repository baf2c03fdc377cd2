//! Tells somebody in line how it stands: one live line on a terminal, elsewhere one line per change.

use std::time::Duration;

use crate::model::ids::Timestamp;
use crate::model::verb::Standing;

use super::blockers::{Ages, listed};
use super::clock::brief;
use super::line::{Line, Tone};
use super::out::{Out, Talk};
use super::{people, share};

/// The standing on stderr, kept up to date. Dropping it takes the live line away.
#[derive(Debug)]
pub(crate) struct WaitDisplay<'a> {
    out: &'a Out,
    /// What was told last, where only changes are told.
    told: Option<String>,
}

impl<'a> WaitDisplay<'a> {
    pub(crate) const fn new(out: &'a Out) -> Self {
        Self { out, told: None }
    }

    /// How often the time in the live line moves on; `None` where only changes are told.
    pub(crate) fn tick(&self) -> Option<Duration> {
        (self.out.talk() == Talk::Normal && self.out.stderr_is_live()).then_some(Duration::from_secs(1))
    }

    /// Shows `standing` as it is `now`; to be called whenever either may have changed, once a second say.
    pub(crate) fn show(&mut self, standing: &Standing, now: Timestamp) {
        if self.out.talk() == Talk::Quiet {
            return;
        }
        if self.out.stderr_is_live() {
            self.out.show_live(live(standing, now));
            return;
        }
        let state = state(standing, Ages::Omitted);
        if self.told.as_ref() != Some(&state) {
            self.out.say(change(standing, now));
            self.told = Some(state);
        }
    }
}

impl Drop for WaitDisplay<'_> {
    fn drop(&mut self) {
        self.out.erase_live();
    }
}

/// The live line. What matters most comes first: the end is cut on a narrow terminal.
fn live(standing: &Standing, now: Timestamp) -> Line {
    let waited = brief(now.since(standing.enqueued));
    Line::of(Tone::Dim, "chg:")
        .with(Tone::Plain, " waiting ")
        .with(Tone::Strong, &waited)
        .with(Tone::Plain, &format!(", {}", state(standing, Ages::At(now))))
        .with(Tone::Dim, &giving_up(standing, now))
}

/// The line that tells a change.
fn change(standing: &Standing, now: Timestamp) -> Line {
    let waited = now.since(standing.enqueued);
    let since = if waited.as_secs() == 0 { String::new() } else { format!(" (waited {})", brief(waited)) };
    Line::from(format!("waiting: {}{}{since}", state(standing, Ages::At(now)), giving_up(standing, now)))
}

/// `position 2, free: GPU 3; GPU 0, 1 reserved by alice (run, 3h 2m)`.
fn state(standing: &Standing, ages: Ages) -> String {
    let place = match standing.position {
        1 => "first in line".to_owned(),
        position => format!("position {position} in line"),
    };
    let free = match standing.available.as_slice() {
        [] => "none free".to_owned(),
        some => format!("free: {}", people::gpus(some)),
    };
    // Until its person gives something back the rest does not matter.
    if let Some(share) = &standing.share {
        return format!("{place}, {free}; {}", share::yours(share));
    }
    let blocked = listed(&standing.blocked_by, ages);
    if blocked.is_empty() { format!("{place}, {free}") } else { format!("{place}, {free}; {blocked}") }
}

fn giving_up(standing: &Standing, now: Timestamp) -> String {
    standing.give_up.map_or(String::new(), |moment| format!(", gives up in {}", brief(moment.since(now))))
}

#[cfg(test)]
mod tests;

//! In which order free GPUs are handed out. Pure ranking.

use std::cmp::Reverse;

use super::ids::{GpuIndex, Timestamp};
use super::reservation::{Holder, Past};

#[cfg(test)]
mod tests;

/// How free GPUs are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Strategy {
    /// Never used first, then least recently released; ties by index.
    #[default]
    Lru,
    /// What this user released most recently first, then as `Lru`.
    Affinity,
}

/// A free GPU and what a ranking may know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate<'a> {
    pub(crate) gpu: GpuIndex,
    pub(crate) last_released: Option<Timestamp>,
    pub(crate) past: Option<&'a Past>,
}

impl Strategy {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Lru => "lru",
            Self::Affinity => "affinity",
        }
    }

    /// Puts the GPUs that `holder` should get first in front.
    pub(crate) fn rank(self, candidates: &mut [Candidate<'_>], holder: &Holder) {
        // None sorts before every moment: never used comes first.
        match self {
            Self::Lru => candidates.sort_unstable_by_key(|c| (c.last_released, c.gpu)),
            Self::Affinity => candidates.sort_unstable_by_key(|c| {
                let own = last_used_by(c, holder);
                (own.is_none(), Reverse(own), c.last_released, c.gpu)
            }),
        }
    }
}

/// When `holder` was the last one on it, if so.
fn last_used_by(candidate: &Candidate<'_>, holder: &Holder) -> Option<Timestamp> {
    let past = candidate.past?;
    // People who share an account are told apart by their labels.
    let same =
        past.holder.uid.is_some() && past.holder.uid == holder.uid && past.holder.label == holder.label;
    same.then_some(past.ended)
}

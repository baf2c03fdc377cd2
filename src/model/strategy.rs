//! In which order free GPUs are handed out. Pure ranking.

/// How free GPUs are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Strategy {
    /// Never used first, then least recently released; ties by index.
    #[default]
    Lru,
    /// What this user released most recently first, then as `Lru`.
    Affinity,
}

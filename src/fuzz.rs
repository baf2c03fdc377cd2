//! What others may hand us, as functions over bytes that must never panic: driven at length by cargo fuzz (`make fuzz`),
//! and by a test with the corpus in the repository. Decides nothing.

use crate::{attribution, config, gpu, model, shim, store};

/// A target by the name of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// Every reader of foreign input.
pub const TARGETS: &[Target] = &[
    ("records", store::fuzz::records),
    ("history", store::fuzz::history),
    ("redis", store::fuzz::redis),
    ("urls", store::fuzz::urls),
    ("nvml", gpu::fuzz::wire),
    ("proc", attribution::fuzz::proc),
    ("containers", attribution::fuzz::containers),
    ("models", attribution::fuzz::models),
    ("configuration", config::fuzz::file),
    ("durations", model::fuzz::durations),
    ("gpu_lists", model::fuzz::gpu_lists),
    ("shims", shim::fuzz::command_lines),
    ("yaml", shim::fuzz::yaml),
];

/// Runs the target of this name; those that there are not do nothing.
pub fn run(name: &str, bytes: &[u8]) {
    if let Some((_, target)) = TARGETS.iter().find(|(of, _)| *of == name) {
        target(bytes);
    }
}

#[cfg(test)]
mod tests;

//! Thin verbs: resolve, observe, decide, show.

//! Spans of time as people type and read them. Pure.

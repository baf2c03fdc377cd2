//! All unsafe code and raw process calls: fork, signals, terminal, pidfd, wait, seats.
#![allow(unsafe_code)]

pub(crate) mod descriptors;
pub(crate) mod exec;
pub(crate) mod helper;
pub(crate) mod inbox;
pub(crate) mod inherited;
pub(crate) mod nvml_v1;
pub(crate) mod process;
pub(crate) mod signal;
pub(crate) mod terminal;
pub(crate) mod wait;

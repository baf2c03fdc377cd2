//! All unsafe code and raw process calls: fork, signals, terminal, pidfd, wait, seats.
#![allow(unsafe_code)]

#[cfg(test)]
pub(crate) mod alone;
pub(crate) mod winsize;

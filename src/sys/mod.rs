//! All unsafe code and raw process calls: fork, signals, terminal, pidfd, wait, seats.
#![allow(unsafe_code)]

pub(crate) mod abstract_name;
pub(crate) mod boot;
pub(crate) mod capture;
pub(crate) mod helper;
pub(crate) mod pidfd;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod winsize;

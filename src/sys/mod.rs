//! All unsafe code and raw process calls: fork, signals, terminal, pidfd, wait, seats.
#![allow(unsafe_code)]

pub(crate) mod abstract_name;
pub(crate) mod account;
mod addressed;
#[cfg(test)]
pub(crate) mod alone;
pub(crate) mod boot;
pub(crate) mod capture;
pub(crate) mod descriptors;
pub(crate) mod ear;
pub(crate) mod exec;
pub(crate) mod fsid;
pub(crate) mod handing;
pub(crate) mod helper;
pub(crate) mod inbox;
pub(crate) mod inherited;
pub(crate) mod lifeline;
pub(crate) mod memory;
pub(crate) mod nvml_v1;
pub(crate) mod patience;
pub(crate) mod pidfd;
pub(crate) mod process;
pub(crate) mod signal;
pub(crate) mod terminal;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod unix_table;
pub(crate) mod wait;
pub(crate) mod winsize;

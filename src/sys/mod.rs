//! All unsafe code and raw process calls: fork, signals, terminal, pidfd, wait, seats.
#![allow(unsafe_code)]

pub(crate) mod fsid;

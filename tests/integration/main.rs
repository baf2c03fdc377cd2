//! The program from outside: real processes, real terminals.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod exit_status;
mod inherited;
mod orphans;
mod signals;
mod support;
mod terminal;

//! Behaviour seen from outside, and what the source must keep to.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accounts;
mod completion;
mod containers;
mod contention;
mod crash;
mod damage;
mod doctor;
mod engine;
mod exit_status;
mod founding;
mod hangup;
mod hidden;
mod inherited;
mod line;
mod line_terminal;
mod manual;
mod mistakes;
mod models;
mod nesting;
mod origin;
mod orphans;
mod policy;
mod redis;
mod report;
mod reserve;
mod rest;
mod rooms;
mod share;
mod shells;
mod shims;
mod signals;
mod status;
mod support;
mod terminal;
mod transparent;

//! The pool's verbs under named cases and generated histories.

mod adopting;
mod claims;
mod history;
mod initialising;
mod line;
mod patience;
mod presence;
mod properties;
mod releases;
mod renewals;
mod shares;
mod support;
mod sweeping;

//! Thin verbs: resolve, observe, decide, show. This file sends each verb to its own.

mod admin;
mod claim;
mod context;
mod environment;
mod eyes;
mod lease;
mod nesting;
mod program;
mod queue;
mod release;
mod report;
mod reserve;
mod run;
mod signals;
mod status;
mod vigil;
mod witness;

use crate::cli::{Cli, Parsed, Verb};
use crate::config::{self, Config, Sources};
use crate::error::{Error, Family};
use crate::exit::Exit;
use crate::output::{Out, Talk, Wish};
use crate::sys::process::die_of_signal;
use crate::sys::signal::Signal;
use context::Context;

/// Does what the command line says, and tells how to end.
pub(crate) fn main() -> Exit {
    let exit = match crate::cli::parse(std::env::args_os()) {
        Ok(Parsed::Show(text)) => show(&text),
        Ok(Parsed::Do(cli)) => obey(&cli),
        Err(error) => fail(&Out::new(Wish::Auto, Talk::Normal), &error.into(), Family::Verb, Exit::Usage),
    };
    if let Some(signal) = exit.signal() {
        die_of_signal(Signal(signal));
    }
    exit
}

//! Thin verbs: resolve, observe, decide, show. This file sends each verb to its own.

mod admin;
mod claim;
mod context;
mod environment;
mod eyes;
mod keeping;
mod nesting;
mod open;
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

use crate::cli::{self, Cli, Globals, Parsed, Verb};
use crate::config::{self, Colour, Config, ReserveOptions, RunOptions, Sources};
use crate::error::{Error, Family};
use crate::exit::{BUSY, Exit};
use crate::output::{Delivery, LogWriter, Out, Talk, Wish};
use crate::sys::process::die_of_signal;
use crate::sys::signal::Signal;

/// Does what the command line says, and tells how to end. Does not return where that is by a signal.
pub(crate) fn main() -> Exit {
    let exit = match cli::parse(std::env::args_os()) {
        Ok(Parsed::Show(text)) => show(&text),
        Ok(Parsed::Do(cli)) => obey(&cli),
        Err(error) => {
            fail(&Out::new(Wish::Auto, Talk::Normal), &error.into(), Family::Verb, Exit::Busy(BUSY))
        }
    };
    if let Some(signal) = exit.signal() {
        die_of_signal(Signal(signal));
    }
    exit
}

fn show(text: &str) -> Exit {
    let out = Out::new(Wish::Auto, Talk::Normal);
    match out.print_styled(text) {
        Ok(_) => Exit::Done,
        Err(error) => fail(&out, &error.into(), Family::Verb, Exit::Busy(BUSY)),
    }
}

fn obey(cli: &Cli) -> Exit {
    trace(cli.globals.verbose);
    let sources = Sources::of_process(cli.globals.config.as_deref());
    match Config::load(&sources, &cli.globals) {
        Ok(config) => dispatch(cli, &config),
        Err(error) => {
            fail(&Out::new(Wish::Auto, Talk::Normal), &error.into(), family(&cli.verb), Exit::Busy(BUSY))
        }
    }
}

fn dispatch(cli: &Cli, config: &Config) -> Exit {
    let (wish, talk) = manner(cli, config);
    let out = Out::new(wish, talk);
    let mut busy = Exit::Busy(BUSY);
    match carry_out(cli, config, &out, &mut busy) {
        Ok(exit) => exit,
        Err(error) => fail(&out, &error, family(&cli.verb), busy),
    }
}

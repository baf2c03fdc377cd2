//! Thin verbs: resolve, observe, decide, show. This file sends each verb to its own.

mod admin;
mod claim;
mod complete;
mod context;
mod doctor;
mod environment;
mod eyes;
mod founding;
mod keeping;
mod launch;
mod man;
mod nested;
mod nesting;
mod open;
mod program;
mod queue;
mod release;
mod report;
mod reserve;
mod run;
mod shim;
mod signals;
mod status;
mod survivors;
mod vigil;
mod witness;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::{self, Cli, DoctorArgs, Parsed, ShimArgs, ShimVerb, Verb};
use crate::config::{Colour, Config, Sources};
use crate::error::{Error, Family};
use crate::exit::{BUSY, Exit};
use crate::output::{Out, Talk, Wish};
use crate::sys::process::die_of_signal;
use crate::sys::signal::Signal;
use open::{Needs, open};

/// Does what the command line says. Does not return where the end is by a signal.
pub(crate) fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(ended) = shim::called_as(&words) {
        return ended;
    }
    match cli::parse(words) {
        Ok(Parsed::Show(text)) => end(show(&text)),
        Ok(Parsed::Do(cli)) => obey(&cli),
        Ok(Parsed::Complete(words)) => end(complete::answer(&words, &plain_out())),
        Err(error) => end(failed(&plain_out(), &error.into(), Family::Verb, Exit::Busy(BUSY))),
    }
}

fn end(exit: Exit) -> ExitCode {
    match exit.signal() {
        Some(signal) => die_of_signal(Signal(signal)),
        None => exit.into(),
    }
}

fn plain_out() -> Out {
    Out::new(Wish::Auto, Talk::Normal)
}

fn show(text: &str) -> Exit {
    let out = plain_out();
    match out.print_styled(text) {
        Ok(_) => Exit::Done,
        Err(error) => failed(&out, &error.into(), Family::Verb, Exit::Busy(BUSY)),
    }
}

fn obey(cli: &Cli) -> ExitCode {
    crate::output::trace(cli.globals.verbose);
    let family = family(&cli.verb);
    if let Verb::Shim(ShimArgs { verb: ShimVerb::Call(words) }) = &cli.verb {
        return shim::call(&cli.globals, words);
    }
    let sources = Sources::of_process(cli.globals.config.as_deref());
    let out = plain_out();
    if let Some(result) = regardless(cli, &sources, &out) {
        return end(result.unwrap_or_else(|error| failed(&out, &error, family, Exit::Busy(BUSY))));
    }
    let config = match Config::load(&sources, &cli.globals) {
        Ok(config) => config,
        Err(error) => return end(failed(&out, &error.into(), family, Exit::Busy(BUSY))),
    };
    match &cli.verb {
        Verb::Run(args) => launch::run(&config, args),
        verb => {
            let (out, mut busy) = (Out::new(wish(verb, &config), Talk::Normal), Exit::Busy(BUSY));
            let result = carry_out(verb, &config, &out, &mut busy);
            end(result.unwrap_or_else(|error| failed(&out, &error, family, busy)))
        }
    }
}

/// Verbs that do their work whatever the configuration says.
fn regardless(cli: &Cli, sources: &Sources, out: &Out) -> Option<Result<Exit, Error>> {
    Some(match &cli.verb {
        Verb::Doctor(args) => examine(sources, cli, args, out),
        Verb::Man(args) => man::man(args, out),
        Verb::Completions { shell } => complete::script(*shell, out),
        _ => return None,
    })
}

/// `chg doctor` goes on where every other verb gives up: with mistakes in the configuration.
fn examine(sources: &Sources, cli: &Cli, args: &DoctorArgs, out: &Out) -> Result<Exit, Error> {
    let (config, mistakes) = Config::load_what_is_good(sources, &cli.globals)?;
    doctor::doctor(&config, &mistakes, sources, config.doctor(args), out)
}

/// Every verb but `run`. `busy` is set to what the caller wants to see when GPUs are not free in time.
fn carry_out(verb: &Verb, config: &Config, out: &Out, busy: &mut Exit) -> Result<Exit, Error> {
    let open_as = |label: Option<String>, needs| open(config, out, label, needs);
    match verb {
        Verb::Reserve(args) => {
            let options = config.reserve(args)?;
            *busy = Exit::Busy(options.busy_status);
            let mut ctx = open_as(options.label.clone(), Needs::OwnRight)?;
            reserve::reserve(&mut ctx, &options, config.cuda_ids())
        }
        Verb::Release(args) => {
            let options = config.release(args);
            release::release(&mut open_as(options.label.clone(), Needs::FullRight)?, &options)
        }
        Verb::Extend(args) => {
            let options = config.extend(args)?;
            release::extend(&mut open_as(options.label.clone(), Needs::OwnRight)?, &options)
        }
        Verb::Status(args) => status::status(&mut open_as(None, Needs::OwnRight)?, &config.status(args)),
        Verb::Queue(args) => queue::queue(&mut open_as(None, Needs::OwnRight)?, config.queue(args)),
        Verb::Report(args) => report::report(&mut open_as(None, Needs::OwnRight)?, &config.report(args)),
        Verb::Admin(args) => {
            if founding::found(config, out, args)? && admin::asks_nothing(args) {
                return Ok(Exit::Done);
            }
            admin::admin(&mut open_as(None, Needs::FullRight)?, args, config)
        }
        Verb::Shim(args) => shim::obey(&args.verb, config, out),
        // Done before the configuration was read, or refused before.
        Verb::Run(_) | Verb::Doctor(_) | Verb::Man(_) | Verb::Completions { .. } | Verb::Web { .. } => {
            Ok(Exit::Failed)
        }
    }
}

/// Tells on stderr what failed, and what to do next.
fn failed(out: &Out, error: &Error, family: Family, busy: Exit) -> Exit {
    out.error(&error.to_string(), error.hint().as_deref());
    error.exit(family, busy)
}

const fn family(verb: &Verb) -> Family {
    match verb {
        Verb::Run(_) => Family::Run,
        _ => Family::Verb,
    }
}

fn wish(verb: &Verb, config: &Config) -> Wish {
    match verb {
        Verb::Status(args) if config.status(args).colour == Colour::Never => Wish::Never,
        _ => Wish::Auto,
    }
}

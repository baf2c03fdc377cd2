//! From the options in force to the end of a run, whoever asked for it: `chg run`, or a shim.

use std::process::ExitCode;

use super::context::Context;
use super::nesting::Count;
use super::open::{Needs, open};
use super::program::Program;
use super::run::{self, Ran, Run};
use super::{end, failed, plain_out, shim};
use crate::cli::RunArgs;
use crate::config::{self, Config, ConfigError, RunOptions};
use crate::error::{Error, Family};
use crate::exit::{BUSY, Exit};
use crate::output::{Out, Talk, Wish};

/// `chg run`.
pub(super) fn run(config: &Config, args: &RunArgs) -> ExitCode {
    let count = if args.gpus.gpus.is_some() { Count::Typed } else { Count::Default };
    launch(config, config.run(args), |ctx, options| {
        if let Some(name) = shim::defiant(&args.command) {
            ctx.out.warn(
                &format!(
                    "{name} picks GPUs by itself with these options, and may take others than were reserved"
                ),
                Some(&format!(
                    "give their number to -g instead, or let its shim do so: chg shim {name} -- …"
                )),
            );
        }
        let what = Run { command: &args.command, options, count, cuda_ids: config.cuda_ids() };
        run::run(ctx, &what, Program::find(&args.command)?)
    })
}

/// Opens what a run needs, lets `job` do it, and ends as it did.
pub(super) fn launch(
    config: &Config,
    options: Result<RunOptions, ConfigError>,
    job: impl FnOnce(Context<'_>, &RunOptions) -> Result<Ran, Error>,
) -> ExitCode {
    let options = match options {
        Ok(options) => options,
        Err(error) => return end(failed(&plain_out(), &error.into(), Family::Run, Exit::Busy(BUSY))),
    };
    let talk = match options.talk {
        config::Talk::Usual => Talk::Normal,
        config::Talk::ErrorsOnly => Talk::Quiet,
    };
    let out = Out::new(Wish::Auto, talk);
    let opened = open(config, &out, options.label.clone(), Needs::OwnRight);
    match opened.and_then(|ctx| job(ctx, &options)) {
        Ok(Ran::Like(settled)) => settled.exit(),
        Ok(Ran::Early(exit)) => end(exit),
        Err(error) => end(failed(&out, &error, Family::Run, Exit::Busy(options.busy_status))),
    }
}

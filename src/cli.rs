//! The command line, as clap types: what may be typed. Nothing is looked up or decided here; defaults come from the
//! configuration, so that every option left out stays `None`.

mod at_once;
mod choices;
pub(crate) mod complete;
pub(crate) mod manual;
mod offers;
mod parse;
mod split;
mod typed;
mod usage;
pub(crate) mod values;
mod verbs;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use choices::{OnLost, Orphans, Shell, StatusLayout};
pub(crate) use parse::{Parsed, parse};
pub(crate) use usage::UsageError;
pub(crate) use values::GpuIds;
pub(crate) use verbs::{
    AdminArgs, BusyArgs, DoctorArgs, ExtendArgs, GpuArgs, ManArgs, QueueArgs, ReleaseArgs, ReportArgs,
    ReserveArgs, RunArgs, ShimArgs, ShimVerb, StatusArgs,
};

use crate::model::ids::Megabytes;

const USAGE: &str = "chg [OPTIONS] -- COMMAND…\n       chg VERB [OPTIONS]";

const EXAMPLES: &str = "\
Everyday use:
  chg -- python3 train.py         one free GPU, given back when the program ends
  chg -g 2 -t 12h -- torchrun …   two GPUs, for twelve hours at most
  chg reserve -g 1 -d 4h          a GPU for four hours, without a program
  chg status                      who uses what

'chg run --help' shows what may stand before the --.
'chg man' and 'chg man VERB' have the rest.";

/// The program's whole command line. The bare form `chg [OPTIONS] -- CMD` has become `chg run` already.
#[derive(Debug, Parser)]
#[command(
    name = "chg",
    version,
    propagate_version = true,
    about = "Reserve GPUs of a shared machine, run a command on them, give them back",
    override_usage = USAGE,
    after_help = EXAMPLES,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs",
    disable_help_flag = true,
    disable_version_flag = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(flatten)]
    shown: Shown,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options that every verb takes, on either side of it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Globals {
    /// Where the pool is kept: sqlite:/directory, redis://host:6379/0, rediss://…, redis+unix:///path?db=0
    #[arg(long, global = true, value_name = "URL", value_parser = values::text)]
    pub(crate) store: Option<String>,
    /// Read this file in place of the user's own configuration
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Memory in use at or below this does not count as use [default: 1024]
    #[arg(long, global = true, value_name = "MB", value_parser = values::megabytes, allow_hyphen_values = true)]
    pub(crate) memory_threshold: Option<Megabytes>,
    /// Host of the Redis server (as in the Go canhazgpu; --store is the newer way)
    #[arg(long, global = true, value_name = "HOST", hide = true, conflicts_with = "store", value_parser = values::text)]
    pub(crate) redis_host: Option<String>,
    /// Port of the Redis server
    #[arg(long, global = true, value_name = "PORT", hide = true, conflicts_with = "store", value_parser = values::port)]
    pub(crate) redis_port: Option<u16>,
    /// Number of the Redis database
    #[arg(long, global = true, value_name = "N", hide = true, conflicts_with = "store", value_parser = values::database)]
    pub(crate) redis_db: Option<u32>,
    /// Tell on stderr what is being done; twice for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What is shown in place of doing anything. Ours, so that they stand among the options of every verb.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Everywhere")]
struct Shown {
    /// Show this help
    #[arg(short, long, global = true, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// Show the version
    #[arg(short = 'V', long, global = true, action = clap::ArgAction::Version)]
    version: Option<bool>,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Reserve GPUs, run a command on them, give them back: the default
    Run(RunArgs),
    /// Reserve GPUs for a time, without a command
    Reserve(ReserveArgs),
    /// Give manual reservations back
    Release(ReleaseArgs),
    /// Lengthen or shorten a manual reservation
    Extend(ExtendArgs),
    /// Show every GPU: free, reserved, used without reservation, by whom
    Status(StatusArgs),
    /// Show who waits for what, and since when
    Queue(QueueArgs),
    /// Show GPU hours by account over the last days
    Report(ReportArgs),
    /// Initialise or change the pool; release somebody's reservation
    Admin(AdminArgs),
    /// Install, list and remove shims, or act as one
    Shim(ShimArgs),
    /// Check driver, store, shims and configuration; say what to mend
    Doctor(DoctorArgs),
    /// Print the completion functions of a shell: bash, zsh or fish
    Completions {
        /// Of which shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Show a manual page
    Man(ManArgs),
    /// The web page of the Go canhazgpu; not here yet
    #[command(hide = true)]
    Web {
        #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
        ignored: Vec<OsString>,
    },
}

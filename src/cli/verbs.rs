//! The options of each verb.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::choices::{OnLost, Orphans, StatusLayout};
use super::usage::UsageError;
use super::values::{self, GpuIds};
use crate::model::device::Provider;
use crate::model::ids::{GpuIndex, LeaseId};
use crate::model::record::Record;
use crate::model::request::Demand;
use crate::model::strategy::Strategy;

/// Headings of `--help`.
const COMMAND: &str = "The command";
const RESERVATION: &str = "The reservation";
const TOLD: &str = "What is told";

/// Which GPUs are wanted.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which GPUs")]
pub(crate) struct GpuArgs {
    /// How many GPUs [default: 1]
    #[arg(short, long, value_name = "N", value_parser = values::count, allow_hyphen_values = true)]
    pub(crate) gpus: Option<NonZeroU32>,
    /// These GPUs and no others: 1,3 or 0-3
    #[arg(short = 'G', long, value_name = "IDS", value_parser = values::gpu_ids, allow_hyphen_values = true)]
    pub(crate) gpu_ids: Option<GpuIds>,
}

impl GpuArgs {
    /// What the two options say together; `None` if neither was given.
    pub(crate) fn demand(&self) -> Result<Option<Demand>, UsageError> {
        match (self.gpus, &self.gpu_ids) {
            (None, None) => Ok(None),
            (Some(count), None) => Ok(Some(Demand::Count(count))),
            (None, Some(ids)) => Ok(Some(Demand::Exactly(ids.0.clone()))),
            // A count of 1 says nothing: the Go program's scripts leave it there.
            (Some(count), Some(ids)) if count.get() == 1 || agree(count, &ids.0) => {
                Ok(Some(Demand::Exactly(ids.0.clone())))
            }
            (Some(count), Some(ids)) => Err(UsageError::new(format!(
                "--gpus {count} and --gpu-ids with {} ids disagree; leave --gpus out",
                ids.0.len()
            ))),
        }
    }
}

fn agree(count: NonZeroU32, ids: &[GpuIndex]) -> bool {
    usize::try_from(count.get()).is_ok_and(|count| count == ids.len())
}

/// What to do when the GPUs are not free.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "When they are not free")]
pub(crate) struct BusyArgs {
    /// Fail at once instead of waiting in line
    #[arg(long, conflicts_with = "wait")]
    pub(crate) nonblock: bool,
    /// Wait in line for this long at most
    #[arg(short, long, value_name = "TIME", value_parser = values::span, allow_hyphen_values = true)]
    pub(crate) wait: Option<Duration>,
    /// Exit with N if they were not free in time [default: 75]
    #[arg(short = 'E', long, value_name = "N", value_parser = values::status, allow_hyphen_values = true)]
    pub(crate) conflict_exit_code: Option<u8>,
}

/// `chg run`.
#[derive(Debug, Clone, Default, Args)]
#[command(override_usage = "chg [run] [OPTIONS] -- COMMAND…")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) gpus: GpuArgs,
    #[command(flatten)]
    pub(crate) busy: BusyArgs,
    /// End the command after this time: 30m, 12h, 1d, "1h 30m"
    #[arg(short, long, value_name = "TIME", help_heading = COMMAND, value_parser = values::span, allow_hyphen_values = true)]
    pub(crate) timeout: Option<Duration>,
    /// A note that others see in 'chg status'
    #[arg(short, long, value_name = "TEXT", help_heading = TOLD)]
    pub(crate) note: Option<String>,
    /// A label that tells apart people who share an account
    #[arg(short, long, value_name = "LABEL", help_heading = TOLD, value_parser = values::text)]
    pub(crate) user: Option<String>,
    /// When asked to stop, end the command by force after this time
    #[arg(long, value_name = "TIME", help_heading = COMMAND, value_parser = values::span, allow_hyphen_values = true)]
    pub(crate) grace: Option<Duration>,
    /// What becomes of processes that it leaves behind: auto, kill, wait or leave [default: auto]
    #[arg(long, value_name = "WHAT", help_heading = COMMAND, hide_possible_values = true)]
    pub(crate) orphans: Option<Orphans>,
    /// What to do if its reservation is lost: warn or terminate [default: warn]
    #[arg(long, value_name = "WHAT", help_heading = COMMAND, hide_possible_values = true)]
    pub(crate) on_lost: Option<OnLost>,
    /// Reserve anew, even inside a reservation
    #[arg(long, help_heading = "Which GPUs")]
    pub(crate) new: bool,
    /// Say nothing but errors
    #[arg(short, long, help_heading = TOLD)]
    pub(crate) quiet: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, num_args = 1.., value_name = "COMMAND", help_heading = COMMAND)]
    pub(crate) command: Vec<OsString>,
}

/// `chg reserve`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReserveArgs {
    #[command(flatten)]
    pub(crate) gpus: GpuArgs,
    #[command(flatten)]
    pub(crate) busy: BusyArgs,
    /// For how long: 30m, 8h, 2d [default: 8h]
    #[arg(short, long, value_name = "TIME", help_heading = RESERVATION, value_parser = values::span, allow_hyphen_values = true)]
    pub(crate) duration: Option<Duration>,
    /// A note that others see in 'chg status'
    #[arg(short, long, value_name = "TEXT", help_heading = TOLD)]
    pub(crate) note: Option<String>,
    /// A label that tells apart people who share an account
    #[arg(short, long, value_name = "LABEL", help_heading = TOLD, value_parser = values::text)]
    pub(crate) user: Option<String>,
    /// Also a GPU that nobody but jobs of one's own uses: adopts them
    #[arg(short, long, help_heading = RESERVATION)]
    pub(crate) force: bool,
    /// End with the adopted processes
    #[arg(long, requires = "force", help_heading = RESERVATION)]
    pub(crate) until_exit: bool,
    /// Print the ids alone: 1,3
    #[arg(short, long, group = "form", help_heading = "What is printed")]
    pub(crate) short: bool,
    /// Print what a shell evaluates: eval "$(chg reserve --export)"
    #[arg(long, group = "form", help_heading = "What is printed")]
    pub(crate) export: bool,
    /// Print one JSON object
    #[arg(short, long, group = "form", help_heading = "What is printed")]
    pub(crate) json: bool,
}

/// `chg release`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReleaseArgs {
    /// Only what is held on these GPUs: 1,3 or 0-3
    #[arg(short = 'G', long, value_name = "IDS", value_parser = values::gpu_ids, allow_hyphen_values = true)]
    pub(crate) gpu_ids: Option<GpuIds>,
    /// What was reserved under this label
    #[arg(short, long, value_name = "LABEL", value_parser = values::text)]
    pub(crate) user: Option<String>,
    /// Also end a live run of one's own, without asking
    #[arg(short, long)]
    pub(crate) force: bool,
}

/// `chg extend`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExtendArgs {
    /// How long it shall last from now: 30m, 8h, 2d
    #[arg(short, long, value_name = "TIME", value_parser = values::span, allow_hyphen_values = true)]
    pub(crate) duration: Option<Duration>,
    /// Only what is held on these GPUs: 1,3 or 0-3
    #[arg(short = 'G', long, value_name = "IDS", value_parser = values::gpu_ids, allow_hyphen_values = true)]
    pub(crate) gpu_ids: Option<GpuIds>,
    /// What was reserved under this label
    #[arg(short, long, value_name = "LABEL", value_parser = values::text)]
    pub(crate) user: Option<String>,
}

/// `chg status`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct StatusArgs {
    /// Print a JSON array
    #[arg(short, long, group = "form")]
    pub(crate) json: bool,
    /// Print one line per model of GPU
    #[arg(short, long, group = "form")]
    pub(crate) summary: bool,
    /// How to lay it out: lines or table [default: lines]
    #[arg(short, long, value_name = "FORM", group = "form", hide_possible_values = true)]
    pub(crate) output: Option<StatusLayout>,
    /// Show it live, looking again every SECS seconds
    #[arg(long, value_name = "SECS", num_args = 0..=1, default_missing_value = "2", group = "form",
          value_parser = values::interval, allow_hyphen_values = true)]
    pub(crate) watch: Option<Duration>,
    /// Without colours
    #[arg(long)]
    pub(crate) no_color: bool,
    /// Of the Go canhazgpu; not here yet
    #[arg(long, hide = true)]
    pub(crate) all: bool,
    /// Of the Go canhazgpu; not here yet
    #[arg(long, hide = true, value_name = "HOST")]
    pub(crate) remote: Option<String>,
}

/// `chg queue`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct QueueArgs {
    /// Print one JSON object
    #[arg(short, long)]
    pub(crate) json: bool,
}

/// `chg report`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReportArgs {
    /// Over how many days, today included [default: 30]
    #[arg(short, long, value_name = "N", value_parser = values::count, allow_hyphen_values = true)]
    pub(crate) days: Option<NonZeroU32>,
    /// Print one JSON object
    #[arg(short, long)]
    pub(crate) json: bool,
}

/// `chg admin`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct AdminArgs {
    /// The pool shall have the first N GPUs
    #[arg(short, long, value_name = "N", value_parser = values::count, allow_hyphen_values = true)]
    pub(crate) gpus: Option<NonZeroU32>,
    /// The pool shall have these GPUs
    #[arg(short = 'G', long, value_name = "IDS", value_parser = values::gpu_ids, allow_hyphen_values = true,
          conflicts_with = "gpus")]
    pub(crate) gpu_ids: Option<GpuIds>,
    /// Where GPUs come from: nvidia, or fake for simulated ones
    #[arg(short, long, value_name = "NAME", value_parser = values::provider)]
    pub(crate) provider: Option<Provider>,
    /// In which order free GPUs are handed out: lru or affinity
    #[arg(long, value_name = "NAME", value_parser = values::strategy)]
    pub(crate) strategy: Option<Strategy>,
    /// Change a pool that is there already; end a live run without asking
    #[arg(short, long)]
    pub(crate) force: bool,
    /// End the reservation with this id, whosoever it is
    #[arg(long, value_name = "ID", value_parser = values::lease_id)]
    pub(crate) release: Option<LeaseId>,
    /// Throw a damaged record away: gpu:3, pool
    #[arg(long, value_name = "RECORD", value_parser = values::record)]
    pub(crate) reset: Option<Record>,
    /// Make the store of this machine, /var/lib/canhazgpu, for everybody
    #[arg(long, conflicts_with = "group")]
    pub(crate) everybody: bool,
    /// Make it for the members of a group alone
    #[arg(long, value_name = "GROUP", value_parser = values::text)]
    pub(crate) group: Option<String>,
}

/// `chg doctor`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DoctorArgs {
    /// Print one JSON object
    #[arg(short, long)]
    pub(crate) json: bool,
}

/// `chg shim`.
#[derive(Debug, Clone, Args)]
#[command(
    override_usage = "chg shim install|remove|list|env [OPTIONS]\n       chg shim NAME -- ARGUMENTS…",
    args_conflicts_with_subcommands = true,
    subcommand_value_name = "WHAT",
    subcommand_help_heading = "What to do"
)]
pub(crate) struct ShimArgs {
    #[command(subcommand)]
    pub(crate) verb: ShimVerb,
}

/// What to do with shims.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ShimVerb {
    /// Put shims into a directory that stands first in PATH
    Install(ShimInstallArgs),
    /// Take shims away again
    Remove(ShimRemoveArgs),
    /// Show which shims there are, which are installed, and which program each would run
    List,
    /// Print the line that puts the directory of shims in front of PATH: eval "$(chg shim env)"
    Env,
    /// Run the program NAME on as many GPUs as its command line needs
    #[command(external_subcommand)]
    Call(Vec<OsString>),
}

/// `chg shim install`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ShimInstallArgs {
    /// Which ones; all of them if none is named
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Into this directory
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) dir: Option<PathBuf>,
}

/// `chg shim remove`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ShimRemoveArgs {
    /// Which ones; all of them if none is named
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// From this directory
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) dir: Option<PathBuf>,
}

/// `chg man`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ManArgs {
    /// Which page: canhazgpu, a verb, config or shims [default: canhazgpu]
    #[arg(value_name = "PAGE")]
    pub(crate) page: Option<String>,
    /// Write every page into this directory instead
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "page")]
    pub(crate) dir: Option<PathBuf>,
}

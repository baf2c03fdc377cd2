//! The options of each verb in force: what was typed, else the configuration, within the host's limits. Pure.

use std::num::NonZeroU32;
use std::time::Duration;

use super::datum::Held;
use super::error::ConfigError;
use super::resolve::{Origin, Value};
use super::{Config, Policy};
use crate::cli::{
    BusyArgs, DoctorArgs, ExtendArgs, GpuArgs, GpuIds, OnLost, Orphans, QueueArgs, ReleaseArgs, ReportArgs,
    ReserveArgs, RunArgs, StatusArgs, StatusLayout, UsageError,
};
use crate::model::duration::InShort;
use crate::model::request::{Demand, InUse, OnBusy};
use crate::model::reservation::UntilExit;
use crate::model::verb::LiveRuns;

const EIGHT_HOURS: Duration = Duration::from_secs(8 * 3600);
const THIRTY: NonZeroU32 = NonZeroU32::new(30).unwrap();

/// How `chg run` is to go about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunOptions {
    pub(crate) demand: Demand,
    /// How many GPUs one person may hold at once.
    pub(crate) share: Option<NonZeroU32>,
    pub(crate) on_busy: OnBusy,
    /// Exit status when the GPUs were not free in time.
    pub(crate) busy_status: u8,
    pub(crate) timeout: Option<Duration>,
    /// Where the timeout came from, if nobody asked for it: then it is told.
    pub(crate) imposed_by: Option<Origin>,
    pub(crate) note: Option<String>,
    pub(crate) label: Option<String>,
    /// Set only if asked for: it makes a request to stop end the command by force.
    pub(crate) grace: Option<Duration>,
    pub(crate) orphans: Orphans,
    pub(crate) on_lost: OnLost,
    pub(crate) nesting: Nesting,
    pub(crate) talk: Talk,
}

/// Whether a run inside a reservation runs in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nesting {
    Inside,
    /// `--new`.
    Anew,
}

/// How much is said on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    Usual,
    /// `--quiet`: errors only.
    ErrorsOnly,
}

/// How `chg reserve` is to go about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReserveOptions {
    pub(crate) demand: Demand,
    /// How many GPUs one person may hold at once.
    pub(crate) share: Option<NonZeroU32>,
    pub(crate) on_busy: OnBusy,
    pub(crate) busy_status: u8,
    pub(crate) lasts: Duration,
    pub(crate) note: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) in_use: InUse,
    pub(crate) until_exit: UntilExit,
    pub(crate) form: ReserveForm,
}

/// What `chg reserve` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReserveForm {
    Sentence,
    /// `1,3`
    Ids,
    /// Lines for `eval`.
    Export,
    Json,
}

/// How `chg extend` is to go about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExtendOptions {
    /// From now.
    pub(crate) lasts: Duration,
    pub(crate) gpus: Option<GpuIds>,
    pub(crate) label: Option<String>,
}

/// How `chg release` is to go about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReleaseOptions {
    pub(crate) gpus: Option<GpuIds>,
    pub(crate) label: Option<String>,
    pub(crate) live_runs: LiveRuns,
}

/// How `chg status` shows its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatusOptions {
    pub(crate) form: StatusForm,
    pub(crate) colour: Colour,
}

/// What `chg status` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusForm {
    Lines,
    Table,
    Summary,
    Json,
    /// The table live, this long between two looks.
    Watch(Duration),
}

/// Whether colour may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    /// Where the terminal can show it and nothing speaks against it.
    Auto,
    Never,
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
}

/// How `chg report` is to go about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportOptions {
    pub(crate) days: NonZeroU32,
    pub(crate) form: Form,
}

impl Config {
    /// # Errors
    /// More than the host allows.
    pub(crate) fn run(&self, args: &RunArgs) -> Result<RunOptions, ConfigError> {
        self.run_on(self.demand("run", &args.gpus)?, args)
    }

    /// As [`Self::run`], on GPUs that neither the command line nor the configuration chose.
    ///
    /// # Errors
    /// More than the host allows.
    pub(crate) fn run_on(&self, demand: Demand, args: &RunArgs) -> Result<RunOptions, ConfigError> {
        let (timeout, imposed_by) = self.timeout(args.timeout)?;
        Ok(RunOptions {
            demand: self.within_share(demand)?,
            share: self.share(),
            on_busy: self.on_busy("run", &args.busy),
            busy_status: self.busy_status("run", &args.busy),
            timeout,
            imposed_by,
            note: self.typed_or(args.note.clone(), "run.note"),
            label: self.typed_or(args.user.clone(), "run.user"),
            grace: self.typed_or(args.grace, "run.grace"),
            orphans: self.typed_or(args.orphans, "run.orphans").unwrap_or_default(),
            on_lost: self.typed_or(args.on_lost, "run.on_lost").unwrap_or_default(),
            nesting: if self.is_on(args.new, "run.new") { Nesting::Anew } else { Nesting::Inside },
            talk: if self.is_on(args.quiet, "run.quiet") { Talk::ErrorsOnly } else { Talk::Usual },
        })
    }

    /// # Errors
    /// More than the host allows.
    pub(crate) fn reserve(&self, args: &ReserveArgs) -> Result<ReserveOptions, ConfigError> {
        Ok(ReserveOptions {
            demand: self.within_share(self.demand("reserve", &args.gpus)?)?,
            share: self.share(),
            on_busy: self.on_busy("reserve", &args.busy),
            busy_status: self.busy_status("reserve", &args.busy),
            lasts: self.lasts(args.duration)?,
            note: self.typed_or(args.note.clone(), "reserve.note"),
            label: self.typed_or(args.user.clone(), "reserve.user"),
            in_use: if self.is_on(args.force, "reserve.force") { InUse::Adopt } else { InUse::Avoid },
            until_exit: if self.is_on(args.until_exit, "reserve.until_exit") {
                UntilExit::Yes
            } else {
                UntilExit::No
            },
            form: self.reserve_form(args),
        })
    }

    /// # Errors
    /// No duration, or more than the host allows.
    pub(crate) fn extend(&self, args: &ExtendArgs) -> Result<ExtendOptions, ConfigError> {
        let lasts = self.typed_or(args.duration, "extend.duration").ok_or_else(|| {
            UsageError::new("say how long it shall last from now").with_hint("for example: chg extend -d 4h")
        })?;
        Ok(ExtendOptions {
            lasts: self.within_limit(lasts)?,
            gpus: args.gpu_ids.clone(),
            label: self.typed_or(args.user.clone(), "extend.user"),
        })
    }

    pub(crate) fn release(&self, args: &ReleaseArgs) -> ReleaseOptions {
        ReleaseOptions {
            gpus: args.gpu_ids.clone(),
            label: self.typed_or(args.user.clone(), "release.user"),
            live_runs: if self.is_on(args.force, "release.force") { LiveRuns::End } else { LiveRuns::Spare },
        }
    }

    pub(crate) fn status(&self, args: &StatusArgs) -> StatusOptions {
        StatusOptions {
            form: self.status_form(args),
            colour: if self.is_on(args.no_color, "status.no_color") { Colour::Never } else { Colour::Auto },
        }
    }

    pub(crate) fn queue(&self, args: &QueueArgs) -> Form {
        if self.is_on(args.json, "queue.json") { Form::Json } else { Form::Text }
    }

    pub(crate) fn doctor(&self, args: &DoctorArgs) -> Form {
        if self.is_on(args.json, "doctor.json") { Form::Json } else { Form::Text }
    }

    pub(crate) fn report(&self, args: &ReportArgs) -> ReportOptions {
        ReportOptions {
            days: self.typed_or(args.days, "report.days").unwrap_or(THIRTY),
            form: if self.is_on(args.json, "report.json") { Form::Json } else { Form::Text },
        }
    }

    fn typed_or<T: Held>(&self, typed: Option<T>, key: &str) -> Option<T> {
        typed.or_else(|| self.set(key))
    }

    fn set<T: Held>(&self, key: &str) -> Option<T> {
        self.settings.get(key).map(|set| set.value)
    }

    fn is_on(&self, typed: bool, key: &str) -> bool {
        typed || self.set(key).unwrap_or(false)
    }

    /// Of a configured count and configured ids, the stronger layer's counts; in the same one, the ids.
    fn demand(&self, verb: &str, args: &GpuArgs) -> Result<Demand, ConfigError> {
        let (count, ids) = (format!("{verb}.gpus"), format!("{verb}.gpu_ids"));
        let configured = || match (self.set::<GpuIds>(&ids), self.set(&count)) {
            (Some(exact), _) if self.settings.rank(&ids) >= self.settings.rank(&count) => {
                Demand::Exactly(exact.0)
            }
            (_, Some(number)) => Demand::Count(number),
            (_, None) => Demand::Count(NonZeroU32::MIN),
        };
        Ok(args.demand()?.unwrap_or_else(configured))
    }

    fn on_busy(&self, verb: &str, args: &BusyArgs) -> OnBusy {
        let (refuse, wait) = (format!("{verb}.nonblock"), format!("{verb}.wait"));
        let refused =
            self.set(&refuse).unwrap_or(false) && self.settings.rank(&refuse) >= self.settings.rank(&wait);
        match args.wait {
            Some(span) => OnBusy::Queue { at_most: Some(span) },
            None if args.nonblock || refused => OnBusy::Refuse,
            None => OnBusy::Queue { at_most: self.set(&wait) },
        }
    }

    fn busy_status(&self, verb: &str, args: &BusyArgs) -> u8 {
        self.typed_or(args.conflict_exit_code, &format!("{verb}.conflict_exit_code"))
            .unwrap_or(crate::exit::BUSY)
    }

    /// The timeout, and who set it if nobody asked for one.
    fn timeout(&self, typed: Option<Duration>) -> Result<(Option<Duration>, Option<Origin>), ConfigError> {
        if let Some(asked) = typed {
            return Ok((Some(self.within_limit(asked)?), None));
        }
        // What nobody typed is not refused, but cut.
        let own = self.set("run.timeout");
        let Policy { default_timeout, max_duration, .. } = self.policy();
        let set = [default_timeout, max_duration].into_iter().flatten().min_by_key(|set| set.value);
        match set {
            Some(set) if own.is_none_or(|own| own > set.value) => Ok((Some(set.value), Some(set.origin))),
            _ => Ok((own, None)),
        }
    }

    fn lasts(&self, typed: Option<Duration>) -> Result<Duration, ConfigError> {
        let usual = self.set("reserve.duration").unwrap_or(EIGHT_HOURS);
        match (typed, self.policy().max_duration) {
            (Some(asked), _) => self.within_limit(asked),
            (None, Some(limit)) => Ok(usual.min(limit.value)),
            (None, None) => Ok(usual),
        }
    }

    fn within_limit(&self, asked: Duration) -> Result<Duration, ConfigError> {
        match self.policy().max_duration {
            Some(Value { value: limit, origin: place }) if asked > limit => Err(ConfigError::OverLimit {
                asked: InShort(asked).to_string(),
                limit: InShort(limit).to_string(),
                place,
            }),
            _ => Ok(asked),
        }
    }

    fn share(&self) -> Option<NonZeroU32> {
        self.policy().max_gpus_per_user.map(|limit| limit.value)
    }

    /// # Errors
    /// More GPUs than the host allows one person; what is held already is for the pool to count.
    pub(crate) fn within_share(&self, demand: Demand) -> Result<Demand, ConfigError> {
        let asked = match &demand {
            Demand::Count(count) => count.get(),
            Demand::Exactly(ids) => u32::try_from(ids.len()).unwrap_or(u32::MAX),
            Demand::AllFree => 0,
        };
        match self.policy().max_gpus_per_user {
            Some(Value { value: limit, origin: place }) if asked > limit.get() => {
                Err(ConfigError::OverLimit {
                    asked: format!("{asked} GPUs"),
                    limit: limit.to_string(),
                    place,
                })
            }
            _ => Ok(demand),
        }
    }

    fn reserve_form(&self, args: &ReserveArgs) -> ReserveForm {
        match (args.short, args.export, args.json) {
            (true, ..) => ReserveForm::Ids,
            (_, true, _) => ReserveForm::Export,
            (.., true) => ReserveForm::Json,
            _ if self.is_on(false, "reserve.short") => ReserveForm::Ids,
            _ if self.is_on(false, "reserve.export") => ReserveForm::Export,
            _ if self.is_on(false, "reserve.json") => ReserveForm::Json,
            _ => ReserveForm::Sentence,
        }
    }

    fn status_form(&self, args: &StatusArgs) -> StatusForm {
        let laid_out = |layout| match layout {
            StatusLayout::Lines => StatusForm::Lines,
            StatusLayout::Table => StatusForm::Table,
        };
        match (args.output, args.watch) {
            (Some(layout), _) => laid_out(layout),
            (_, Some(interval)) => StatusForm::Watch(interval),
            _ if args.json => StatusForm::Json,
            _ if args.summary => StatusForm::Summary,
            _ if self.is_on(false, "status.json") => StatusForm::Json,
            _ if self.is_on(false, "status.summary") => StatusForm::Summary,
            _ => match self.set("status.watch") {
                Some(interval) => StatusForm::Watch(interval),
                None => laid_out(self.set("status.output").unwrap_or_default()),
            },
        }
    }
}

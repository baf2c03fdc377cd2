//! `chg release` and `chg extend`: manual reservations given back, or given another end.

use super::context::Context;
use crate::attribution;
use crate::cli::GpuIds;
use crate::config::{ExtendOptions, ReleaseOptions};
use crate::error::Error;
use crate::exit::Exit;
use crate::model::identity::{Here, Life};
use crate::model::reservation::{Kind, Reservation};
use crate::model::verb::{Outcome, Selection, Verb};
use crate::output;
use crate::sys::process::Pidfd;
use crate::sys::signal::Signal;

/// Gives back what is the caller's. A live run, if forced, is asked to end.
pub(crate) fn release(ctx: &mut Context<'_>, options: &ReleaseOptions) -> Result<Exit, Error> {
    let verb = Verb::GiveBack { which: selection(options.gpus.as_ref()), live_runs: options.live_runs };
    let applied = ctx.apply(&verb)?;
    match &applied.outcome {
        Outcome::Changed(ended) => {
            ctx.out.print(&[output::released(ended)])?;
            ended
                .iter()
                .filter(|lease| lease.kind == Kind::Run)
                .for_each(|run| ask_to_end(ctx.eyes.here(), run));
            Ok(Exit::Done)
        }
        _ => Err(ctx.refused(applied)),
    }
}

/// Sets a new end for what is the caller's.
pub(crate) fn extend(ctx: &mut Context<'_>, options: &ExtendOptions) -> Result<Exit, Error> {
    let verb = Verb::Extend { which: selection(options.gpus.as_ref()), lasts: options.lasts };
    let applied = ctx.apply(&verb)?;
    match &applied.outcome {
        Outcome::Changed(changed) if changed.is_empty() => Err(Error::Failed {
            message: "you have no manual reservation to extend".into(),
            hint: Some("'chg reserve' makes one; 'chg status' shows what is reserved".into()),
        }),
        Outcome::Changed(changed) => {
            ctx.out.print(&output::extended(changed, applied.now))?;
            Ok(Exit::Done)
        }
        _ => Err(ctx.refused(applied)),
    }
}

fn selection(ids: Option<&GpuIds>) -> Selection {
    ids.map_or(Selection::Mine, |ids| Selection::Gpus(ids.0.clone()))
}

/// Its supervisor passes SIGTERM on to the command, and goes when that is gone.
fn ask_to_end(here: &Here, run: &Reservation) {
    let Some(launcher) = run.launcher.as_ref().filter(|launcher| here.can_examine(launcher)) else { return };
    // Opened before it is judged: from then on the descriptor means the process that was judged.
    let Ok(process) = Pidfd::open(launcher.pid) else { return };
    if matches!(attribution::life(here, launcher), Life::Alive | Life::Stopped) {
        let _ = process.send(Signal::TERM);
    }
}

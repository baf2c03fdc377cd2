//! `chg release` and `chg extend`: manual reservations given back, or given another end.

use super::context::Context;
use super::survivors::{self, Orphaned, Survivors};
use crate::attribution;
use crate::cli::GpuIds;
use crate::config::{ExtendOptions, ReleaseOptions};
use crate::error::Error;
use crate::exit::Exit;
use crate::model::identity::{Here, Life};
use crate::model::ids::GpuIndex;
use crate::model::reservation::{Kind, Reservation};
use crate::model::verb::{LiveRuns, Outcome, Selection, Verb};
use crate::output::{self, Answer};
use crate::sys::pidfd::Pidfd;
use crate::sys::signal::Signal;

/// Gives back what is the caller's. A live run, if forced, is asked to end; what a dead one left behind is ended.
pub(crate) fn release(ctx: &mut Context<'_>, options: &ReleaseOptions) -> Result<Exit, Error> {
    let Some(ids) = &options.gpus else { return give_back(ctx, Selection::Mine, options.live_runs, &[]) };
    let orphaned = survivors::on(ctx, &ids.0)?;
    let freed: Vec<GpuIndex> = orphaned.keys().copied().collect();
    if !freed.is_empty() {
        end_survivors(ctx, &orphaned, options.live_runs)?;
    }
    let rest: Vec<GpuIndex> = ids.0.iter().copied().filter(|gpu| !freed.contains(gpu)).collect();
    if rest.is_empty() {
        ctx.apply(&Verb::Sweep)?;
        ctx.out.print(&[output::freed(&freed)])?;
        return Ok(Exit::Done);
    }
    give_back(ctx, Selection::Gpus(rest), options.live_runs, &freed)
}

fn give_back(
    ctx: &mut Context<'_>,
    which: Selection,
    live_runs: LiveRuns,
    freed: &[GpuIndex],
) -> Result<Exit, Error> {
    let applied = ctx.apply(&Verb::GiveBack { which, live_runs })?;
    match &applied.outcome {
        Outcome::Changed(ended) => {
            let also = (!freed.is_empty()).then(|| output::freed(freed));
            ctx.out.print(&also.into_iter().chain([output::released(ended)]).collect::<Vec<_>>())?;
            ended
                .iter()
                .filter(|lease| lease.kind == Kind::Run)
                .for_each(|run| ask_to_end(ctx.eyes.here(), run));
            Ok(Exit::Done)
        }
        _ => Err(ctx.refused(applied)),
    }
}

fn end_survivors(ctx: &Context<'_>, orphaned: &Orphaned, live_runs: LiveRuns) -> Result<(), Error> {
    let survivors: Survivors =
        orphaned.values().flatten().map(|(pid, survivor)| (*pid, survivor.clone())).collect();
    let question = format!("End {}, left over from a run whose launcher is dead?", listed(&survivors));
    let answer = match live_runs {
        LiveRuns::End => Answer::Yes,
        LiveRuns::Spare => ctx.out.ask(&question),
    };
    match answer {
        Answer::Yes => {}
        Answer::No => return Err(Error::Failed { message: "nothing was ended".into(), hint: None }),
        Answer::Nobody => {
            return Err(Error::Failed {
                message: format!(
                    "still in use by {}, left over from a run whose launcher is dead",
                    listed(&survivors)
                ),
                hint: Some("--force ends them".into()),
            });
        }
    }
    let left = survivors::end(ctx.eyes.here(), &survivors);
    if left.is_empty() {
        return Ok(());
    }
    Err(Error::Failed {
        message: format!("{} did not end", listed(&left)),
        hint: Some("a process that SIGKILL does not end hangs in the driver; only a restart helps".into()),
    })
}

fn listed(survivors: &Survivors) -> String {
    let each =
        survivors.iter().map(|(pid, survivor)| format!("PID {pid} ({})", output::clip(&survivor.name, 32)));
    each.collect::<Vec<_>>().join(", ")
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

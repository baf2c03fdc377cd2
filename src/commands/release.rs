//! `chg release` and `chg extend`: manual reservations given back, or given another end.

use std::time::Duration;

use super::context::Context;
use super::signals::terminate;
use crate::cli::{ExtendArgs, GpuIds, ReleaseArgs};
use crate::error::Error;
use crate::exit::Exit;
use crate::model::duration;
use crate::model::gpu_list;
use crate::model::ids::GpuIndex;
use crate::model::reservation::{Kind, Reservation};
use crate::model::verb::{LiveRuns, Outcome, Selection, Verb};

/// Gives back what is the caller's; a live run, if forced, is asked to end.
pub(crate) fn release(ctx: &mut Context, args: &ReleaseArgs) -> Result<Exit, Error> {
    let live_runs = if args.force { LiveRuns::End } else { LiveRuns::Spare };
    match ctx.apply(&Verb::GiveBack { which: selection(args.gpu_ids.as_ref()), live_runs })?.outcome {
        Outcome::Changed(ended) => {
            ctx.out.answer(&released(&ended))?;
            for run in ended.iter().filter(|lease| lease.kind == Kind::Run) {
                terminate(ctx.eyes.here(), run.launcher.as_ref());
            }
            Ok(Exit::Done)
        }
        outcome => Err(ctx.refused(outcome)),
    }
}

/// Sets a new end for what is the caller's.
pub(crate) fn extend(ctx: &mut Context, args: &ExtendArgs) -> Result<Exit, Error> {
    let verb = Verb::Extend { which: selection(args.gpu_ids.as_ref()), lasts: args.duration };
    match ctx.apply(&verb)?.outcome {
        Outcome::Changed(changed) if changed.is_empty() => Err(Error::Failed {
            message: "you have no manual reservation to extend".into(),
            hint: Some("'chg reserve' makes one; 'chg status' shows what is reserved".into()),
        }),
        Outcome::Changed(changed) => {
            ctx.out.answer(&extended(&changed, args.duration))?;
            Ok(Exit::Done)
        }
        outcome => Err(ctx.refused(outcome)),
    }
}

fn selection(ids: Option<&GpuIds>) -> Selection {
    ids.map_or(Selection::Mine, |ids| Selection::Gpus(ids.0.clone()))
}

fn released(ended: &[Reservation]) -> String {
    if ended.is_empty() {
        return "Nothing to release: you have no manual reservation".into();
    }
    let gpus = gpus_of(ended);
    format!("Released {} GPU(s): {}", gpus.len(), gpu_list::bracketed(&gpus))
}

fn extended(changed: &[Reservation], lasts: Duration) -> String {
    let gpus = gpus_of(changed);
    let lasts = duration::clock(lasts);
    format!("Extended {} GPU(s): {}; expires in {lasts}", gpus.len(), gpu_list::bracketed(&gpus))
}

fn gpus_of(reservations: &[Reservation]) -> Vec<GpuIndex> {
    let mut gpus: Vec<GpuIndex> = reservations.iter().flat_map(|lease| lease.gpus.iter().copied()).collect();
    gpus.sort_unstable();
    gpus
}

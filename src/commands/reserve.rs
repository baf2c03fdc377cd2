//! `chg reserve`: GPUs for a time, without a command.

use std::time::Duration;

use super::claim::{self, Claimed, Grant};
use super::context::Context;
use super::environment;
use super::signals::Signals;
use crate::config::{CudaIds, ReserveForm, ReserveOptions};
use crate::error::Error;
use crate::exit::Exit;
use crate::model::duration;
use crate::model::gpu_list;
use crate::model::request::Request;
use crate::model::reservation::Kind;
use crate::output::reserve_json;

/// Claims the GPUs, waiting in line if asked to, and prints which they are.
pub(crate) fn reserve(ctx: &mut Context, options: &ReserveOptions, cuda_ids: CudaIds) -> Result<Exit, Error> {
    let request = Request {
        lasts: Some(options.lasts),
        note: options.note.clone(),
        on_busy: options.on_busy,
        in_use: options.in_use,
        until_exit: options.until_exit,
        ..ctx.request(options.demand.clone(), Kind::Manual)?
    };
    let signals = Signals::open()?;
    match claim::until_granted(ctx, request, &signals)? {
        Claimed::Granted(grant) => {
            answer(ctx, options.form, &grant, options.lasts, cuda_ids)?;
            Ok(Exit::Done)
        }
        Claimed::Interrupted(signal) => Ok(Exit::Signal(signal)),
    }
}

fn answer(ctx: &Context, form: ReserveForm, grant: &Grant, lasts: Duration, cuda_ids: CudaIds) -> Result<(), Error> {
    let lease = &grant.reservation;
    let gpus = &lease.gpus;
    match form {
        ReserveForm::Sentence => {
            let lasts = duration::clock(lasts);
            ctx.answer(&format!("Reserved {} GPU(s): {} for {lasts}", gpus.len(), gpu_list::bracketed(gpus)))
        }
        ReserveForm::Ids => ctx.answer(&gpu_list::compact(gpus)),
        ReserveForm::Export => {
            let variables = environment::variables(&grant.applied.pool, &lease.id, gpus, cuda_ids);
            ctx.answer(&environment::exports(&variables))
        }
        ReserveForm::Json => Ok(ctx.out.print_json(&reserve_json(lease)).map(drop)?),
    }
}

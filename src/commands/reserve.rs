//! `chg reserve`: GPUs for a time, without a command.

use super::claim::{self, Claimed, Grant};
use super::context::Context;
use super::environment;
use super::signals::Signals;
use crate::config::{CudaIds, ReserveForm, ReserveOptions};
use crate::error::Error;
use crate::exit::Exit;
use crate::model::request::Request;
use crate::model::reservation::Kind;
use crate::output::{self, Delivery};

/// Claims the GPUs, waiting in line if asked to, and prints which they are.
pub(crate) fn reserve(
    ctx: &mut Context<'_>,
    options: &ReserveOptions,
    cuda_ids: CudaIds,
) -> Result<Exit, Error> {
    let request = Request {
        lasts: Some(options.lasts),
        note: options.note.clone(),
        on_busy: options.on_busy,
        in_use: options.in_use,
        until_exit: options.until_exit,
        share: options.share,
        ..ctx.request(options.demand.clone(), Kind::Manual)?
    };
    let signals = Signals::open()?;
    match claim::until_granted(ctx, request, None, &signals)? {
        Claimed::Granted(grant) => {
            answer(ctx, options.form, &grant, cuda_ids)?;
            Ok(Exit::Done)
        }
        Claimed::Interrupted(signal) => Ok(Exit::Signal(signal)),
    }
}

fn answer(ctx: &Context<'_>, form: ReserveForm, grant: &Grant, cuda_ids: CudaIds) -> Result<Delivery, Error> {
    let lease = &grant.reservation;
    let printed = match form {
        ReserveForm::Sentence => ctx.out.print(&[output::reserved(lease)]),
        ReserveForm::Ids => ctx.out.print(&[output::short(lease)]),
        ReserveForm::Export => {
            let variables = environment::variables(&grant.applied.pool, &lease.id, &lease.gpus, cuda_ids);
            ctx.out.print_text(&output::exports(&variables))
        }
        ReserveForm::Json => ctx.out.print_json(&output::reserved_json(lease)),
    };
    Ok(printed?)
}

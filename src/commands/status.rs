//! `chg status`: every GPU, what it is used for, and by whom.

use std::time::Duration;

use super::context::Context;
use crate::config::{StatusForm, StatusOptions};
use crate::error::Error;
use crate::exit::Exit;
use crate::gpu::GpuError;
use crate::model::occupancy;
use crate::output::{self, Delivery, Out, OutputError, StatusView};

/// Shows the GPUs in the form that was asked for.
pub(crate) fn status(ctx: &mut Context<'_>, options: &StatusOptions) -> Result<Exit, Error> {
    match options.form {
        StatusForm::Lines => once(ctx, |out, view| out.print(&output::lines(view))),
        StatusForm::Table => once(ctx, |out, view| out.print(&output::table(view))),
        StatusForm::Summary => once(ctx, |out, view| out.print(&output::summary(view))),
        StatusForm::Json => once(ctx, |out, view| out.print_json(&output::status_json(view))),
        StatusForm::Watch(every) => watch(ctx, every),
    }
}

/// A driver that does not answer costs the usage, not the reservations.
fn once(
    ctx: &mut Context<'_>,
    show: impl FnOnce(&Out, &StatusView) -> Result<Delivery, OutputError>,
) -> Result<Exit, Error> {
    let (view, trouble) = look(ctx)?;
    show(ctx.out, &view)?;
    trouble.map_or(Ok(Exit::Done), |error| Err(error.into()))
}

fn watch(ctx: &mut Context<'_>, every: Duration) -> Result<Exit, Error> {
    let out = ctx.out;
    output::watch(out, every, || {
        let (view, trouble) = look(ctx)?;
        trouble.map_or(Ok(view), |error| Err(error.into()))
    })
    .map(|()| Exit::Done)
}

fn look(ctx: &mut Context<'_>) -> Result<(StatusView, Option<GpuError>), Error> {
    let snapshot = ctx.swept_snapshot()?;
    let trouble = ctx.eyes.scan(&snapshot.pool).err();
    ctx.eyes.look_closely();
    let pool = ctx.pool_or_preview(&snapshot);
    let seats = ctx.eyes.seat_owners(&pool);
    let occupancies = ctx.eyes.with_seen(&pool, &seats, |seen| occupancy::judge(&pool, seen, snapshot.now));
    Ok((StatusView::new(&pool, &occupancies, ctx.eyes.gpus(), snapshot.now), trouble))
}

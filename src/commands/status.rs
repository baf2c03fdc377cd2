//! `chg status`: every GPU, what it is used for, and by whom.

use super::context::Context;
use super::eyes::Freshness;
use crate::config::{StatusForm, StatusOptions};
use crate::error::Error;
use crate::exit::Exit;
use crate::gpu::GpuError;
use crate::model::occupancy;
use crate::output::{self, StatusView};

/// Shows the GPUs in the form that was asked for. A driver that does not answer costs the usage, not the reservations.
pub(crate) fn status(ctx: &mut Context<'_>, options: &StatusOptions) -> Result<Exit, Error> {
    let (view, trouble) = look(ctx)?;
    match options.form {
        StatusForm::Lines => ctx.out.print(&output::lines(&view))?,
        StatusForm::Table => ctx.out.print(&output::table(&view))?,
        StatusForm::Summary => ctx.out.print(&output::summary(&view))?,
        StatusForm::Json => ctx.out.print_json(&output::status_json(&view))?,
        StatusForm::Watch(_) => return Ok(Exit::Done),
    };
    trouble.map_or(Ok(Exit::Done), |error| Err(error.into()))
}

fn look(ctx: &mut Context<'_>) -> Result<(StatusView, Option<GpuError>), Error> {
    let snapshot = ctx.swept_snapshot()?;
    let trouble = ctx.eyes.scan(&snapshot.pool, Freshness::Now).err();
    ctx.eyes.look_closely();
    let pool = ctx.pool_or_preview(&snapshot);
    let seats = ctx.eyes.seat_owners(&pool);
    let occupancies = ctx.eyes.with_seen(&pool, &seats, |seen| occupancy::judge(&pool, seen, snapshot.now));
    Ok((StatusView::new(&pool, &occupancies, ctx.eyes.gpus(), snapshot.now), trouble))
}

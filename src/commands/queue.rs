//! `chg queue`: who waits for what, since when, and what blocks them.

use super::context::Context;
use crate::config::Form;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::plan;
use crate::output::{self, QueueView};

/// Shows the line as it stands now.
pub(crate) fn queue(ctx: &mut Context<'_>, form: Form) -> Result<Exit, Error> {
    let snapshot = ctx.swept_snapshot()?;
    // The line can be shown without an answer from the driver; what blocks it is less certain then.
    let trouble = ctx.eyes.scan(&snapshot.pool).err();
    let seats = ctx.eyes.seat_owners(&snapshot.pool);
    let waiting = ctx
        .eyes
        .with_seen(&snapshot.pool, &seats, |seen| plan::standings(&snapshot.pool, seen, snapshot.now));
    let view = QueueView { now: snapshot.now, waiting };
    match form {
        Form::Json => ctx.out.print_json(&output::queue_json(&view))?,
        Form::Text => ctx.out.print(&output::queue(&view, ctx.out.room()))?,
    };
    trouble.map_or(Ok(Exit::Done), |error| Err(error.into()))
}

//! `chg queue`: who waits for what, since when, and what blocks them.

use std::collections::BTreeMap;

use super::context::Context;
use crate::cli::QueueArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::plan;
use crate::output::queue::{self, QueueView};

/// Shows the line as it would be served now.
pub(crate) fn queue(ctx: &mut Context, args: &QueueArgs) -> Result<Exit, Error> {
    let snapshot = ctx.swept_snapshot()?;
    // Without an answer from the driver the line can still be shown; what blocks it is less certain.
    let trouble = ctx.look(&snapshot.pool).err();
    let seats = ctx.eyes.seat_owners(&snapshot.pool);
    let standings = ctx.eyes.with_seen(&snapshot.pool, &seats, |seen| {
        plan::standings(&snapshot.pool, seen, snapshot.now)
    });
    let view = QueueView::new(&snapshot.pool, &standings, snapshot.now);
    ctx.out.answer(&if args.json { queue::json(&view) } else { queue::text(&view) })?;
    trouble.map_or(Ok(Exit::Done), Err)
}

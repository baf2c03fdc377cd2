//! `chg report`: GPU hours by account over the last days.

use std::time::Duration;

use super::context::Context;
use crate::cli::ReportArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::history::Report;
use crate::output::report;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const DEFAULT_DAYS: u32 = 30;

/// Adds up what has ended in the window and what is still held.
pub(crate) fn report(ctx: &mut Context, args: &ReportArgs) -> Result<Exit, Error> {
    let days = args.days.map_or(DEFAULT_DAYS, std::num::NonZeroU32::get);
    let snapshot = ctx.swept_snapshot()?;
    let now = snapshot.now;
    let from = now.before(DAY.saturating_mul(days));
    let mut report = Report::new(from..now);
    // Read up to the end of time: a reservation that ends while we read is counted once, as ended.
    ctx.store.history(from..now.after(DAY), &mut |ended| report.add(&ended))?;
    for reservation in snapshot.pool.reservations.values() {
        report.add_current(reservation, now);
    }
    let view = report.finish(days);
    ctx.out.answer(&if args.json { report::json(&view) } else { report::text(&view) })?;
    Ok(Exit::Done)
}

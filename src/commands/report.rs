//! `chg report`: GPU hours by account over the last days.

use std::time::Duration;

use super::context::Context;
use crate::config::{Form, ReportOptions};
use crate::error::Error;
use crate::exit::Exit;
use crate::model::history::{Report, Summary, Window};
use crate::model::ids::Timestamp;
use crate::output::{self, ReportUser, ReportView};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Adds up what has ended in the window and what is still held.
pub(crate) fn report(ctx: &mut Context<'_>, options: &ReportOptions) -> Result<Exit, Error> {
    let snapshot = ctx.swept_snapshot()?;
    let days = options.days.get();
    let window = Window { from: snapshot.now.before(DAY.saturating_mul(days)), to: snapshot.now };
    let mut report = Report::new(window);
    // Up to the snapshot, what its sweep has just ended included, and not beyond: what it shows as held and has ended
    // since would be counted twice.
    let until = snapshot.now.after(Duration::from_nanos(1));
    ctx.store.history(window.from..until, &mut |ended| report.add(&ended))?;
    for reservation in snapshot.pool.reservations.values() {
        report.add_current(reservation, snapshot.now);
    }
    let view = view(report.finish(), window.from, snapshot.now, days);
    match options.form {
        Form::Json => ctx.out.print_json(&view)?,
        Form::Text => ctx.out.print(&output::report(&view, ctx.out.room()))?,
    };
    Ok(Exit::Done)
}

fn view(summary: Summary, start: Timestamp, end: Timestamp, days: u32) -> ReportView {
    let users: Vec<ReportUser> = summary
        .users
        .into_iter()
        .map(|user| ReportUser {
            name: user.name,
            gpu_hours: user.gpu_hours,
            percentage: user.percentage,
            run_count: user.run_count,
            manual_count: user.manual_count,
        })
        .collect();
    ReportView {
        unique_users: users.len() as u64,
        users,
        total_gpu_hours: summary.total_gpu_hours,
        total_reservations: summary.total_reservations,
        start,
        end,
        days: days.into(),
    }
}

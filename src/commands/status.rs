//! `chg status`: every GPU, what it is used for, and by whom.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::context::Context;
use super::eyes::Heard;
use super::keeping;
use crate::attribution;
use crate::config::{StatusForm, StatusOptions};
use crate::error::Error;
use crate::exit::Exit;
use crate::model::ids::GpuIndex;
use crate::model::occupancy::{self, Claim, Judged, Occupancy, Role};
use crate::model::plan;
use crate::model::pool::Pool;
use crate::model::verb::Standing;
use crate::model::waiter::Waiter;
use crate::output::{self, Delivery, Out, OutputError, QueueView, StatusView, WatchView, Watched};
use crate::store::Snapshot;

/// Shows the GPUs in the form that was asked for.
pub(crate) fn status(ctx: &mut Context<'_>, options: &StatusOptions) -> Result<Exit, Error> {
    match options.form {
        StatusForm::Lines => once(ctx, |out, view| out.print(&output::lines(view))),
        StatusForm::Table => once(ctx, |out, view| out.print(&output::table(view, out.room()))),
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
    let snapshot = ctx.swept_snapshot()?;
    let trouble = ctx.eyes.scan(&snapshot.pool).err();
    let look = joined(ctx, &snapshot);
    ctx.tell_of_numbers();
    show(ctx.out, &look.status)?;
    trouble.map_or(Ok(Exit::Done), |error| Err(error.into()))
}

fn watch(ctx: &mut Context<'_>, every: Duration) -> Result<Exit, Error> {
    let out = ctx.out;
    let snapshot = ctx.swept_snapshot()?;
    ctx.eyes.ask(&snapshot.pool)?;
    let mut watched = Watching { ctx, host: host_name(), snapshot };
    output::watch(out, every, &mut watched).map(|()| Exit::Done)
}

/// One look after another, each begun at one moment and over at another.
struct Watching<'c, 'o> {
    ctx: &'c mut Context<'o>,
    host: String,
    /// Of the store, when the last look was begun.
    snapshot: Snapshot,
}

impl Watching<'_, '_> {
    fn view(&mut self) -> WatchView {
        let Look { status, waiting } = joined(self.ctx, &self.snapshot);
        let queue = QueueView { now: status.now, waiting };
        WatchView { host: self.host.clone(), status, queue }
    }
}

impl Watched for Watching<'_, '_> {
    type Failure = Error;

    fn look(&mut self) -> Result<(), Error> {
        self.snapshot = self.ctx.swept_snapshot()?;
        Ok(self.ctx.eyes.ask(&self.snapshot.pool)?)
    }

    fn awaited(&self) -> Option<(BorrowedFd<'_>, Duration)> {
        let (more, until) = self.ctx.eyes.awaited()?;
        Some((more, until.saturating_duration_since(Instant::now())))
    }

    fn seen(&mut self) -> Result<Option<WatchView>, Error> {
        let heard = self.ctx.eyes.hear(&self.snapshot.pool)?;
        Ok((heard == Heard::All).then(|| self.view()))
    }

    fn so_far(&mut self) -> WatchView {
        self.ctx.eyes.glimpse(&self.snapshot.pool);
        self.view()
    }
}

/// Without its domain, as in a shell's prompt.
fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().split('.').next().unwrap_or_default().to_owned()
}

/// What is seen at one moment.
struct Look {
    status: StatusView,
    waiting: Vec<(Waiter, Standing)>,
}

/// What the store says, joined with what the eyes see.
fn joined(ctx: &mut Context<'_>, snapshot: &Snapshot) -> Look {
    ctx.eyes.look_closely(&snapshot.pool);
    let pool = ctx.pool_or_preview(snapshot);
    let seats = ctx.eyes.seat_owners(&pool);
    keeping::ring_holders(keeping::unrecorded(&pool, &seats));
    let (mut occupancies, waiting) = ctx.eyes.with_seen(&pool, &seats, |seen| {
        (occupancy::judge(&pool, seen, snapshot.now), plan::standings(&pool, seen, snapshot.now))
    });
    name_models(&mut occupancies, &pool);
    let status = StatusView::new(&pool, &occupancies, ctx.eyes.gpus(), snapshot.now);
    Look { status, waiting }
}

/// A process that tells no model, having written over its command line, serves the one that its run was started with.
fn name_models(occupancies: &mut BTreeMap<GpuIndex, Occupancy>, pool: &Pool) {
    for occupancy in occupancies.values_mut() {
        let Claim::Reserved { id, .. } = &occupancy.claim else { continue };
        let Some(held) = pool.reservations.get(id) else { continue };
        let untold = |judged: &&mut Judged| judged.role == Role::Holder && judged.process.model.is_none();
        for judged in occupancy.processes.iter_mut().filter(untold) {
            judged.process.model = attribution::model_of([held.command.as_slice()]);
        }
    }
}

//! `chg status`: every GPU, what it is used for, and by whom.

use std::collections::BTreeMap;
use std::time::Duration;

use super::context::Context;
use super::keeping;
use crate::attribution;
use crate::config::{StatusForm, StatusOptions};
use crate::error::Error;
use crate::exit::Exit;
use crate::gpu::GpuError;
use crate::model::ids::GpuIndex;
use crate::model::occupancy::{self, Claim, Judged, Occupancy, Role};
use crate::model::plan;
use crate::model::pool::Pool;
use crate::model::verb::Standing;
use crate::model::waiter::Waiter;
use crate::output::{self, Delivery, Out, OutputError, QueueView, StatusView, WatchView};

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
    let Look { status, trouble, .. } = look(ctx)?;
    show(ctx.out, &status)?;
    trouble.map_or(Ok(Exit::Done), |error| Err(error.into()))
}

fn watch(ctx: &mut Context<'_>, every: Duration) -> Result<Exit, Error> {
    let out = ctx.out;
    let host = host_name();
    output::watch(out, every, || {
        let Look { status, waiting, trouble } = look(ctx)?;
        let queue = QueueView { now: status.now, waiting };
        trouble.map_or(Ok(WatchView { host: host.clone(), status, queue }), |error| Err(error.into()))
    })
    .map(|()| Exit::Done)
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
    /// Why the driver as a whole gave no answer.
    trouble: Option<GpuError>,
}

fn look(ctx: &mut Context<'_>) -> Result<Look, Error> {
    let snapshot = ctx.swept_snapshot()?;
    let trouble = ctx.eyes.scan(&snapshot.pool).err();
    ctx.eyes.look_closely(&snapshot.pool);
    let pool = ctx.pool_or_preview(&snapshot);
    let seats = ctx.eyes.seat_owners(&pool);
    keeping::ring_holders(keeping::unrecorded(&pool, &seats));
    let (mut occupancies, waiting) = ctx.eyes.with_seen(&pool, &seats, |seen| {
        (occupancy::judge(&pool, seen, snapshot.now), plan::standings(&pool, seen, snapshot.now))
    });
    name_models(&mut occupancies, &pool);
    let status = StatusView::new(&pool, &occupancies, ctx.eyes.gpus(), snapshot.now);
    Ok(Look { status, waiting, trouble })
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

//! `chg run`: reserve, supervise, release. Joins the rooms; decides nothing itself.

use std::env;
use std::ffi::OsString;
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::claim::{self, Claimed, Grant};
use super::context::Context;
use super::environment;
use super::eyes::Eyes;
use super::keeping::{self, Around, Vitals};
use super::nested;
use super::nesting::{Count, Place};
use super::program::Program;
use super::signals::Signals;
use crate::attribution;
use crate::config::{CudaIds, RunOptions};
use crate::error::{Error, While};
use crate::exit::Exit;
use crate::heartbeat::{self, Keeper, Keeping};
use crate::model::device::Provider;
use crate::model::pool::Pool;
use crate::model::request::Request;
use crate::model::reservation::{Ending, Kind, Reservation};
use crate::model::verb::Verb;
use crate::output;
use crate::supervise::status::Settled;
use crate::supervise::{self, AtGate, Plan};
use crate::sys::memory::give_back_unused;

/// How long the command waits at its gate for its identity to be in the store.
const RECORDING: Duration = Duration::from_secs(1);

/// What is to be run, and how.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// As it was typed, for others to see.
    pub(crate) command: &'a [OsString],
    pub(crate) options: &'a RunOptions,
    pub(crate) count: Count,
    pub(crate) cuda_ids: CudaIds,
}

/// How a run ends when nothing of ours failed.
#[derive(Debug)]
pub(crate) enum Ran {
    /// As its command did.
    Like(Settled),
    /// Before there was a command.
    Early(Exit),
}

/// Runs the command on GPUs of its own, or inside the reservation that it was started in.
pub(crate) fn run(mut ctx: Context<'_>, run: &Run<'_>, program: Program) -> Result<Ran, Error> {
    match nested::place(&mut ctx, run)? {
        Place::Outside => {}
        Place::Inside { reservation, gpus } => {
            return nested::inside(ctx, run, program, &reservation, &gpus).map(Ran::Like);
        }
        Place::Beyond { reservation } => return Err(nested::beyond(&reservation)),
    }
    let signals = Signals::open()?;
    let request = request(&ctx, run)?;
    match claim::until_granted(&mut ctx, request, &signals)? {
        Claimed::Interrupted(signal) => Ok(Ran::Early(Exit::Signal(signal))),
        Claimed::Granted(grant) => hold(ctx, run, program, *grant).map(Ran::Like),
    }
}

fn request(ctx: &Context<'_>, run: &Run<'_>) -> Result<Request, Error> {
    Ok(Request {
        note: run.options.note.clone(),
        command: run.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        on_busy: run.options.on_busy,
        share: run.options.share,
        ..ctx.request(run.options.demand.clone(), Kind::Run)?
    })
}

/// From the grant to the release.
fn hold(mut ctx: Context<'_>, run: &Run<'_>, program: Program, grant: Grant) -> Result<Settled, Error> {
    let Grant { reservation, seats, applied, waited } = grant;
    ctx.out.say(output::granted(&reservation, waited.unwrap_or_default()));
    let mut variables =
        environment::variables(&applied.pool, &reservation.id, &reservation.gpus, run.cuda_ids);
    variables.extend_from_slice(&program.variables);
    let plan = Plan {
        argv: program.argv(&reservation.id, &reservation.gpus),
        program: program.path,
        env: environment::within(env::vars_os(), &variables),
        options: supervision(run.options),
        foreign_children: ctx.eyes.helper().into_iter().collect(),
        close_first: seats.iter().map(AsRawFd::as_raw_fd).collect(),
    };
    ctx.eyes.close();
    let child = match supervise::fork(plan) {
        Ok(child) => child,
        Err(error) => {
            drop(seats);
            let nothing_ran = Ending::Exited { status: 125 };
            ctx.apply(&Verb::Release { id: reservation.id, how: nothing_ran })?;
            return Err(error.into());
        }
    };
    let vitals = vitals(&ctx.eyes, &applied.pool);
    let out = ctx.out;
    let mut around = Around::new(out, ctx.eyes.closed(), applied.pool, reservation.gpus.clone());
    let keeper = around.keeper.insert(keep(ctx, reservation, vitals, &child)?);
    keeper.wait(RECORDING);
    let running = child.go();
    // From here on there is little to do, often for days.
    give_back_unused();
    let settled = running.until_settled(&mut around);

    drop(seats);
    let how = Ending::Exited { status: settled.outcome.shell_status() };
    if let Some(Err(error)) = around.keeper.map(|keeper| keeper.release(how)) {
        out.warn(
            &format!("the release is not recorded: {error}"),
            Some("whoever looks next finds the run ended"),
        );
    }
    Ok(settled)
}

/// What renewals see. A store that loses its data gets the pool back together with the reservation; simulated GPUs are
/// made by hand.
fn vitals(eyes: &Eyes, pool: &Pool) -> Vitals {
    match pool.provider {
        Some(Provider::Fake) => Vitals(eyes.closed()),
        Some(Provider::Nvidia) | None => Vitals(eyes.remembering()),
    }
}

/// Starts the heartbeat; its first beat tells the store who the command is.
fn keep(
    ctx: Context<'_>,
    mut reservation: Reservation,
    vitals: Vitals,
    child: &AtGate,
) -> Result<Keeper, Error> {
    reservation.child = attribution::identity_of(ctx.eyes.here(), child.pid());
    let keeper = heartbeat::keep(Keeping {
        reservation,
        witness: Box::new(vitals),
        store: ctx.store,
        actor: ctx.actor,
        committed: Box::new(keeping::ring),
    });
    keeper.doing("starting the heartbeat")
}

pub(super) fn supervision(options: &RunOptions) -> supervise::Options {
    supervise::Options {
        timeout: options.timeout,
        grace: options.grace,
        orphans: keeping::orphans(options.orphans),
        on_lost: keeping::on_lost(options.on_lost),
    }
}

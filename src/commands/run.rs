//! `chg run`: reserve, supervise, release. Joins the rooms; decides nothing itself.

use std::env;
use std::ffi::OsString;

use super::claim::{self, Claimed, Grant};
use super::context::Context;
use super::environment;
use super::keeping::{self, Around, Vitals};
use super::nested;
use super::nesting::{Count, Place};
use super::program::Program;
use super::signals::Signals;
use super::witness::{Spawn, Taken};
use crate::bell::Bell;
use crate::config::{CudaIds, RunOptions};
use crate::error::{Error, While};
use crate::exit::Exit;
use crate::heartbeat::{self, Keeper, Keeping};
use crate::model::ids::Pid;
use crate::model::pool::Pool;
use crate::model::request::Request;
use crate::model::reservation::{Ending, Kind, Reservation};
use crate::model::verb::Verb;
use crate::output;
use crate::store::Applied;
use crate::supervise::status::Settled;
use crate::supervise::{self, AtGate, Plan, SpawnError};

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
    match claim::until_granted(&mut ctx, request, Some(&(run, &program)), &signals)? {
        Claimed::Interrupted(signal) => Ok(Ran::Early(Exit::Signal(signal))),
        Claimed::Granted(grant) => hold(ctx, *grant, run.options).map(Ran::Like),
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

impl Spawn for (&Run<'_>, &Program) {
    fn spawn(
        &self,
        pool: &Pool,
        reservation: &Reservation,
        helper: Option<Pid>,
    ) -> Result<AtGate, SpawnError> {
        let (run, program) = *self;
        let Reservation { id, gpus, .. } = reservation;
        let mut variables = environment::variables(pool, id, gpus, run.cuda_ids);
        variables.extend_from_slice(&program.variables);
        supervise::fork(Plan {
            program: program.path.clone(),
            argv: program.argv(id, gpus),
            env: environment::within(env::vars_os(), &variables),
            options: supervision(run.options),
            foreign_children: helper.into_iter().collect(),
        })
    }
}

/// From the grant to the release.
fn hold(mut ctx: Context<'_>, grant: Grant, options: &RunOptions) -> Result<Settled, Error> {
    let Grant { reservation, taken, applied, waited } = grant;
    let Taken { seats, child } = taken;
    let child = match child {
        Some(Ok(child)) => child,
        failed => {
            drop(seats);
            let nothing_ran = Ending::Exited { status: 125 };
            ctx.apply(&Verb::Release { id: reservation.id, how: nothing_ran })?;
            return Err(match failed {
                Some(Err(error)) => error.into(),
                _ => Error::Failed { message: "the grant came without a command".into(), hint: None },
            });
        }
    };
    ctx.out.say(output::granted(&reservation, waited.unwrap_or_default()));
    if let (Some(timeout), Some(place)) = (options.timeout, &options.imposed_by) {
        ctx.out.say(output::limited(timeout, &place.to_string()));
    }
    let out = ctx.out;
    let eyes = ctx.eyes.closed_for_good();
    let mut around = Around::new(out, eyes, applied.pool.clone(), reservation.gpus.clone());
    let first = reservation.gpus.first().and_then(|gpu| applied.pool.slots.get(gpu)?.uuid.as_ref());
    // A hint: without it the next heartbeat finds out.
    around.bell = first.and_then(|uuid| Bell::hang_for(uuid).ok());
    around.keeper = Some(keeper(ctx, reservation, &applied)?);
    let settled = child.go().until_settled(&mut around);

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

/// The keeper of the lease that was `applied`.
fn keeper(ctx: Context<'_>, reservation: Reservation, applied: &Applied) -> Result<Keeper, Error> {
    let keeping = Keeping {
        // A store that loses its data gets the pool back together with the reservation.
        witness: Box::new(Vitals(ctx.eyes.remembering())),
        reservation,
        store: ctx.store,
        actor: ctx.actor,
        committed: Box::new(keeping::ring),
    };
    heartbeat::keep(keeping, &applied.pool, applied.now).doing("preparing the heartbeat")
}

pub(super) fn supervision(options: &RunOptions) -> supervise::Options {
    supervise::Options {
        timeout: options.timeout,
        grace: options.grace,
        orphans: keeping::orphans(options.orphans),
        on_lost: keeping::on_lost(options.on_lost),
    }
}

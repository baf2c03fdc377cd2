//! Runs that need no reservation of their own: inside the lease they were started under, or inside a manual
//! reservation of the caller's.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use super::context::Context;
use super::environment;
use super::keeping::Around;
use super::nesting::{self, Asked, Place, Surroundings};
use super::program::Program;
use super::run::{Run, supervision};
use crate::attribution;
use crate::config::Nesting;
use crate::error::{Error, While};
use crate::model::gpu_list;
use crate::model::ids::{GpuIndex, LeaseId};
use crate::model::reservation::Reservation;
use crate::supervise::status::Settled;
use crate::supervise::{self, Options, Plan};
use crate::sys::exec::{self, Image};

/// Finds out where the run belongs. Costs nothing where the environment names no reservation and no GPU.
pub(super) fn place(ctx: &mut Context<'_>, run: &Run<'_>) -> Result<Place, Error> {
    let around = Surroundings {
        reservation: env::var(environment::RESERVATION).ok().map(LeaseId),
        visible: env::var(environment::VISIBLE).ok().and_then(|ids| gpu_list::parse(&ids).ok()),
    };
    let asked = Asked { demand: &run.options.demand, count: run.count };
    if run.options.nesting == Nesting::Anew || !nesting::is_possible(&around, &asked) {
        return Ok(Place::Outside);
    }
    let snapshot = ctx.swept_snapshot()?;
    let is_above = |process: &_| attribution::is_own_ancestor(ctx.eyes.here(), process);
    Ok(nesting::place(&snapshot.pool, ctx.actor.uid, &around, &asked, is_above))
}

/// Runs in a reservation that others keep. Without an option that needs a supervisor, becomes the command.
pub(super) fn inside(
    mut ctx: Context<'_>,
    run: &Run<'_>,
    program: Program,
    reservation: &Reservation,
    gpus: &[GpuIndex],
) -> Result<Settled, Error> {
    let pool = ctx.snapshot()?.pool;
    let mut variables = environment::variables(&pool, &reservation.id, gpus, run.cuda_ids);
    variables.extend_from_slice(&program.variables);
    let argv = program.argv(&reservation.id, gpus);
    let env = environment::within(env::vars_os(), &variables);
    let options = supervision(run.options);
    if options == Options::default() {
        return Err(become_program(&program.path, &argv, &env));
    }
    let plan = Plan { program: program.path, argv, env, options, foreign_children: Vec::new() };
    let child = supervise::fork(plan)?;
    let mut around = Around::new(ctx.out, ctx.eyes.closed(), pool, gpus.to_vec());
    Ok(child.go().until_settled(&mut around))
}

/// What was asked for is not in the lease that the run was started under.
pub(super) fn beyond(reservation: &Reservation) -> Error {
    Error::Failed {
        message: format!(
            "this is inside a reservation of GPU {}, which has not what you ask for",
            gpu_list::spaced(&reservation.gpus)
        ),
        hint: Some("ask for GPUs of that reservation, or reserve others besides with --new".into()),
    }
}

/// Returns only if it cannot, with the reason.
pub(super) fn become_program(path: &Path, argv: &[OsString], env: &[(OsString, OsString)]) -> Error {
    let errno = match Image::new(path, argv, env).doing("preparing the command") {
        Ok(image) => exec::become_image(&image),
        Err(error) => return error,
    };
    let name = path.display().to_string();
    match errno {
        nix::errno::Errno::ENOENT => Error::NotFound { name, why: "its interpreter is not there" },
        other => Error::NotExecutable { name, why: other.desc().to_owned() },
    }
}

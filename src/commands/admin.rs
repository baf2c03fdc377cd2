//! `chg admin`: the pool itself, and what only its administrators may do.

use super::context::Context;
use crate::cli::AdminArgs;
use crate::config::Config;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::device::Provider;
use crate::model::gpu_list;
use crate::model::ids::GpuIndex;
use crate::model::pool::Pool;
use crate::model::reservation::Ending;
use crate::model::verb::{Change, Outcome, PoolSize, Verb};
use crate::output::Line;

/// Carries out what was asked, in this order: release, reset, pool, strategy. Without anything asked, says what the
/// pool is.
pub(crate) fn admin(ctx: &mut Context<'_>, args: &AdminArgs, config: &Config) -> Result<Exit, Error> {
    if let Some(id) = &args.release {
        let how = Ending::Revoked { by: ctx.actor.uid };
        carry_out(ctx, &Verb::Release { id: id.clone(), how }, &format!("Released reservation {id}"))?;
    }
    if let Some(record) = args.reset {
        carry_out(ctx, &Verb::Reset(record), &format!("Reset the record {record}"))?;
    }
    if let Some(size) = size(args) {
        let change = if args.force { Change::Allow } else { Change::Refuse };
        let provider = provider(ctx, args, config)?;
        initialise(ctx, provider, size, change)?;
    }
    if let Some(strategy) = args.strategy {
        let done = format!("GPUs are handed out by {}", strategy.as_str());
        carry_out(ctx, &Verb::Choose(strategy), &done)?;
    }
    if asks_nothing(args) {
        let pool = ctx.snapshot()?.pool;
        ctx.tell_damage(&pool);
        ctx.out.print(&[Line::from(description(&pool))])?;
    }
    Ok(Exit::Done)
}

/// The one that was typed, or else the pool's own, or else the configured one.
fn provider(ctx: &mut Context<'_>, args: &AdminArgs, config: &Config) -> Result<Provider, Error> {
    if let Some(provider) = args.provider {
        return Ok(provider);
    }
    let configured = config.provider().map_or(Provider::Nvidia, |set| set.value);
    Ok(ctx.snapshot()?.pool.provider.unwrap_or(configured))
}

fn size(args: &AdminArgs) -> Option<PoolSize> {
    match (args.gpus, &args.gpu_ids, args.provider) {
        (Some(count), _, _) => Some(PoolSize::First(count.get())),
        (None, Some(ids), _) => Some(PoolSize::Exactly(ids.0.clone())),
        (None, None, Some(_)) => Some(PoolSize::All),
        (None, None, None) => None,
    }
}

fn initialise(
    ctx: &mut Context<'_>,
    provider: Provider,
    size: PoolSize,
    change: Change,
) -> Result<(), Error> {
    let verb = Verb::Initialise { provider, size, change };
    let applied = match provider {
        Provider::Nvidia => ctx.apply_on_scan_of(provider, &verb)?,
        Provider::Fake => ctx.apply(&verb)?,
    };
    match applied.outcome {
        Outcome::Done => {
            ctx.out.print(&[Line::from(description(&applied.pool))])?;
            Ok(())
        }
        _ => Err(ctx.refused(applied)),
    }
}

fn carry_out(ctx: &mut Context<'_>, verb: &Verb, done: &str) -> Result<(), Error> {
    let applied = ctx.apply(verb)?;
    match applied.outcome {
        Outcome::Done | Outcome::Changed(_) => {
            ctx.out.print(&[Line::from(crate::output::escape(done).into_owned())])?;
            Ok(())
        }
        _ => Err(ctx.refused(applied)),
    }
}

pub(super) const fn asks_nothing(args: &AdminArgs) -> bool {
    args.release.is_none()
        && args.reset.is_none()
        && args.strategy.is_none()
        && args.gpus.is_none()
        && args.gpu_ids.is_none()
        && args.provider.is_none()
}

fn description(pool: &Pool) -> String {
    let Some(provider) = pool.provider else {
        return "The pool is not made yet: it is on first use, of the GPUs that the driver reports".into();
    };
    let gpus: Vec<GpuIndex> = pool.slots.keys().copied().collect();
    let kind = match provider {
        Provider::Nvidia => "",
        Provider::Fake => " simulated",
    };
    format!(
        "The pool has {}{kind} GPU(s): {}, handed out by {}",
        gpus.len(),
        gpu_list::bracketed(&gpus),
        pool.strategy.as_str()
    )
}

//! Looks again and again while everybody acts, as any user may, and lets the judge compare what is shown with what is
//! the case.

use std::time::{Duration, Instant};

use bench::Result;
use bench::host::Kind;
use bench::process::output;
use serde_json::Value;

use crate::judge::{self, Holding, Shown, Standing, Wrong};
use crate::ledger::Owner;
use crate::world::World;

/// How long after the store is back every live run has its record again. Within a second, and some for busy machines.
pub(crate) const RECORDED: Duration = Duration::from_secs(2);
/// A removed database is nothing that a launcher is told of: its next renewal finds out.
const RENEWED: Duration = Duration::from_secs(65);

pub(crate) fn watch(world: &World, until: Instant) {
    while Instant::now() < until && !world.is_stopped() {
        std::thread::sleep(Duration::from_millis(150));
        world.told().first().into_iter().for_each(|told| world.wrong(told));
        if let Err(error) = look(world) {
            world.wrong(&format!("status cannot be read: {error}"));
        }
    }
}

/// One look. A store that is away has nothing to show.
fn look(world: &World) -> Result<()> {
    let begun = Instant::now();
    let before = world.held();
    // From before the look: what dies during it may still be shown.
    let standings = world.ledger.standings();
    let told = match output(world.chg(0).args(["status", "--json"])) {
        Ok(told) => told,
        Err(_) if world.was_away_since(begun) => return Ok(()),
        Err(error) => return Err(error),
    };
    let after = world.held();
    for shown in read(&told)? {
        let holding = holding(world, before.get(shown.gpu), after.get(shown.gpu));
        let standing = |name: &str| standings.get(name).copied().unwrap_or(Standing::Lives);
        let Some(wrong) = judge::gpu(&shown, holding.as_ref(), standing) else { continue };
        let may_pass = patience(world, &wrong).and_then(|patience| begun.checked_sub(patience));
        if !may_pass.is_some_and(|since| world.was_away_since(since)) {
            world.wrong(&format!("{wrong:?}: {told}"));
        }
    }
    Ok(())
}

/// Whether a GPU is shown to be reserved by this run.
pub(crate) fn is_recorded(world: &World, gpu: usize, name: &str) -> bool {
    let shown = output(world.chg(0).args(["status", "--json"])).and_then(|told| read(&told));
    shown.is_ok_and(|shown| {
        shown.iter().any(|shown| shown.gpu == gpu && shown.reserved_by.as_deref() == Some(name))
    })
}

/// How long after an outage this may still be so, if at all.
fn patience(world: &World, wrong: &Wrong) -> Option<Duration> {
    match wrong {
        Wrong::NoRecord { .. } if world.place.kind == Kind::Sqlite => Some(RENEWED),
        Wrong::NoRecord { .. } | Wrong::HeldByTheDead { .. } => Some(RECORDED),
        // A seat, or a process that the driver tells of, is there for all to see, record or not.
        Wrong::HeldButFree { .. } | Wrong::CameBack { .. } => None,
    }
}

fn holding(world: &World, before: Option<&Option<Owner>>, after: Option<&Option<Owner>>) -> Option<Holding> {
    let before = before?.as_ref()?;
    (after?.as_ref() == Some(before)).then(|| world.ledger.holding(before, world.data_lost())).flatten()
}

/// What status shows of each GPU.
fn read(told: &str) -> Result<Vec<Shown>> {
    let gpus: Vec<Value> = serde_json::from_str(told)?;
    let shown = |gpu: &Value| {
        Some(Shown {
            gpu: usize::try_from(gpu["gpu_id"].as_u64()?).ok()?,
            free: gpu["status"] == "AVAILABLE",
            reserved_by: reserved_by(gpu),
        })
    };
    gpus.iter().map(|gpu| shown(gpu).ok_or_else(|| format!("no GPU: {gpu}").into())).collect()
}

/// The name of a run stands in its command, that of a manual reservation in its note.
fn reserved_by(gpu: &Value) -> Option<String> {
    let reservation = gpu.get("reservation")?;
    let words = reservation["command"].as_array()?;
    let hold = words.iter().position(|word| word == "hold");
    let name = hold.and_then(|at| words.get(at + 2)).unwrap_or(&gpu["note"]);
    Some(name.as_str().unwrap_or("nobody known").to_owned())
}

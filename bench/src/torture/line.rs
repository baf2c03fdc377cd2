//! Some stand in line for the same GPU, in a known order. One may be killed and one stopped, the clocks may be set, and
//! the store may go away while they stand there. They start in that order.

use std::process::Stdio;
use std::time::{Duration, Instant};

use bench::Result;
use bench::host::Kind;
use bench::process::{Running, output, quiet, signal, wait_until};
use serde_json::Value;

use crate::chaos::{self, Data};
use crate::judge::{self, Served};
use crate::random::Random;
use crate::world::{STUCK, World};
use crate::{wall, watch};

pub(crate) fn in_order(world: &World, random: &mut Random) -> Result<()> {
    let (name, mut holder) = holder(world)?;
    let mut line = Vec::new();
    for _ in 0..random.between(3, 7) {
        line.push(join(world, random.between(0, 4))?);
        if random.happens(30) {
            wall::step(world, random)?;
        }
    }
    let places = line.len() as u64;
    let killed = random.happens(60).then(|| random.between(0, places)).map(usize::try_from).transpose()?;
    let stopped = random.happens(50).then(|| random.between(0, places)).map(usize::try_from).transpose()?;
    let stopped = stopped.filter(|stopped| Some(*stopped) != killed);
    if world.place.kind == Kind::Redis && random.happens(75) {
        let data = if random.happens(60) { Data::Lost } else { Data::Kept };
        chaos::crash(world, Duration::from_millis(random.between(0, 600)), data)?;
        let (back, mut slowest) = (Instant::now(), Duration::ZERO);
        wait_until("the holder is recorded again", || {
            let begun = Instant::now();
            let is_recorded = watch::is_recorded(world, 0, &name);
            slowest = slowest.max(begun.elapsed());
            is_recorded
        })?;
        let took = back.elapsed();
        world.note(&format!("{name} was recorded again after {took:?}, the slowest look {slowest:?}"));
        // The holder does no more than a few looks do, on a machine that is as busy.
        if took > watch::RECORDED + 2 * slowest {
            world.wrong(&format!("{name} was recorded again after {took:?} only; a look takes {slowest:?}"));
        }
        wait_until("all stand in line again", || waiting(world) == Some(places))?;
    }
    for (place, with) in [(killed, libc::SIGKILL), (stopped, libc::SIGSTOP)] {
        if let Some((name, waiter)) = place.and_then(|place| line.get(place)) {
            signal(waiter.pid(), with);
            world.note(&format!("{name} in line is sent {with}"));
        }
    }
    signal(holder.pid(), libc::SIGTERM);
    holder.wait()?;
    for (place, (_, waiter)) in line.iter_mut().enumerate().filter(|(place, _)| Some(*place) != stopped) {
        if !ends(waiter)? {
            world.wrong(&format!("the {place}. of the line has not ended after {STUCK:?}"));
        }
    }
    if let Some((_, waiter)) = stopped.and_then(|place| line.get_mut(place)) {
        signal(waiter.pid(), libc::SIGCONT);
        ends(waiter)?;
    }
    let served: Vec<Served> = line
        .into_iter()
        .enumerate()
        .map(|(place, (name, _))| Served {
            at: world.ledger.started_at(&name),
            name,
            killed: killed == Some(place),
            stopped: stopped == Some(place),
        })
        .collect();
    judge::line(&served).into_iter().for_each(|wrong| world.wrong(&format!("the line for GPU 0: {wrong}")));
    world.note(&format!("the line for GPU 0 was served: {}", served.len()));
    Ok(())
}

/// Somebody whose command has GPU 0 until it is told to end.
fn holder(world: &World) -> Result<(String, Running)> {
    let name = format!("holder-{}", world.next());
    world.note(&format!("a line for GPU 0, behind {name}"));
    world.ledger.enter(&name, 0);
    let mut command = world.chg(0);
    command.args(["--nonblock", "-G", "0", "--"]).arg(&world.me).args(["inner", "hold"]).arg(&world.dir);
    let holder = Running::start(quiet(command.args([&name, "=0", "60000", "0", "plain"])))?;
    wait_until("the line's GPU is held", || world.ledger.command_of(&name).is_some())?;
    Ok((name, holder))
}

/// Another one in line, as soon as it has its place.
fn join(world: &World, user: u64) -> Result<(String, Running)> {
    let name = format!("line-{}", world.next());
    world.ledger.enter(&name, user);
    let mut command = world.chg(user);
    command.args(["-G", "0", "--"]).arg(&world.me).args(["inner", "hold"]).arg(&world.dir);
    command.args([&name, "=0", "20", "0", "plain"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut waiter = Running::start(&mut command)?;
    let said = waiter.said("waiting")?;
    waiter.0.stderr = Some(said.into_inner());
    Ok((name, waiter))
}

/// How many stand in line, if the store tells.
fn waiting(world: &World) -> Option<u64> {
    let told = output(world.chg(0).args(["queue", "--json"])).ok()?;
    serde_json::from_str::<Value>(&told).ok()?["total_waiting"].as_u64()
}

fn ends(waiter: &mut Running) -> Result<bool> {
    let deadline = Instant::now() + STUCK;
    while waiter.0.try_wait()?.is_none() {
        if Instant::now() > deadline {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(true)
}

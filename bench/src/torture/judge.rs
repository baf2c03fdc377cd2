//! What must be true, seen from outside: while everybody acts, and when nobody does.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bench::Result;
use bench::process::{Running, output, quiet, signal, wait_until};
use serde_json::Value;

use crate::random::Random;
use crate::world::{GPUS, STUCK, World};

/// How long after the store is back every live run has its record again, and how late we may be to see it.
const RECORDED: Duration = Duration::from_millis(1500);
const LENIENCE: Duration = Duration::from_millis(1500);

/// Looks again and again: a GPU that a command holds is not shown as free.
pub(crate) fn watch(world: &World, until: Instant) {
    let mut suspect: Vec<(usize, String, Instant)> = Vec::new();
    while Instant::now() < until && !world.is_stopped() {
        std::thread::sleep(Duration::from_millis(200));
        world.told().first().into_iter().for_each(|told| world.wrong(told));
        let before = world.held();
        let free = match free(world) {
            Ok(free) => free,
            // The store is away.
            Err(_) => {
                suspect.clear();
                continue;
            }
        };
        let after = world.held();
        let both = before.into_iter().zip(after).enumerate();
        let shown_free: Vec<(usize, String)> = both
            .filter_map(|(gpu, (before, after))| {
                Some((gpu, before.filter(|name| Some(name) == after.as_ref())?))
            })
            .filter(|(gpu, _)| free.contains(gpu))
            .collect();
        suspect.retain(|(gpu, name, _)| shown_free.contains(&(*gpu, name.clone())));
        for (gpu, name) in shown_free {
            let known =
                suspect.iter().find(|(other, by, _)| *other == gpu && *by == name).map(|(.., since)| *since);
            let Some(since) = known else {
                suspect.push((gpu, name, Instant::now()));
                continue;
            };
            let patience = RECORDED + LENIENCE;
            if since.elapsed() > patience && !world.was_away_since(Instant::now() - patience) {
                world
                    .wrong(&format!("GPU {gpu} has been shown as free for {patience:?} while {name} had it"));
            }
        }
    }
}

/// The GPUs that status shows as free.
fn free(world: &World) -> Result<Vec<usize>> {
    let text = output(world.chg(0).args(["status", "--json"]))?;
    let gpus: Vec<Value> = serde_json::from_str(&text)?;
    let is_free = |gpu: &&Value| gpu["status"] == "AVAILABLE";
    Ok(gpus.iter().filter(is_free).filter_map(|gpu| usize::try_from(gpu["gpu_id"].as_u64()?).ok()).collect())
}

/// When all have ended: everything is free at the first look, and the line is empty.
pub(crate) fn at_rest(world: &World) -> Result<()> {
    wait_until("no command holds a GPU", || world.held().iter().all(Option::is_none))?;
    let all = GPUS.to_string();
    let told = world.chg(0).args(["--nonblock", "-g", &all, "--", "true"]).stdout(Stdio::null()).output()?;
    if !told.status.success() {
        let said = String::from_utf8_lossy(&told.stderr).trim().to_owned();
        world.wrong(&format!("nobody is there, but one look does not find all GPUs free: {said}"));
    }
    let queue: Value = serde_json::from_str(&output(world.chg(0).args(["queue", "--json"]))?)?;
    if queue["total_waiting"] != 0 {
        world.wrong(&format!("nobody is there, but somebody waits: {queue}"));
    }
    Ok(())
}

/// Some stand in line for the same GPU, in a known order; one may be killed and one stopped. Those who are left start in
/// that order.
pub(crate) fn in_order(world: &World, random: &mut Random) -> Result<()> {
    world.note("a line for GPU 0");
    let mut holder = holder(world)?;
    let mut line = Vec::new();
    for _ in 0..random.between(3, 7) {
        let name = format!("line-{}", world.next());
        let mut command = world.chg(random.between(0, 4));
        command.args(["-G", "0", "--"]).arg(&world.me).args(["inner", "hold"]).arg(&world.dir);
        command.args([&name, "20", "0"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut waiter = Running::start(&mut command)?;
        let said = waiter.said("waiting")?;
        waiter.0.stderr = Some(said.into_inner());
        line.push((name, waiter));
    }
    let mut killed = None;
    if random.happens(60) {
        let place = usize::try_from(random.between(0, line.len() as u64))?;
        signal(line[place].1.pid(), libc::SIGKILL);
        killed = Some(place);
        world.note(&format!("{} is killed in line", line[place].0));
    }
    signal(holder.pid(), libc::SIGTERM);
    holder.wait()?;
    let deadline = Instant::now() + STUCK;
    let mut starts = Vec::new();
    for (place, (name, waiter)) in line.iter_mut().enumerate() {
        while waiter.0.try_wait()?.is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        let started = std::fs::read_to_string(world.dir.join(format!("started-{name}")));
        match started.ok().and_then(|text| text.split(' ').nth(1)?.parse::<i64>().ok()) {
            Some(start) => starts.push((start, name.clone())),
            None if killed == Some(place) => {}
            None => world.wrong(&format!("{name} stood in line for GPU 0 and never started")),
        }
    }
    if !starts.is_sorted() {
        world.wrong(&format!("the line for GPU 0 was served out of order: {starts:?}"));
    }
    world.note(&format!("the line for GPU 0 was served: {}", starts.len()));
    Ok(())
}

/// Somebody whose command has GPU 0 until it is told to end.
fn holder(world: &World) -> Result<Running> {
    let name = format!("holder-{}", world.next());
    let mut command = world.chg(0);
    command.args(["--nonblock", "-G", "0", "--"]).arg(&world.me).args(["inner", "hold"]).arg(&world.dir);
    let holder = Running::start(quiet(command.args([&name, "60000", "0"])))?;
    wait_until("the line's GPU is held", || world.dir.join(format!("started-{name}")).exists())?;
    Ok(holder)
}

/// The store's own words, for the log of what went wrong.
pub(crate) fn testimony(world: &World) -> String {
    let ask = |words: &[&str]| {
        let mut command: Command = world.chg(0);
        command
            .args(words)
            .output()
            .map(|told| String::from_utf8_lossy(&told.stdout).into_owned())
            .unwrap_or_default()
    };
    format!("{}{}", ask(&["status"]), ask(&["queue"]))
}

//! What must be true when nobody acts: after a round, and after everybody on the host was killed at once.

use std::fs;
use std::process::Stdio;

use bench::Result;
use bench::process::{Running, output, quiet, signal, wait_until};
use serde_json::Value;

use crate::proc::Proc;
use crate::world::{GPUS, World};

/// Everything is free at the first look, the line is empty, and nothing of ours is left running.
pub(crate) fn at_rest(world: &World) -> Result<()> {
    // Of a session that was unplugged nobody has waited for the launchers.
    let launchers = || programs(world).into_iter().any(|program| program.contains("/chg "));
    wait_until("no launcher is left", || !launchers())?;
    end_what_is_left(world)?;
    wait_until("no command holds a GPU", || !world.is_held())?;
    all_free(world, "nobody is there")?;
    let queue: Value = serde_json::from_str(&output(world.chg(0).args(["queue", "--json"]))?)?;
    if queue["total_waiting"] != 0 {
        world.wrong(&format!("nobody is there, but somebody waits: {queue}"));
    }
    // Those of the look before may still be on their way out.
    let left = || programs(world).into_iter().chain(seats(world)).collect::<Vec<_>>();
    if wait_until("nothing is left", || left().is_empty()).is_err() {
        world.wrong(&format!("nobody is there, but these are left: {:?}", left()));
    }
    world.ledger.clear()
}

/// One look must find that all GPUs can be had.
fn all_free(world: &World, when: &str) -> Result<()> {
    let all = GPUS.to_string();
    let told = world.chg(0).args(["--nonblock", "-g", &all, "--", "true"]).stdout(Stdio::null()).output()?;
    if !told.status.success() {
        let said = String::from_utf8_lossy(&told.stderr).trim().to_owned();
        world.wrong(&format!("{when}, but one look does not find all GPUs free: {said}"));
    }
    Ok(())
}

/// What runs left behind whose launcher was killed is ended by its own account, as the manual says.
fn end_what_is_left(world: &World) -> Result<()> {
    for (gpu, owner) in world.held().into_iter().enumerate() {
        let Some(owner) = owner.filter(|owner| world.ledger.left_by(&owner.name) == Some(owner.process))
        else {
            continue;
        };
        let Some(entry) = world.ledger.entry(&owner.name) else { continue };
        let told = world.chg(entry.user).args(["release", "--force", "-G", &gpu.to_string()]).output()?;
        let said = String::from_utf8_lossy(&told.stderr).trim().to_owned();
        world.note(&format!("what {} left behind is released: {}: {said}", owner.name, told.status));
        if told.status.success() && owner.process.lives() {
            world.wrong(&format!("what {} left behind was released and lives", owner.name));
        }
    }
    Ok(())
}

/// Everybody is killed at once; the next look has all GPUs.
pub(crate) fn after_a_massacre(world: &World) -> Result<()> {
    let mut launchers = Vec::new();
    let mut commands: Vec<Proc> = Vec::new();
    for gpu in 0..GPUS {
        let name = format!("victim-{}", world.next());
        let user = u64::from(gpu);
        world.ledger.enter(&name, user);
        let mut command = world.chg(user);
        command.args(["--nonblock", "-G", &gpu.to_string(), "--"]).arg(&world.me).args(["inner", "hold"]);
        command.arg(&world.dir).args([&name, &format!("={gpu}"), "60000", "0", "stubborn"]);
        launchers.push(Running::start(quiet(&mut command))?);
        wait_until("a victim's command runs", || world.ledger.command_of(&name).is_some())?;
        commands.extend(world.ledger.command_of(&name));
    }
    world.note("all are killed at once");
    launchers.iter().map(Running::pid).chain(commands.iter().map(|one| one.pid)).for_each(|pid| {
        signal(pid, libc::SIGKILL);
    });
    for launcher in &mut launchers {
        launcher.wait()?;
    }
    wait_until("the victims are dead", || !commands.iter().any(|command| command.lives()))?;
    all_free(world, "all were killed")
}

/// Processes that run the product or its commands.
fn programs(world: &World) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|process| {
            fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe.parent() == world.me.parent())
        })
        .map(|process| {
            let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            format!("{} {words}", process.file_name().display())
        })
        .collect()
}

/// Seats that somebody sits on.
fn seats(world: &World) -> Vec<String> {
    let sockets = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let uuids: Vec<String> = (0..GPUS).map(|gpu| world.scenario.uuid(gpu)).collect();
    let is_ours = |line: &&str| uuids.iter().any(|uuid| line.contains(uuid.as_str()));
    sockets.lines().filter(is_ours).map(str::to_owned).collect()
}

/// The store's own words, for the log of what went wrong.
pub(crate) fn testimony(world: &World) -> String {
    let ask = |words: &[&str]| {
        let told = world.chg(0).args(words).output();
        told.map(|told| String::from_utf8_lossy(&told.stdout).into_owned()).unwrap_or_default()
    };
    format!("{}{}", ask(&["status"]), ask(&["queue"]))
}

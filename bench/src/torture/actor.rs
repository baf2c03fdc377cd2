//! One client after another: runs and reservations, with everything that people and accidents do to them.

use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bench::Result;
use bench::inner::shell_status;
use bench::process::{Running, output, signal};

use crate::hold;
use crate::judge::{self, BUSY, Suffered};
use crate::locks;
use crate::plan::{Blow, Fate, Mix, Reserve, Run, Step};
use crate::proc::Proc;
use crate::random::Random;
use crate::terminal;
use crate::world::{STUCK, World};

/// Acts until the schedule is over or something is wrong.
pub(crate) fn act(world: &World, mut random: Random, mix: Mix, until: Instant) {
    while Instant::now() < until && !world.is_stopped() {
        let step = Step::draw(&mut random, mix);
        let pause = Duration::from_millis(random.between(0, 60));
        let done = match &step {
            Step::Run(plan, fate) => run(world, plan, *fate),
            Step::Reserve(plan) => reserve(world, plan),
            Step::Session(plan) => terminal::session(world, plan),
        };
        if let Err(error) = done {
            world.wrong(&format!("an actor failed: {error}: {step:?}"));
        }
        std::thread::sleep(pause);
    }
}

fn run(world: &World, plan: &Run, fate: Fate) -> Result<()> {
    let name = format!("run-{}", world.next());
    world.note(&format!("{name}: {plan:?} {fate:?}"));
    world.ledger.enter(&name, plan.user);
    if plan.elsewhere {
        world.ledger.needs_no_record(&name);
    }
    let mut command = if plan.elsewhere { world.mistaken_chg(plan.user) } else { world.chg(plan.user) };
    command.args(plan.options()).arg("--").arg(&world.me).args(["inner", "hold"]).arg(&world.dir);
    command.args(plan.command(&name)).stdout(Stdio::null()).stderr(Stdio::piped());
    let begun = Instant::now();
    let mut running = Running::start(&mut command)?;
    world.ledger.launched(&name, running.pid());
    std::thread::sleep(fate.after);
    strike(world, &mut running, plan, fate.what, &name)?;
    let Some(ended) = end_of(&mut running)? else {
        world.wrong(&format!("{name} has not ended after {STUCK:?}"));
        return Ok(());
    };
    let took = begun.elapsed();
    world.ledger.over(&name);
    let said = said(&mut running);
    let told = world.ledger.told(&name);
    world.note(&format!("{name}: {ended}; {told:?}; {said}"));
    let released = fate.what == Blow::Released;
    let suffered = Suffered {
        signal: match fate.what {
            Blow::Told(signal) => Some(signal),
            _ => released.then_some(libc::SIGTERM),
        },
        launcher_killed: matches!(fate.what, Blow::LauncherKilled | Blow::BothKilled),
        command_killed: matches!(fate.what, Blow::CommandKilled | Blow::BothKilled),
        timeout: plan.timeout,
        took,
        patience: plan.patience,
        outage: world.was_away_since(begun),
    };
    if !judge::may_end_so(told, &suffered, shell_status(ended)) {
        world.wrong(&format!("{name}: {ended} is not as the bare command; {told:?}, {suffered:?}: {said}"));
    }
    Ok(())
}

fn strike(world: &World, running: &mut Running, plan: &Run, what: Blow, name: &str) -> Result<()> {
    let pid = running.pid();
    match what {
        Blow::None => {}
        Blow::Told(what) => signal(pid, what),
        Blow::Paused(pause) => {
            signal(pid, libc::SIGTSTP);
            std::thread::sleep(pause);
            signal(pid, libc::SIGCONT);
        }
        Blow::LauncherKilled => signal(pid, libc::SIGKILL),
        Blow::CommandKilled | Blow::BothKilled => {
            if let Some(command) = command_of(world, running, name)? {
                if what == Blow::BothKilled {
                    signal(pid, libc::SIGKILL);
                }
                signal(command.pid, libc::SIGKILL);
            }
        }
        Blow::Released => {
            let command = command_of(world, running, name)?;
            let held = world.held().into_iter().enumerate();
            let is_mine = |owner: crate::ledger::Owner| command == Some(owner.process);
            let gpus: Vec<String> = held
                .filter(|(_, owner)| owner.clone().is_some_and(is_mine))
                .map(|(gpu, _)| gpu.to_string())
                .collect();
            if !gpus.is_empty() && world.uid(plan.user).is_some() {
                world.ledger.needs_no_record(name);
                let mut release =
                    if plan.elsewhere { world.mistaken_chg(plan.user) } else { world.chg(plan.user) };
                let told = release.args(["release", "--force", "-G", &gpus.join(",")]).output()?;
                // It may have ended by itself.
                world.note(&format!("{name} is released by force: {}", told.status));
            }
        }
    }
    Ok(())
}

/// Waits until the command runs; `None` if its launcher ended before, or by now both have.
fn command_of(world: &World, running: &mut Running, name: &str) -> Result<Option<Proc>> {
    while running.0.try_wait()?.is_none() && !world.is_stopped() {
        if let Some(command) = world.ledger.command_of(name) {
            return Ok(Some(command).filter(|command| command.lives()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(None)
}

fn end_of(running: &mut Running) -> Result<Option<ExitStatus>> {
    let deadline = Instant::now() + STUCK;
    while Instant::now() < deadline {
        if let Some(status) = running.0.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(None)
}

/// What is in the pipe already: somebody left behind may hold it open.
fn said(running: &mut Running) -> String {
    use std::io::Read;
    use std::os::fd::AsRawFd;
    let Some(mut pipe) = running.0.stderr.take() else { return String::new() };
    // SAFETY: the descriptor is ours, and F_SETFL takes a number.
    unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    let mut bytes = Vec::new();
    let _ = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).trim().replace('\n', " / ")
}

/// A reservation without a command: the actor itself proves that it is alone. It outlasts every step of the clock.
fn reserve(world: &World, plan: &Reserve) -> Result<()> {
    let _kept = world.data.read();
    let begun = Instant::now();
    let name = format!("reserve-{}", world.next());
    world.ledger.enter(&name, plan.user);
    let mut command = world.chg(plan.user);
    command.args(["reserve", "--nonblock", "--short", "-d", "100d", "--note", &name]);
    let told = command.args(["-g", &plan.gpus.to_string()]).output()?;
    let gpus = String::from_utf8(told.stdout)?.trim().to_owned();
    world.note(&format!("{name}: {plan:?}: {}: {gpus}", told.status));
    if !told.status.success() {
        if told.status.code() != Some(BUSY) && !world.was_away_since(begun) {
            let said = String::from_utf8_lossy(&told.stderr).into_owned();
            world.wrong(&format!("{name}: {}: {said}", told.status));
        }
        return Ok(());
    }
    // Where all are one account, its runs may be in there.
    let held = if world.uid(0).is_none() { None } else { hold::lock(&world.dir, &gpus, &name)? };
    std::thread::sleep(plan.lasts);
    if plan.extended {
        change(world, plan.user, &name, &["extend", "-d", "120d", "-G", &gpus])?;
    }
    held.iter().flatten().for_each(locks::give_back);
    change(world, plan.user, &name, &["release", "-G", &gpus])?;
    world.ledger.released(&name);
    Ok(())
}

/// A change that must succeed; where the store is away, once it is back.
fn change(world: &World, user: u64, name: &str, words: &[&str]) -> Result<()> {
    let deadline = Instant::now() + STUCK;
    let mut interrupted = false;
    loop {
        let begun = Instant::now();
        match output(world.chg(user).args(words)) {
            Ok(_) => {
                world.note(&format!("{name}: {words:?}"));
                return Ok(());
            }
            Err(error) if world.was_away_since(begun) && Instant::now() < deadline => {
                world.note(&format!("{name}: {words:?}: {error}"));
                interrupted = true;
                std::thread::sleep(Duration::from_millis(100));
            }
            // What broke on the way may have been done: then there is nothing left to release.
            Err(error) if interrupted && words[0] == "release" => {
                world.note(&format!("{name}: {words:?} after an outage: {error}"));
                return Ok(());
            }
            Err(error) => {
                world.wrong(&format!("{name}: {error}"));
                return Ok(());
            }
        }
    }
}

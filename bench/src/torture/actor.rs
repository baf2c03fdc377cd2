//! One client after another: runs and reservations, with everything that people and accidents do to them.

use std::fs;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bench::Result;
use bench::inner::shell_status;
use bench::process::{Running, output, signal};

use crate::hold;
use crate::random::Random;
use crate::world::{GPUS, STUCK, World};

/// Not free in time; the store or the driver failed.
const BUSY: i32 = 75;
const FAILED: i32 = 125;

/// Accounts that reserve by hand run nothing: a run of theirs would be at home in their reservation.
const RESERVERS: u64 = 4;

/// What befalls a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Peace,
    Told(i32),
    /// SIGTSTP, and SIGCONT some time later.
    Paused,
    LauncherKilled,
    CommandKilled,
}

/// Acts until the schedule is over or something is wrong.
pub(crate) fn act(world: &World, mut random: Random, until: Instant) {
    while Instant::now() < until && !world.is_stopped() {
        let user = random.between(0, 4);
        let done = if random.happens(20) {
            reserve(world, &mut random, RESERVERS + user)
        } else {
            run(world, &mut random, user)
        };
        if let Err(error) = done {
            world.wrong(&format!("an actor failed: {error}"));
        }
        std::thread::sleep(Duration::from_millis(random.between(0, 60)));
    }
}

fn run(world: &World, random: &mut Random, user: u64) -> Result<()> {
    let name = format!("run-{}", world.next());
    let status = random.between(0, 60);
    let millis = if random.happens(10) { random.between(1500, 3500) } else { random.between(0, 400) };
    let fate = match random.between(0, 100) {
        0..50 => Fate::Peace,
        50..62 => Fate::Told(libc::SIGINT),
        62..70 => Fate::Told(libc::SIGTERM),
        70..80 => Fate::Paused,
        80..90 => Fate::LauncherKilled,
        _ => Fate::CommandKilled,
    };
    let after = Duration::from_millis(random.between(0, 120));
    let words = what_to_ask(random);
    let stubborn = random.happens(10) && fate != Fate::Told(libc::SIGTERM);
    let mut command = world.chg(user);
    command.args(&words).arg("--").arg(&world.me).args(["inner", "hold"]).arg(&world.dir);
    command.args([&name, &millis.to_string(), &status.to_string()]).args(stubborn.then_some("stubborn"));
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    world.note(&format!(
        "{name}: user {user}: {words:?}, {millis} ms, status {status}: {fate:?} after {after:?}"
    ));
    let begun = Instant::now();
    let mut running = Running::start(&mut command)?;
    std::thread::sleep(after);
    strike(world, &mut running, fate, &name)?;
    let Some(ended) = end_of(&mut running)? else {
        world.wrong(&format!("{name} has not ended after {STUCK:?}"));
        return Ok(());
    };
    let said = said(&mut running);
    world.note(&format!("{name}: {ended}; {said}"));
    let expected = i32::try_from(status)?;
    if !may_end_so(world, ended, expected, fate, &words, begun) {
        world.wrong(&format!("{name}: {fate:?}, status {expected} was to be expected, not {ended}: {said}"));
    }
    let _ = fs::remove_file(world.dir.join(format!("started-{name}")));
    Ok(())
}

fn what_to_ask(random: &mut Random) -> Vec<String> {
    let mut words = match random.between(0, 10) {
        0..5 => vec!["-g".to_owned(), "1".to_owned()],
        5..7 => vec!["-g".to_owned(), "2".to_owned()],
        7 => vec!["-g".to_owned(), GPUS.to_string()],
        _ => vec!["-G".to_owned(), random.between(0, GPUS.into()).to_string()],
    };
    if random.happens(25) {
        words.push("--nonblock".to_owned());
    } else if random.happens(15) {
        words.extend(["--wait".to_owned(), "300ms".to_owned()]);
    }
    words
}

fn strike(world: &World, running: &mut Running, fate: Fate, name: &str) -> Result<()> {
    let pid = running.pid();
    match fate {
        Fate::Peace => {}
        Fate::Told(what) => signal(pid, what),
        Fate::Paused => {
            signal(pid, libc::SIGTSTP);
            std::thread::sleep(Duration::from_millis(150));
            signal(pid, libc::SIGCONT);
        }
        Fate::LauncherKilled => signal(pid, libc::SIGKILL),
        Fate::CommandKilled => {
            let started = world.dir.join(format!("started-{name}"));
            while running.0.try_wait()?.is_none() {
                if let Ok(text) = fs::read_to_string(&started) {
                    let pid = text.split(' ').next().unwrap_or_default().parse()?;
                    // It may have ended by itself, but its number is not given away so soon.
                    signal(pid, libc::SIGKILL);
                    break;
                }
                if world.is_stopped() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
    Ok(())
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

/// As the bare command would have ended, or as chg promises where there was no command.
fn may_end_so(
    world: &World,
    ended: ExitStatus,
    expected: i32,
    fate: Fate,
    words: &[String],
    begun: Instant,
) -> bool {
    let status = shell_status(ended);
    let by = match fate {
        Fate::Told(signal) => Some(signal),
        Fate::LauncherKilled | Fate::CommandKilled => Some(libc::SIGKILL),
        Fate::Peace | Fate::Paused => None,
    };
    let impatient = words.iter().any(|word| word == "--nonblock" || word == "--wait");
    status != hold::DOUBLE
        && (status == expected
            || by.is_some_and(|signal| status == 128 + signal)
            || (impatient && status == BUSY)
            || (status == FAILED && world.was_away_since(begun)))
}

/// A reservation without a command: the actor itself proves that it is alone.
fn reserve(world: &World, random: &mut Random, user: u64) -> Result<()> {
    let _kept = world.data.read();
    let begun = Instant::now();
    let name = format!("reserve-{}", world.next());
    let count = random.between(1, 3).to_string();
    let mut command = world.chg(user);
    let told = command.args(["reserve", "--nonblock", "--short", "-d", "10m", "-g", &count]).output()?;
    let gpus = String::from_utf8(told.stdout)?.trim().to_owned();
    world.note(&format!("{name}: user {user}: {count} GPU(s): {}: {gpus}", told.status));
    if !told.status.success() {
        let busy = told.status.code() == Some(BUSY);
        if !busy && !world.was_away_since(begun) {
            let said = String::from_utf8_lossy(&told.stderr).into_owned();
            world.wrong(&format!("{name}: {}: {said}", told.status));
        }
        return Ok(());
    }
    // Where all are one account, its runs may be in there.
    let locks = if world.users.is_empty() { None } else { hold::lock(&world.dir, &gpus, &name)? };
    std::thread::sleep(Duration::from_millis(random.between(0, 300)));
    if random.happens(50) {
        change(world, user, &name, &["extend", "-d", "20m", "-G", &gpus])?;
    }
    drop(locks);
    change(world, user, &name, &["release", "-G", &gpus])
}

/// A change that must succeed; where the store is away, once it is back.
fn change(world: &World, user: u64, name: &str, words: &[&str]) -> Result<()> {
    let deadline = Instant::now() + STUCK;
    loop {
        let begun = Instant::now();
        match output(world.chg(user).args(words)) {
            Ok(_) => {
                world.note(&format!("{name}: {words:?}"));
                return Ok(());
            }
            // What broke on the way may have been done: then there is nothing left to release.
            Err(error) if world.was_away_since(begun) && Instant::now() < deadline => {
                world.note(&format!("{name}: {words:?}: {error}"));
                std::thread::sleep(Duration::from_millis(100));
            }
            Err(error)
                if deadline.duration_since(begun) < STUCK.saturating_sub(Duration::from_millis(50)) =>
            {
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

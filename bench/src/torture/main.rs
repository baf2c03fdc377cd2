//! `make torture`: random schedules of clients, accidents and crashes, judged from outside. A seed repeats them.

mod actor;
mod chaos;
mod disk;
mod hold;
mod judge;
mod ledger;
mod line;
mod locks;
mod plan;
mod proc;
mod random;
mod rest;
mod terminal;
mod wall;
mod watch;
mod world;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use bench::host::{Host, Kind};
use bench::{Result, clock};
use plan::Mix;
use random::Random;
use world::World;

const ACTORS: u64 = 6;
/// Everybody rests after so long, and the judge looks at what is left.
const ROUND: Duration = Duration::from_secs(10);
/// How much of the log is shown.
const LAST: usize = 300;

#[derive(Debug)]
struct Options {
    chg: PathBuf,
    seed: u64,
    /// For each store.
    time: Duration,
    stores: Vec<Kind>,
}

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let done = match &words[..] {
        [inner, hold, rest @ ..] if inner == "inner" && hold == "hold" => hold::run(rest),
        [inner, left, rest @ ..] if inner == "inner" && left == "left" => hold::left(rest),
        _ => options(&words).and_then(|options| torture(&options)),
    };
    match done {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(1)),
        Err(error) => {
            eprintln!("torture: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(words: &[OsString]) -> Result<Options> {
    let mut options = Options {
        chg: "target/release/chg".into(),
        seed: clock::random() % 1_000_000_000,
        time: Duration::from_secs(60),
        stores: Kind::BOTH.to_vec(),
    };
    let mut words = words.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match &*word {
            "--chg" => options.chg = value.as_ref().into(),
            "--seed" => options.seed = value.parse()?,
            "--seconds" => options.time = Duration::from_secs(value.parse()?),
            "--store" => {
                let named = |kind: &Kind| kind.name().eq_ignore_ascii_case(&value);
                options.stores =
                    vec![Kind::BOTH.into_iter().find(named).ok_or("--store is sqlite or redis")?];
            }
            _ => return Err(format!("{word} is not known").into()),
        }
    }
    Ok(options)
}

fn torture(options: &Options) -> Result<i32> {
    for kind in &options.stores {
        println!(
            "SEED={} STORE={} SECONDS={}",
            options.seed,
            kind.name().to_lowercase(),
            options.time.as_secs()
        );
        let world = World::new(Host::new(&options.chg)?, *kind)?;
        world.clock.prove()?;
        if world.uid(0).is_none() {
            println!("SKIP: not root, so that all clients are of one account");
        }
        schedule(&world, options, *kind);
        let wrongs = world.wrongs();
        if !wrongs.is_empty() {
            let log = world.log();
            log.iter().skip(log.len().saturating_sub(LAST)).for_each(|line| println!("{line}"));
            println!("{}", rest::testimony(&world));
            wrongs.iter().for_each(|wrong| println!("WRONG: {wrong}"));
            println!("repeat with: make torture SEED={} STORE={}", options.seed, kind.name().to_lowercase());
            return Ok(1);
        }
        println!("{}: nothing wrong; {} events", kind.name(), world.log().len());
    }
    Ok(0)
}

/// Rounds of action, each followed by a look at what is left.
fn schedule(world: &World, options: &Options, kind: Kind) {
    let end = Instant::now() + options.time;
    for round in 0.. {
        let until = (Instant::now() + ROUND).min(end);
        let dice = |stream| Random::new(options.seed, round * 100 + stream);
        // Where all are one account, its runs would be at home in its reservations.
        let may_reserve = round % 2 == 0 && world.uid(0).is_some();
        let mix = if may_reserve { Mix::Reserving } else { Mix::Mistaken };
        thread::scope(|scope| {
            for actor in 0..ACTORS {
                scope.spawn(move || actor::act(world, dice(actor), mix, until));
            }
            scope.spawn(|| watch::watch(world, until));
            scope.spawn(|| wall::wander(world, dice(97), until));
            scope.spawn(|| rage(world, kind, dice(98), until));
        });
        if let Err(error) = look_back(world, &mut dice(99)) {
            world.wrong(&format!("the judge failed: {error}"));
        }
        world.told().into_iter().for_each(|told| world.wrong(&told));
        if world.is_stopped() || Instant::now() >= end {
            return;
        }
    }
}

/// Strikes the store now and then until the schedule is over.
fn rage(world: &World, kind: Kind, mut random: Random, until: Instant) {
    let strike = match kind {
        Kind::Redis => chaos::strike,
        Kind::Sqlite => disk::strike,
    };
    while !world.is_stopped() {
        let calm = Duration::from_millis(random.between(1_500, 5_000));
        if Instant::now() + calm > until {
            return;
        }
        thread::sleep(calm);
        if let Err(error) = strike(world, &mut random) {
            world.wrong(&format!("the store cannot be brought back: {error}"));
        }
    }
}

fn look_back(world: &World, random: &mut Random) -> Result<()> {
    rest::at_rest(world)?;
    line::in_order(world, random)?;
    rest::at_rest(world)?;
    rest::after_a_massacre(world)?;
    rest::at_rest(world)
}

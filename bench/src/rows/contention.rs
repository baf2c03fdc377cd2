//! Many clients at once, each proving by a lock that it has its GPU for itself.

use std::process::Command;

use bench::Result;
use bench::clock::{ms, nanos};
use bench::host::{Kind, Place};
use bench::inner::{DOUBLE, shell_status};
use bench::process::{Running, quiet, signal};

use crate::Bench;
use crate::table::Row;

const CLIENTS: u32 = 200;
const GPUS: u32 = 8;
/// Clients that hold a GPU for `HOLD` milliseconds: seven rounds of eight.
const HOLDERS: u32 = 50;
const HOLD: &str = "200";
const IDEAL: f64 = 1400.0;
/// "Not enough GPUs".
const BUSY: i32 = 75;
/// A client that waits longer than this has been forgotten.
const FORGOTTEN_MS: f64 = 60_000.0;

/// How a crowd fared.
struct Crowd {
    millis: f64,
    granted: u32,
    busy: u32,
    failed: Vec<i32>,
}

pub(crate) fn contention(bench: &mut Bench) -> Result<Vec<Row>> {
    let locks = bench.host.dir.join("locks");
    std::fs::create_dir_all(&locks)?;
    let floor = crowd(CLIENTS, |number| flock(bench, &[], number, "0"))?;
    let hasty = crowd(CLIENTS, |number| flock(bench, &["--nonblock", "-E", "75"], number, "0"))?;
    let ideal = crowd(HOLDERS, |number| flock(bench, &[], number, HOLD))?;
    let mut rows = Vec::new();
    for kind in Kind::BOTH {
        let place = bench.host.fake(kind, GPUS)?;
        let all = crowd(CLIENTS, |_| client(bench, &place, &[], "0"))?;
        let rate = f64::from(all.granted) / all.millis * 1e3;
        let row = Row::one(format!("contention: {CLIENTS} blocking clients"), kind.name(), rate, "grants/s");
        rows.push(
            row.floor(f64::from(floor.granted) / floor.millis * 1e3)
                .target("≥ 150, no error", rate >= 150.0 && all.failed.is_empty() && all.granted == CLIENTS),
        );
        rows.extend(failures(kind, &all));
        let some = crowd(CLIENTS, |_| client(bench, &place, &["--nonblock"], "0"))?;
        let rate = f64::from(some.granted + some.busy) / some.millis * 1e3;
        let what = format!("contention: {CLIENTS} with --nonblock, {} served", some.granted);
        let row = Row::one(what, kind.name(), rate, "answers/s");
        rows.push(
            row.floor(f64::from(hasty.granted + hasty.busy) / hasty.millis * 1e3)
                .target("no error but 75", some.failed.is_empty()),
        );
        rows.extend(failures(kind, &some));
        let held = crowd(HOLDERS, |_| client(bench, &place, &[], HOLD))?;
        let row =
            Row::one(format!("contention: {HOLDERS} clients of 0.2 s each"), kind.name(), held.millis, "ms");
        let reached = held.millis <= 1.25 * IDEAL && held.granted == HOLDERS;
        rows.push(row.floor(ideal.millis).target("≤ 1750 ms", reached));
        rows.extend(failures(kind, &held));
    }
    Ok(rows)
}

/// Shown only where there are some.
fn failures(kind: Kind, crowd: &Crowd) -> Option<Row> {
    let doubles = crowd.failed.iter().filter(|status| **status == DOUBLE).count();
    let first = crowd.failed.first()?;
    let what = format!("contention: {doubles} double grants, failed otherwise (first status {first})");
    let others = crowd.failed.len() - doubles;
    Some(Row::one(what, kind.name(), others as f64, "×").target("0", false))
}

fn client(bench: &Bench, place: &Place, options: &[&str], hold: &str) -> Command {
    let mut command = bench.host.command(place);
    command.args(options).arg("--").arg(&bench.me).args(["inner", "claim"]);
    command.arg(bench.host.dir.join("locks")).arg(hold);
    command
}

/// The same on flock(1), which cannot choose: each client has its GPU given.
fn flock(bench: &Bench, options: &[&str], number: u32, hold: &str) -> Command {
    let gpu = (number % GPUS).to_string();
    let mut command = bench.host.bare("flock");
    command.env("CUDA_VISIBLE_DEVICES", &gpu);
    command
        .args(options)
        .arg(bench.host.dir.join(format!("flock-{gpu}")))
        .arg(&bench.me)
        .args(["inner", "claim"]);
    command.arg(bench.host.dir.join("locks")).arg(hold);
    command
}

/// Starts all and waits for all.
fn crowd(clients: u32, command: impl Fn(u32) -> Command) -> Result<Crowd> {
    let from = nanos();
    let mut all: Vec<Running> =
        (0..clients).map(|number| Running::start(quiet(&mut command(number)))).collect::<Result<_>>()?;
    let mut crowd = Crowd { millis: 0.0, granted: 0, busy: 0, failed: Vec::new() };
    for one in &mut all {
        while one.0.try_wait()?.is_none() {
            if ms(from, nanos()) > FORGOTTEN_MS {
                signal(one.pid(), libc::SIGKILL);
            }
            std::thread::sleep(std::time::Duration::from_micros(300));
        }
        match shell_status(one.wait()?) {
            0 => crowd.granted += 1,
            BUSY => crowd.busy += 1,
            other => crowd.failed.push(other),
        }
    }
    crowd.millis = ms(from, nanos());
    Ok(crowd)
}

//! From the end of one to the start of the next: release, handoff, and handoff after a crash.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use bench::Result;
use bench::clock::{ms, nanos};
use bench::host::{Kind, Place};
use bench::inner::piped;
use bench::process::{Running, children_of, quiet, signal, timed, wait_until};
use bench::stats::Sample;

use crate::Bench;
use crate::table::Row;

const TIMES: u32 = 60;
/// Of a hundred crashes, none may keep the next waiting for longer.
const CRASHES: u32 = 100;
const AT_MOST_MS: f64 = 50.0;

/// From the command's last act to the end of chg, which has released by then: the next client must be served at once.
pub(crate) fn release(bench: &mut Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for kind in Kind::BOTH {
        let place = bench.host.fake(kind, 1)?;
        let (mut floor, mut measured, mut refused) = (Sample::default(), Sample::default(), 0);
        for _ in 0..TIMES {
            floor.push(from_stamp_to_end(bench.host.bare(&bench.me).args(["inner", "stamp"]))?);
            let mut run = bench.host.command(&place);
            measured.push(from_stamp_to_end(run.arg("--").arg(&bench.me).args(["inner", "stamp"]))?);
            let (_, next) = timed(bench.host.command(&place).args(["--nonblock", "--", "true"]))?;
            refused += u32::from(!next.success());
        }
        let row = Row::spread("release: command's last act → chg has ended", kind.name(), &measured);
        rows.push(row.floor(floor.median()).target("≤ 3 ms", measured.median() <= 3.0));
        let row = Row::one("release: next --nonblock client refused", kind.name(), f64::from(refused), "×");
        rows.push(row.target("0", refused == 0));
    }
    Ok(rows)
}

fn from_stamp_to_end(command: &mut Command) -> Result<f64> {
    let mut running = Running::start(piped(command))?;
    let status = running.wait()?;
    let ended = nanos();
    let mut stamp = String::new();
    running.0.stdout.take().ok_or("no pipe")?.read_to_string(&mut stamp)?;
    if !status.success() {
        return Err(format!("{command:?}: {status}").into());
    }
    Ok(ms(stamp.trim().parse()?, ended))
}

/// `release` of a manual reservation, to the start of the waiter's command.
pub(crate) fn handoff(bench: &mut Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for kind in Kind::BOTH {
        let place = bench.host.fake(kind, 1)?;
        let (mut floor, mut measured) = (Sample::default(), Sample::default());
        for _ in 0..TIMES {
            floor.push(least_handoff(bench)?);
            let (_, reserved) = timed(bench.host.command(&place).args(["reserve", "--nonblock"]))?;
            if !reserved.success() {
                return Err("cannot reserve".into());
            }
            let waiter = Waiter::in_line(bench, &place)?;
            let released = timed(bench.host.command(&place).arg("release"))?;
            let from = nanos();
            if !released.1.success() {
                return Err("cannot release".into());
            }
            measured.push(ms(from, waiter.started()?));
        }
        let row = Row::spread("handoff: release returns → next command starts", kind.name(), &measured);
        let reached = measured.median() <= 8.0 && measured.p99() <= 25.0;
        rows.push(row.floor(floor.median()).target("p50 ≤ 8, p99 ≤ 25 ms", reached));
    }
    Ok(rows)
}

/// SIGKILL of a holder's supervisor and command, to the start of the waiter's command.
pub(crate) fn crash(bench: &mut Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for kind in Kind::BOTH {
        let place = bench.host.fake(kind, 1)?;
        let (mut floor, mut measured) = (Sample::default(), Sample::default());
        for _ in 0..CRASHES {
            floor.push(least_handoff(bench)?);
            let mut holder = Running::start(quiet(bench.host.command(&place).args(["--", "sleep", "600"])))?;
            wait_until("the holder's command runs", || is_running(&holder, "sleep"))?;
            let children = children_of(holder.pid());
            let waiter = Waiter::in_line(bench, &place)?;
            let from = nanos();
            signal(holder.pid(), libc::SIGKILL);
            children.into_iter().for_each(|child| signal(child, libc::SIGKILL));
            measured.push(ms(from, waiter.started()?));
            holder.wait()?;
        }
        let row = Row::spread("crash handoff: SIGKILL → next command starts", kind.name(), &measured);
        rows.push(row.floor(floor.median()).target("p99 ≤ 50 ms", measured.p99() <= AT_MOST_MS));
        let late = measured.values().filter(|millis| *millis > AT_MOST_MS).count();
        let row =
            Row::one(format!("crash handoff: later than 50 ms, of {CRASHES}"), kind.name(), late as f64, "×");
        rows.push(row.target("0", late == 0));
    }
    Ok(rows)
}

fn is_running(holder: &Running, name: &str) -> bool {
    let comm = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    children_of(holder.pid()).into_iter().any(|child| comm(child).trim() == name)
}

/// Somebody in line, whose command says when it started.
struct Waiter(Running);

impl Waiter {
    fn in_line(bench: &Bench, place: &Place) -> Result<Self> {
        let mut command = bench.host.command(place);
        command.arg("--").arg(&bench.me).args(["inner", "stamp"]);
        let mut waiter = Running::start(piped(&mut command).stderr(Stdio::piped()))?;
        let said = waiter.said("waiting")?;
        waiter.0.stderr = Some(said.into_inner());
        // It says so after its place was written, and goes to sleep right after.
        wait_until("it sleeps", || sleeps(waiter.pid()))?;
        Ok(Self(waiter))
    }

    fn started(mut self) -> Result<i64> {
        let mut line = String::new();
        BufReader::new(self.0.0.stdout.take().ok_or("no pipe")?).read_line(&mut line)?;
        self.0.wait()?;
        Ok(line.trim().parse()?)
    }
}

/// In poll, whose number is 7 here.
fn sleeps(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/syscall")).map_or(true, |call| call.starts_with("7 "))
}

fn least_handoff(bench: &Bench) -> Result<f64> {
    let mut command = bench.host.bare(&bench.me);
    let mut waiter = Running::start(piped(command.args(["inner", "waiter"])).stdin(Stdio::piped()))?;
    wait_until("it sleeps", || {
        std::fs::read_to_string(format!("/proc/{}/syscall", waiter.pid()))
            .is_ok_and(|call| call.starts_with("0 0x0"))
    })?;
    let from = nanos();
    waiter.0.stdin.take().ok_or("no pipe")?.write_all(b".")?;
    Ok(ms(from, Waiter(waiter).started()?))
}

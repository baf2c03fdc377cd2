//! What every form of status costs on a host with six GPUs on which everything goes on at once.

use std::io::Read;
use std::process::{Command, Stdio};

use bench::Result;
use bench::clock;
use bench::crowd::Crowd;
use bench::host::Kind;
use bench::process::{Running, output, timed};
use bench::stats::Sample;

use crate::Bench;
use crate::table::Row;

const TIMES: u32 = 60;
const MOST: f64 = 15.0;
/// With a GPU that takes 30 s to answer.
const MOST_WITH_A_SLOW_ONE: f64 = 6000.0;
/// Those that print once, and end.
const FORMS: [(&str, &[&str]); 4] = [
    ("lines", &["status"]),
    ("table", &["status", "-o", "table"]),
    ("JSON", &["status", "--json"]),
    ("summary", &["status", "--summary"]),
];
const WATCH: &[&str] = &["status", "--watch"];

/// A row for each form, and one for all of them with a GPU that is slow. The container is there by its control group:
/// no engine tells its name.
pub(crate) fn crowd(bench: &mut Bench) -> Result<Vec<Row>> {
    // SAFETY: geteuid reads nothing of ours.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("bench: crowd: passed over, its accounts take root");
        return Ok(Vec::new());
    }
    let mut rows = Vec::new();
    for kind in Kind::BOTH {
        let crowd = Crowd::on(&mut bench.host, kind)?;
        let command = |words: &[&str]| {
            let mut command = bench.host.command(&crowd.place);
            command.args(words);
            command
        };
        tells_everything(&crowd, &command(&["status"]), &command(&["status", "--json"]))?;
        let mut floor = Sample::default();
        let mut samples = vec![Sample::default(); FORMS.len() + 1];
        for _ in 0..TIMES {
            floor.push(timed(&mut bench.host.bare("true"))?.0);
            for ((_, words), sample) in FORMS.iter().zip(&mut samples) {
                let (millis, status) = timed(&mut command(words))?;
                if !status.success() {
                    return Err(format!("{words:?}: {status}").into());
                }
                sample.push(millis);
            }
            samples[FORMS.len()].push(first_table(&mut command(WATCH))?);
        }
        let names = FORMS.iter().map(|(name, _)| *name).chain(["watch, to its first table"]);
        for (name, sample) in names.zip(&samples) {
            let what = format!("status, 6 GPUs, a crowd: {name}");
            let row =
                Row::spread(what, format!("{}, fakenvml, cgroup", kind.name()), sample).floor(floor.median());
            rows.push(row.target(format!("≤ {MOST} ms"), sample.median() <= MOST));
        }
        crowd.slow_down();
        let slowest = all_at_once(&FORMS.map(|(_, words)| words).map(command))?;
        let row = Row::one(
            "status, a crowd, one GPU takes 30 s: all forms",
            format!("{}, fakenvml, cgroup", kind.name()),
            slowest,
            "ms",
        );
        rows.push(row.target("≤ 6 s", slowest <= MOST_WITH_A_SLOW_ONE));
    }
    Ok(rows)
}

/// What is measured is the whole answer.
fn tells_everything(crowd: &Crowd, lines: &Command, json: &Command) -> Result<()> {
    for asked in [lines, json] {
        let told = output(&mut again(asked))?;
        if let Some(word) = crowd.words().into_iter().find(|word| !told.contains(word.as_str())) {
            return Err(format!("no {word:?} in {told}").into());
        }
    }
    Ok(())
}

fn again(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args()).env_clear().stdin(Stdio::null());
    copy.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    copy
}

/// From the start of a watch into a pipe to the end of its first table.
fn first_table(watch: &mut Command) -> Result<f64> {
    let from = clock::nanos();
    let mut watch = Running::start(watch.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()))?;
    let mut pipe = watch.0.stdout.take().ok_or("stdout is not a pipe")?;
    let (mut told, mut some) = (Vec::new(), [0; 8192]);
    while !told.ends_with(b"\n\n") {
        match pipe.read(&mut some)? {
            0 => return Err("the watch ended before its first table".into()),
            read => told.extend_from_slice(&some[..read]),
        }
    }
    Ok(clock::ms(from, clock::nanos()))
}

/// How long the slowest takes of those that are started together.
fn all_at_once(commands: &[Command]) -> Result<f64> {
    let from = clock::nanos();
    let mut running: Vec<Running> = commands
        .iter()
        .map(|command| Running::start(again(command).stdout(Stdio::null()).stderr(Stdio::null())))
        .collect::<Result<_>>()?;
    for one in &mut running {
        let status = one.wait()?;
        if !status.success() {
            return Err(format!("status: {status}").into());
        }
    }
    Ok(clock::ms(from, clock::nanos()))
}

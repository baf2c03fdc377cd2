//! What a whole process costs over the program that it runs: launch, status, a shim.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use bench::host::{Kind, Place};
use bench::process::{Running, output, quiet, timed};
use bench::stats::Sample;
use bench::{Result, inner};
use fakenvml::Kind as Use;

use crate::Bench;
use crate::table::Row;

const TIMES: u32 = 200;

/// `chg -- true` beside `true`, in turns.
pub(crate) fn launch(bench: &mut Bench) -> Result<Vec<Row>> {
    let places = four_places(bench)?;
    let command = |bench: &Bench, place: &Place| {
        let mut command = bench.host.command(place);
        command.args(["--", "true"]);
        command
    };
    let (floor, samples) = beside_true(bench, &places, TIMES, command)?;
    let rows = places.iter().zip(samples).map(|((name, place), sample)| {
        let over = above(&sample, &floor);
        let row = Row::spread("launch: chg -- true, less true", name, &over).floor(floor.median());
        if place.nvml.is_some() { row } else { row.target("≤ 3 ms", over.median() <= 3.0) }
    });
    Ok(rows.collect())
}

/// `chg status` beside `true`; forty processes where NVML tells.
pub(crate) fn status(bench: &mut Bench) -> Result<Vec<Row>> {
    let places = four_places(bench)?;
    let workers: Vec<Running> =
        (0..40).map(|_| Running::start(quiet(bench.host.bare("sleep").arg("600")))).collect::<Result<_>>()?;
    for (gpu, worker) in (0..8).cycle().zip(&workers) {
        bench.scenario.add_process(gpu, worker.pid(), Some(900), Use::Compute);
    }
    let command = |bench: &Bench, place: &Place| {
        let mut command = bench.host.command(place);
        command.arg("status");
        command
    };
    let measured = beside_true(bench, &places, TIMES / 2, command);
    for (gpu, worker) in (0..8).cycle().zip(&workers) {
        bench.scenario.remove_process(gpu, worker.pid());
    }
    let (floor, samples) = measured?;
    let rows = places.iter().zip(samples).map(|((name, place), sample)| {
        let most = if place.nvml.is_some() { 10.0 } else { 3.0 };
        let row = Row::spread("status, 8 GPUs, whole process", name, &sample).floor(floor.median());
        row.target(format!("≤ {most} ms"), sample.median() <= most)
    });
    Ok(rows.collect())
}

/// `chg shim vllm -- --version` beside a program of that name, from inside a reservation.
pub(crate) fn shim(bench: &mut Bench) -> Result<Vec<Row>> {
    let place = bench.host.fake(Kind::Sqlite, 8)?;
    let bin = bench.host.dir.join("bin");
    std::fs::create_dir_all(&bin)?;
    symlink("/bin/true", bin.join("vllm"))?;
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let chg = bench.host.chg.display().to_string();
    if !timed(bench.host.command(&place).env("PATH", &path).args(["shim", "vllm", "--", "--version"]))?
        .1
        .success()
    {
        return Err("chg shim vllm -- --version fails".into());
    }
    let (mut floor, mut through) = (Sample::default(), Sample::default());
    for _ in 0..10 {
        let measure = |command: &[&str], sample: &mut Sample| -> Result<()> {
            let mut inside = bench.host.command(&place);
            inside.env("PATH", &path).arg("--").arg(&bench.me).args(["inner", "measure", "10"]);
            for line in output(inside.args(command))?.lines() {
                sample.push(line.parse()?);
            }
            Ok(())
        };
        measure(&["vllm", "--version"], &mut floor)?;
        measure(&[&chg, "shim", "vllm", "--", "--version"], &mut through)?;
    }
    let over = above(&through, &floor);
    let row =
        Row::spread("shim inside a reservation, less the program", "SQLite", &over).floor(floor.median());
    Ok(vec![row.target("≤ 3 ms", over.median() <= 3.0), asked_for_help(bench, &bin)?])
}

/// `vllm --help` through the shim that `chg shim install` makes, beside a program of that name in `bin`.
fn asked_for_help(bench: &Bench, bin: &Path) -> Result<Row> {
    let shims = bench.host.dir.join("shims");
    output(bench.host.bare(&bench.host.chg).args(["shim", "install", "vllm", "--dir"]).arg(&shims))?;
    let path = format!("{}:{}:/usr/bin:/bin", shims.display(), bin.display());
    let ask = |program: &Path, sample: &mut Sample| -> Result<()> {
        let (millis, status) = timed(bench.host.bare(program).arg("--help").env("PATH", &path))?;
        sample.push(millis);
        if status.success() { Ok(()) } else { Err(format!("{} --help fails", program.display()).into()) }
    };
    let (mut floor, mut through) = (Sample::default(), Sample::default());
    for _ in 0..TIMES {
        ask(&bin.join("vllm"), &mut floor)?;
        ask(&shims.join("vllm"), &mut through)?;
    }
    let over = above(&through, &floor);
    let row = Row::spread("shim as installed: vllm --help, less bare", "–", &over).floor(floor.median());
    Ok(row.target("≤ 3 ms", over.median() <= 3.0))
}

/// The stores with simulated GPUs, and with those that NVML reports.
fn four_places(bench: &mut Bench) -> Result<Vec<(String, Place)>> {
    let library = bench.scenario.library();
    let mut places = Vec::new();
    for kind in Kind::BOTH {
        places.push((format!("{}, fake", kind.name()), bench.host.fake(kind, 8)?));
    }
    for kind in Kind::BOTH {
        places.push((format!("{}, fakenvml", kind.name()), bench.host.nvml(kind, &library, 8)?));
    }
    Ok(places)
}

fn beside_true(
    bench: &Bench,
    places: &[(String, Place)],
    times: u32,
    command: impl Fn(&Bench, &Place) -> Command,
) -> Result<(Sample, Vec<Sample>)> {
    let (mut floor, mut samples) = (Sample::default(), vec![Sample::default(); places.len()]);
    for _ in 0..times {
        floor.push(timed(&mut bench.host.bare("true"))?.0);
        for ((name, place), sample) in places.iter().zip(&mut samples) {
            let (millis, status) = timed(&mut command(bench, place))?;
            if !status.success() {
                return Err(format!("{name}: status {}", inner::shell_status(status)).into());
            }
            sample.push(millis);
        }
    }
    Ok((floor, samples))
}

/// Each value less the median of the floor.
fn above(sample: &Sample, floor: &Sample) -> Sample {
    sample.values().map(|value| value - floor.median()).collect()
}

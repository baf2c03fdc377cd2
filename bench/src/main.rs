//! `make bench`: measures the product against floors taken in the same run, and keeps the table.

mod rows;
mod table;

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use bench::host::Host;
use bench::{Result, inner, process};
use fakenvml::Scenario;
use table::Row;

/// What the rows are measured on.
pub(crate) struct Bench {
    pub(crate) host: Host,
    /// A host of eight GPUs as NVML shows them.
    pub(crate) scenario: Scenario,
    pub(crate) me: PathBuf,
}

#[derive(Debug)]
struct Options {
    chg: PathBuf,
    results: Option<PathBuf>,
    cold: bool,
    /// Only rows whose group has this name.
    only: Option<String>,
}

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let done = match words.split_first() {
        Some((first, rest)) if first == "inner" => inner::run(rest),
        _ => options(&words).and_then(|options| bench(&options)),
    };
    match done {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(1)),
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(words: &[OsString]) -> Result<Options> {
    let mut options = Options { chg: "target/release/chg".into(), results: None, cold: false, only: None };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{} needs a value", word.display()));
        match word.to_str() {
            Some("--chg") => options.chg = value()?.into(),
            Some("--results") => options.results = Some(value()?.into()),
            Some("--only") => options.only = Some(value()?.to_string_lossy().into_owned()),
            Some("--cold") => options.cold = true,
            _ => return Err(format!("{} is not known", word.display()).into()),
        }
    }
    Ok(options)
}

fn bench(options: &Options) -> Result<i32> {
    let begun = Instant::now();
    let load = load();
    let host = Host::new(&options.chg)?;
    let mut bench =
        Bench { host, scenario: Scenario::with_gpus(8), me: std::env::current_exe()?.canonicalize()? };
    let wanted = |name: &str| options.only.as_deref().is_none_or(|only| only == name);
    let resting = if wanted("rest") { Some(rows::rest::begin(&mut bench)?) } else { None };
    let mut rows = Vec::new();
    for (name, measure) in rows::GROUPS {
        if wanted(name) {
            eprintln!("measuring: {name}");
            rows.extend(measure(&mut bench).map_err(|error| format!("{name}: {error}"))?);
        }
    }
    if let Some(resting) = resting {
        eprintln!("measuring: rest");
        rows.extend(resting.end()?);
    }
    rows.extend(rows::size::binary(&options.chg)?);
    if options.cold {
        eprintln!("measuring: cold build");
        rows.push(rows::size::cold_build(&bench.host.dir)?);
    }
    let text = report(&rows, &load, begun.elapsed().as_secs());
    println!("{text}");
    if let Some(path) = &options.results {
        fs::write(path, &text)?;
    }
    Ok(0)
}

fn report(rows: &[Row], load: &str, seconds: u64) -> String {
    let missed = rows.iter().filter(|row| row.is_missed()).count();
    let mut text = String::from("# The last measurement\n\n");
    let _ = writeln!(text, "`make bench` on {}, Linux {}.", date(), kernel());
    let _ =
        writeln!(text, "{}; load before {load}, after {}; took {seconds} s.\n", processor(), self::load());
    text.push_str(&table::table(rows));
    let _ = writeln!(text, "\n{missed} of {} figures missed their target.", rows.len());
    text.push_str(
        "The floor is taken in the same run, interleaved with what is measured; the ratio compares the medians.\n",
    );
    text
}

fn date() -> String {
    process::output(Command::new("date").args(["-u", "+%F %H:%M UTC"])).unwrap_or_default().trim().to_owned()
}

fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let names: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("model name"))
        .filter_map(|line| line.split_once(": ").map(|(_, name)| name))
        .collect();
    format!("{} × {}", names.len(), names.first().unwrap_or(&"unknown processor"))
}

/// Over one, five and fifteen minutes.
fn load() -> String {
    let text = fs::read_to_string(Path::new("/proc/loadavg")).unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

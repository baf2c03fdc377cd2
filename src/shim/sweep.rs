//! `vllm bench sweep`: what it starts again and again, with every combination of options that its files vary. Pure.

use std::path::Path;

use super::words::{Names, Options, shell_words};
use super::{Needs, Verdict, World, vllm};

const SERVER: Names = &["--serve-cmd"];
const STARTUP: Names = &["--startup-cmd"];

/// Names that may be abbreviated, and what an abbreviation of one of them could mean besides.
const KNOWN: Names = &[
    "--serve-cmd",
    "--serve-params",
    "--server-ready-timeout",
    "--startup-cmd",
    "--startup-params",
    "--strict-params",
    "--dry-run",
];

/// What the words after `sweep` come to: the most that one of its runs takes.
pub(super) fn needs(words: &[String], world: &World<'_>) -> Verdict {
    let options = Options::abbreviated(words, KNOWN);
    let (option, usual) = match words.first().map(String::as_str) {
        None | Some("plot" | "plot_pareto") => return Ok(Needs::Nothing),
        Some("startup") => (STARTUP, Some("vllm bench startup")),
        Some(_) => (SERVER, None),
    };
    if options.has(&["--dry-run"]) {
        return Ok(Needs::Nothing);
    }
    let line = options.value(option);
    let option = option[0];
    // Without it the program shows its usage.
    let Some(line) = line.or(usual.map(str::to_owned)) else { return Ok(Needs::Nothing) };
    let command = shell_words(&line).ok_or_else(|| format!("{option} is '{line}'"))?;
    let started = match command.split_first() {
        Some((program, rest)) if program == "vllm" || program.ends_with("/vllm") => rest,
        _ => return Err(format!("{option} does not start vllm: '{line}'")),
    };
    let served = varied(options.value(&["--serve-params"]), world)?;
    let besides = varied(options.value(&["--startup-params"]), world)?;
    let mut most = Needs::Nothing;
    for (first, second) in served.iter().flat_map(|first| besides.iter().map(move |second| (first, second))) {
        most = larger(most, vllm::needs(&[started, first, second].concat(), world)?)?;
    }
    Ok(most)
}

fn larger(most: Needs, next: Needs) -> Verdict {
    match (most, next) {
        (Needs::Count(most), Needs::Count(next)) => Ok(Needs::Count(most.max(next))),
        (Needs::Nothing, count @ (Needs::Count(_) | Needs::Nothing)) => Ok(count),
        (most, Needs::Nothing) => Ok(most),
        _ => Err("what it starts picks GPUs by itself".to_owned()),
    }
}

/// The words that each record of such a file adds; one record without any, if there is no file.
fn varied(file: Option<String>, world: &World<'_>) -> Result<Vec<Vec<String>>, String> {
    let Some(file) = file else { return Ok(vec![Vec::new()]) };
    let text = (world.read)(Path::new(&file)).ok_or_else(|| format!("{file} cannot be read"))?;
    let records = match serde_json::from_str(&text) {
        Ok(serde_json::Value::Array(records)) => records,
        Ok(serde_json::Value::Object(named)) => named.into_iter().map(|(_, record)| record).collect(),
        _ => return Err(format!("{file} holds no list of parameters")),
    };
    records
        .iter()
        .map(|record| record_words(record).ok_or_else(|| format!("{file} holds no parameters")))
        .collect()
}

fn record_words(record: &serde_json::Value) -> Option<Vec<String>> {
    let serde_json::Value::Object(parameters) = record else { return None };
    let word = |(key, value): (&String, &serde_json::Value)| match value {
        serde_json::Value::String(text) => Some(format!("--{key}={text}")),
        serde_json::Value::Number(number) => Some(format!("--{key}={number}")),
        serde_json::Value::Bool(true) => Some(format!("--{key}")),
        serde_json::Value::Bool(false) => Some(format!("--no-{key}")),
        _ => None,
    };
    Some(parameters.iter().filter_map(word).collect())
}

//! `vllm`: engines take tensor × pipeline × prefill-context × data parallel GPUs; clients take none. Decode-context
//! parallelism reuses the tensor ranks. Pure.

use std::path::Path;

use super::words::{Names, Options, only_asks, shell_words};
use super::{Needs, Verdict, World, product, share, yaml};

const TENSOR: Names = &["--tensor-parallel-size", "--tensor-parallel", "-tp"];
const PIPELINE: Names = &["--pipeline-parallel-size", "--pipeline-parallel", "-pp"];
const PREFILL: Names = &["--prefill-context-parallel-size", "-pcp"];
const DATA: Names = &["--data-parallel-size", "-dp"];
const DATA_LOCAL: Names = &["--data-parallel-size-local", "-dpl"];
/// With it, each process is one rank behind somebody else's load balancer.
const DATA_RANK: Names = &["--data-parallel-rank", "-dpn"];
const MACHINES: Names = &["--nnodes", "-n"];

/// What a whole command line needs, the verb first.
pub(super) fn needs(words: &[String], world: &World<'_>) -> Verdict {
    let Some((verb, rest)) = words.split_first() else { return Ok(Needs::Nothing) };
    if only_asks(words) {
        return Ok(Needs::Nothing);
    }
    match verb.as_str() {
        // -v: the version.
        option if option.starts_with('-') => Ok(Needs::Nothing),
        "serve" | "run-batch" => engine(rest, world),
        "chat" | "complete" | "collect-env" => Ok(Needs::Nothing),
        "bench" => bench(rest, world),
        other => Err(format!("'vllm {other}' is not known here")),
    }
}

fn bench(words: &[String], world: &World<'_>) -> Verdict {
    let Some((what, rest)) = words.split_first() else { return Ok(Needs::Nothing) };
    match what.as_str() {
        "latency" | "throughput" | "startup" => engine(rest, world),
        // A client of a server that runs elsewhere.
        "serve" => Ok(Needs::Nothing),
        "sweep" => sweep(rest, world),
        other => Err(format!("'vllm bench {other}' is not known here")),
    }
}

/// A sweep starts the server that it is told to, again and again.
fn sweep(words: &[String], world: &World<'_>) -> Verdict {
    let options = Options::of(words);
    let Some(line) = options.value(&["--serve-cmd"]) else { return Ok(Needs::Nothing) };
    if let Some(file) = options.value(&["--serve-params"]) {
        let varied = (world.read)(Path::new(&file)).ok_or_else(|| format!("{file} cannot be read"))?;
        if varied.contains("parallel") {
            return Err(format!("{file} varies how many GPUs the server takes"));
        }
    }
    let words = shell_words(&line).ok_or_else(|| format!("--serve-cmd is '{line}'"))?;
    match words.split_first() {
        Some((program, rest)) if program == "vllm" || program.ends_with("/vllm") => needs(rest, world),
        _ => Err(format!("--serve-cmd does not start vllm: '{line}'")),
    }
}

/// What an engine's options come to.
pub(super) fn engine(words: &[String], world: &World<'_>) -> Verdict {
    let options = Options::of(words);
    let options = match options.value(&["--config"]) {
        Some(file) => {
            let text = (world.read)(Path::new(&file)).ok_or_else(|| format!("{file} cannot be read"))?;
            options.with_file(yaml::scalars(&text))
        }
        None => options,
    };
    if options.value(&["--device"]).is_some_and(|device| device.starts_with("cpu")) {
        return Ok(Needs::Nothing);
    }
    let one =
        [options.number_or(TENSOR, 1)?, options.number_or(PIPELINE, 1)?, options.number_or(PREFILL, 1)?];
    let machines = options.number_or(MACHINES, 1)?;
    let everywhere = options.number_or(DATA, 1)?;
    let here = match options.number(DATA_LOCAL)? {
        // Only the front end runs here.
        Some(0) => return Ok(Needs::Nothing),
        Some(local) if machines == 1 => local,
        _ if options.value(DATA_RANK).is_some() => 1,
        _ => everywhere,
    };
    share(product(&[one[0], one[1], one[2], here])?, machines)
}

//! `vllm`: engines take tensor × pipeline × prefill-context × data parallel GPUs; clients take none. Decode-context
//! parallelism reuses the tensor ranks. Pure. Learnt from vllm/engine/arg_utils.py and vllm/entrypoints/cli of 0.33.

use std::ffi::OsString;

use super::engine::{Engine, without_cluster};
use super::words::{Names, Options, only_asks};
use super::{Judgement, Needs, Verdict, World, product, share, sweep, visible};

const TENSOR: Names = &["--tensor-parallel-size", "--tensor-parallel", "-tp"];
const PIPELINE: Names = &["--pipeline-parallel-size", "--pipeline-parallel", "-pp"];
const PREFILL: Names = &["--prefill-context-parallel-size", "-pcp"];
const DATA: Names = &["--data-parallel-size", "-dp"];
const DATA_LOCAL: Names = &["--data-parallel-size-local", "-dpl"];
const DATA_RANK: Names = &["--data-parallel-rank", "-dpn"];
/// With it, as with a rank, each process is one rank behind somebody else's load balancer.
const ONE_RANK: Names = &["--data-parallel-external-lb", "-dpe"];
const ALL_RANKS: Names = &["--no-data-parallel-external-lb"];
const MACHINES: Names = &["--nnodes", "-n"];
/// GPUs by number, among those that the process sees.
const IDS: Names = &["--device-ids"];
/// What starts the processes of an engine, and its copies.
const STARTERS: [Names; 2] = [&["--distributed-executor-backend"], &["--data-parallel-backend", "-dpb"]];

/// These, and what an abbreviation of one of them could mean besides.
const KNOWN: Names = &[
    "--tensor-parallel-size",
    "-tp",
    "--pipeline-parallel-size",
    "-pp",
    "--prefill-context-parallel-size",
    "-pcp",
    "--data-parallel-size",
    "-dp",
    "--data-parallel-size-local",
    "-dpl",
    "--data-parallel-rank",
    "-dpn",
    "--data-parallel-external-lb",
    "-dpe",
    "--no-data-parallel-external-lb",
    "--no-data-parallel-hybrid-lb",
    "--data-parallel-start-rank",
    "-dpr",
    "--data-parallel-address",
    "-dpa",
    "--data-parallel-rpc-port",
    "-dpp",
    "--data-parallel-backend",
    "-dpb",
    "--data-parallel-hybrid-lb",
    "-dph",
    "--data-parallel-multi-port-external-lb",
    "-dpm",
    "--data-parallel-supervisor-port",
    "-dcp",
    "-dc",
    "--nnodes",
    "-n",
    "--no-enable-prefix-caching",
    "--node-rank",
    "--device-ids",
    "--device-memory-utilization",
    "--device",
    "--distributed-executor-backend",
    "--distributed-timeout-seconds",
];

const ENGINE: Engine = Engine { known: KNOWN, picking: &[IDS], count: engine };

/// Judges a whole command line, whose verb is the word at `from`.
pub(super) fn judge(words: &[String], arguments: &[OsString], from: usize, world: &World<'_>) -> Judgement {
    ENGINE.taken_over(needs(words.get(from..).unwrap_or_default(), world), words, arguments, from)
}

/// Judges an engine that is started under another name; its options begin at `from`.
pub(super) fn judge_engine(
    words: &[String],
    arguments: &[OsString],
    from: usize,
    world: &World<'_>,
) -> Judgement {
    ENGINE.judge(words, arguments, from, world)
}

/// What a whole command line needs, the verb first.
pub(super) fn needs(words: &[String], world: &World<'_>) -> Verdict {
    let Some((verb, rest)) = words.split_first() else { return Ok(Needs::Nothing) };
    if only_asks(words) {
        return Ok(Needs::Nothing);
    }
    if words.iter().any(|word| word == "--omni") {
        return Err("vllm-omni places its stages by itself".to_owned());
    }
    match verb.as_str() {
        // -v: the version.
        option if option.starts_with('-') => Ok(Needs::Nothing),
        "serve" | "run-batch" | "preload" => ENGINE.needs(rest, world),
        "chat" | "complete" | "collect-env" | "download-kernels" => Ok(Needs::Nothing),
        "bench" => bench(rest, world),
        "launch" => match rest.first().map(String::as_str) {
            None | Some("render") => Ok(Needs::Nothing),
            Some(other) => Err(format!("'vllm launch {other}' is not known here")),
        },
        "snapshot" => match rest.first().map(String::as_str) {
            None | Some("inspect") => Ok(Needs::Nothing),
            Some("create") => ENGINE.needs(&rest[1..], world),
            // Only those of one GPU can be made.
            Some("restore") => product(&[1]),
            Some(other) => Err(format!("'vllm snapshot {other}' is not known here")),
        },
        other => Err(format!("'vllm {other}' is not known here")),
    }
}

fn bench(words: &[String], world: &World<'_>) -> Verdict {
    let Some((what, rest)) = words.split_first() else { return Ok(Needs::Nothing) };
    match what.as_str() {
        "latency" | "throughput" | "startup" | "forward" | "mm-processor" => ENGINE.needs(rest, world),
        // A client of a server that runs elsewhere.
        "serve" => Ok(Needs::Nothing),
        "sweep" => sweep::needs(rest, world),
        other => Err(format!("'vllm bench {other}' is not known here")),
    }
}

/// What an engine's options come to.
fn engine(options: &Options<'_>, world: &World<'_>) -> Verdict {
    if STARTERS.iter().any(|names| options.value(names).is_some_and(|starter| starter == "ray")) {
        without_cluster(world)?;
    }
    let counted = counted(options)?;
    match (options.value(IDS), counted) {
        (Some(ids), Needs::Count(_)) => visible(&ids, world).map(Needs::Exactly),
        (_, counted) => Ok(counted),
    }
}

fn counted(options: &Options<'_>) -> Verdict {
    let one =
        [options.number_or(TENSOR, 1)?, options.number_or(PIPELINE, 1)?, options.number_or(PREFILL, 1)?];
    let machines = options.number_or(MACHINES, 1)?;
    let everywhere = options.number_or(DATA, 1)?;
    let local = options.number(DATA_LOCAL)?;
    if local == Some(0) {
        // Only the front end runs here.
        return Ok(Needs::Nothing);
    }
    let replica = |copies: u32| product(&[one[0], one[1], one[2], copies]);
    if options.value(DATA_RANK).is_some() || options.is_on(ONE_RANK, ALL_RANKS) {
        // A replica spans machines only where there are more of these.
        return share(replica(1)?, (machines / everywhere.max(1)).max(1));
    }
    match local {
        Some(local) if machines == 1 => replica(local),
        _ => share(replica(everywhere)?, machines),
    }
}

//! `sglang` and `python -m sglang.launch_server`: tensor × data × pipeline parallel; attention ranks are taken from the
//! tensor ranks. Pure. Learnt from sglang/srt/server_args.py and its arg_groups of 0.5.23.

use std::ffi::OsString;
use std::path::Path;

use super::vllm::is_elsewhere;
use super::words::{Names, Options, only_asks, without};
use super::{Arguments, Judgement, Needs, Verdict, World, product, share, visible, whole, yaml};

const TENSOR: Names = &["--tensor-parallel-size", "--tp-size", "--tp"];
const DATA: Names = &["--data-parallel-size", "--dp-size", "--dp"];
const PIPELINE: Names = &["--pipeline-parallel-size", "--pp-size", "--pp"];
/// Until it goes, it turns the data parallel size into that of the attention.
const SHARED: Names = &["--enable-dp-attention"];
/// Of its image and video models: over all machines, whatever the sizes say.
const GPUS: Names = &["--num-gpus"];
const MACHINES: Names = &["--nnodes"];
/// The first GPU, among those that the process sees, and how far it is to the next.
const FIRST: Names = &["--base-gpu-id"];
const STEP: Names = &["--gpu-id-step"];
const DEVICE: Names = &["--device"];

/// These, and what an abbreviation of one of them could mean besides.
const KNOWN: Names = &[
    "--tensor-parallel-size",
    "--tp-size",
    "--tp",
    "--data-parallel-size",
    "--dp-size",
    "--dp",
    "--pipeline-parallel-size",
    "--pp-size",
    "--pp",
    "--pp-max-micro-batch-size",
    "--pp-async-batch-depth",
    "--enable-dp-attention",
    "--enable-dp-attention-local-control-broadcast",
    "--enable-dp-lm-head",
    "--num-gpus",
    "--num-continuous-decode-steps",
    "--num-reserved-decode-tokens",
    "--nnodes",
    "--base-gpu-id",
    "--gpu-id-step",
    "--device",
];

/// Judges a whole command line, the verb first.
pub(super) fn judge(words: &[String], arguments: &[OsString], world: &World<'_>) -> Judgement {
    let nothing = || whole(Ok(Needs::Nothing), arguments);
    match words.first().map(String::as_str) {
        None => nothing(),
        Some(_) if only_asks(words) => nothing(),
        Some("serve" | "generate") => judge_server(words, arguments, 1, world),
        Some("version" | "render") => nothing(),
        Some(other) => whole(Err(format!("'sglang {other}' is not known here")), arguments),
    }
}

/// Judges a server, whose options begin at `from`.
pub(super) fn judge_server(
    words: &[String],
    arguments: &[OsString],
    from: usize,
    world: &World<'_>,
) -> Judgement {
    let rest = words.get(from..).unwrap_or_default();
    if only_asks(rest) {
        return whole(Ok(Needs::Nothing), arguments);
    }
    let options = Options::abbreviated(words, KNOWN);
    match server(rest, world) {
        Ok(needs @ Needs::Exactly(_)) => {
            let picking = [options.all(FIRST), options.all(STEP)].concat();
            Judgement { needs, arguments: Arguments::Known(without(arguments, &picking)) }
        }
        verdict => whole(verdict, arguments),
    }
}

/// What a server's options come to.
fn server(words: &[String], world: &World<'_>) -> Verdict {
    let typed = Options::abbreviated(words, KNOWN);
    let options = match typed.value(&["--config"]) {
        Some(file) => {
            let text = (world.read)(Path::new(&file)).ok_or_else(|| format!("{file} cannot be read"))?;
            let set = yaml::scalars(&text).map_err(|wrong| format!("{file}: {wrong}"))?;
            if set.keys().any(|key| matches!(key.replace('_', "-").as_str(), "base-gpu-id" | "gpu-id-step")) {
                return Err(format!("{file} picks GPUs by their ids; leave that to the command line"));
            }
            typed.with_file(set)
        }
        None => typed,
    };
    if options.value(DEVICE).is_some_and(|device| is_elsewhere(&device)) {
        return Ok(Needs::Nothing);
    }
    let total = match options.number(GPUS)? {
        Some(count) => product(&[count])?,
        None => {
            let copies = if options.has(SHARED) { 1 } else { options.number_or(DATA, 1)? };
            product(&[options.number_or(TENSOR, 1)?, copies, options.number_or(PIPELINE, 1)?])?
        }
    };
    let here = share(total, options.number_or(MACHINES, 1)?)?;
    let (first, step) = (options.number_or(FIRST, 0)?, options.number_or(STEP, 1)?);
    match here {
        Needs::Count(count) if (first, step) != (0, 1) => {
            let ids: Vec<String> = (0..count.get())
                .map(|rank| (u64::from(first) + u64::from(rank) * u64::from(step)).to_string())
                .collect();
            visible(&ids.join(","), world).map(Needs::Exactly)
        }
        here => Ok(here),
    }
}

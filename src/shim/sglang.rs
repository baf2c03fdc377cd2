//! `sglang` and `python -m sglang.launch_server`: tensor × data × pipeline parallel; attention ranks are taken from the
//! tensor ranks. Pure. Learnt from sglang/srt/server_args.py and its arg_groups of 0.5.23.

use std::ffi::OsString;

use super::engine::{Engine, without_cluster};
use super::words::{Names, Options, only_asks};
use super::{Judgement, Needs, Verdict, World, product, share, visible, whole};

const TENSOR: Names = &["--tensor-parallel-size", "--tp-size", "--tp"];
const DATA: Names = &["--data-parallel-size", "--dp-size", "--dp"];
const PIPELINE: Names = &["--pipeline-parallel-size", "--pp-size", "--pp"];
/// Until it goes, it turns the data parallel size into that of the attention, where that is not said.
const SHARED: Names = &["--enable-dp-attention"];
const ATTENTION: Names = &["--attn-dp-size", "--attention-data-parallel-size"];
/// Of its image and video models: over all machines, whatever the sizes say.
const GPUS: Names = &["--num-gpus"];
const MACHINES: Names = &["--nnodes"];
/// The first GPU, among those that the process sees, and how far it is to the next.
const FIRST: Names = &["--base-gpu-id"];
const STEP: Names = &["--gpu-id-step"];
const RAY: Names = &["--use-ray"];

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
    "--attn-dp-size",
    "--attention-data-parallel-size",
    "--use-ray",
];

const ENGINE: Engine = Engine { known: KNOWN, picking: &[FIRST, STEP], count: server };

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
    ENGINE.judge(words, arguments, from, world)
}

/// What a server's options come to.
fn server(options: &Options<'_>, world: &World<'_>) -> Verdict {
    if options.has(RAY) {
        without_cluster(world)?;
    }
    let total = match options.number(GPUS)? {
        Some(count) => product(&[count])?,
        None => {
            let is_shared = options.has(SHARED) && options.number_or(ATTENTION, 1)? == 1;
            let copies = if is_shared { 1 } else { options.number_or(DATA, 1)? };
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

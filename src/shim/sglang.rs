//! `sglang` and `python -m sglang.launch_server`: tensor × data × pipeline parallel. Pure.

use std::path::Path;

use super::words::{Names, Options, only_asks};
use super::{Needs, Verdict, World, product, share, yaml};

const TENSOR: Names = &["--tensor-parallel-size", "--tp-size", "--tp"];
const DATA: Names = &["--data-parallel-size", "--dp-size", "--dp"];
const PIPELINE: Names = &["--pipeline-parallel-size", "--pp-size", "--pp"];
/// Of its image and video models.
const GPUS: Names = &["--num-gpus"];

/// What a whole command line needs, the verb first.
pub(super) fn needs(words: &[String], world: &World<'_>) -> Verdict {
    match words.split_first() {
        None => Ok(Needs::Nothing),
        Some(_) if only_asks(words) => Ok(Needs::Nothing),
        Some((verb, rest)) => match verb.as_str() {
            "serve" | "generate" => server(rest, world),
            "version" | "render" => Ok(Needs::Nothing),
            other => Err(format!("'sglang {other}' is not known here")),
        },
    }
}

/// What a server's options come to.
pub(super) fn server(words: &[String], world: &World<'_>) -> Verdict {
    if only_asks(words) {
        return Ok(Needs::Nothing);
    }
    let options = Options::of(words);
    let options = match options.value(&["--config"]) {
        Some(file) => {
            let text = (world.read)(Path::new(&file)).ok_or_else(|| format!("{file} cannot be read"))?;
            options.with_file(yaml::scalars(&text))
        }
        None => options,
    };
    if options.value(&["--device"]).is_some_and(|device| device == "cpu") {
        return Ok(Needs::Nothing);
    }
    if options.number_or(&["--base-gpu-id"], 0)? != 0 {
        return Err("--base-gpu-id picks GPUs by itself; leave it out".to_owned());
    }
    if let Some(count) = options.number(GPUS)? {
        return product(&[count]);
    }
    // Attention ranks are taken from the tensor ranks.
    let shared = options.has(&["--enable-dp-attention"]);
    let copies = if shared { 1 } else { options.number_or(DATA, 1)? };
    let total = product(&[options.number_or(TENSOR, 1)?, copies, options.number_or(PIPELINE, 1)?])?;
    share(total, options.number_or(&["--nnodes"], 1)?)
}

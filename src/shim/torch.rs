//! `torchrun` and `python -m torch.distributed.run`: processes per node, one GPU each. Pure.
//! Learnt from torch/distributed/run.py.

use super::words::{Names, Options, only_asks, script_at};
use super::{Needs, Verdict, World, product};

const PROCESSES: Names = &["--nproc-per-node"];

const SWITCHES: Names = &[
    "--standalone",
    "-m",
    "--module",
    "--no-python",
    "--run-path",
    "--use-env",
    "--use-agent-store",
    "--virtual-local-rank",
];

pub(super) fn needs(words: &[String], world: &World<'_>) -> Verdict {
    let own = &words[..script_at(words, SWITCHES)];
    if words.is_empty() || only_asks(own) || own.iter().any(|word| word.starts_with("--print-completion")) {
        return Ok(Needs::Nothing);
    }
    let count = Options::abbreviated(own, PROCESSES)
        .value(PROCESSES)
        .or_else(|| world.variable("PET_NPROC_PER_NODE"));
    match count.as_deref() {
        None => product(&[1]),
        Some("gpu" | "auto") => Ok(Needs::AllFree),
        Some("cpu" | "xpu") => Ok(Needs::Nothing),
        Some(number) => number
            .parse()
            .map_err(|_| format!("--nproc-per-node is '{number}'"))
            .and_then(|count| product(&[count])),
    }
}

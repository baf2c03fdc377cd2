//! `python-gpu`: python3 on one GPU, or on as many as a launcher behind `-m` needs. Pure.

use std::ffi::OsString;

use super::{Judgement, Needs, World, accelerate, deepspeed, product, sglang, torch, vllm, whole};

/// What the options of the interpreter lead to.
enum Target {
    /// A script, a command or the prompt.
    Script,
    /// The module named by this word.
    Module(usize),
    /// The module is written into the same word as its option.
    Attached,
    /// Help or the version.
    Asked,
}

pub(super) fn judge(given: &[String], arguments: &[OsString], world: &World<'_>) -> Judgement {
    match target(given) {
        Target::Script => whole(product(&[1]), arguments),
        Target::Module(at) => module(given, arguments, at, world),
        Target::Attached => whole(Err("write a space after -m".to_owned()), arguments),
        Target::Asked => whole(Ok(Needs::Nothing), arguments),
    }
}

fn target(given: &[String]) -> Target {
    let mut at = 0;
    while let Some(letters) = given.get(at).and_then(|word| word.strip_prefix('-')) {
        match letters {
            "-help" | "-version" | "-help-env" | "-help-xoptions" | "-help-all" => return Target::Asked,
            "-check-hash-based-pycs" => at += 1,
            long if long.starts_with('-') => {}
            _ => match letters.char_indices().find(|(_, letter)| "cmWXVh?".contains(*letter)) {
                Some((_, 'V' | 'h' | '?')) => return Target::Asked,
                Some((_, 'c')) => return Target::Script,
                Some((place, 'm')) if place + 1 == letters.len() => return Target::Module(at + 1),
                Some((_, 'm')) => return Target::Attached,
                // -W and -X: their value is the next word, unless it stands in this one.
                Some((place, _)) if place + 1 == letters.len() => at += 1,
                _ => {}
            },
        }
        at += 1;
    }
    Target::Script
}

/// Modules that are launchers under another name, and clients.
fn module(given: &[String], arguments: &[OsString], at: usize, world: &World<'_>) -> Judgement {
    let from = at + 1;
    let rest = given.get(from..).unwrap_or_default();
    match given.get(at).map(String::as_str) {
        Some("torch.distributed.run" | "torch.distributed.launch") => {
            whole(torch::needs(rest, world), arguments)
        }
        Some(
            "sglang.launch_server"
            | "sglang_router.launch_server"
            | "sglang.bench_one_batch"
            | "sglang.benchmark.one_batch"
            | "sglang.bench_offline_throughput"
            | "sglang.benchmark.offline_throughput"
            | "sglang.compile_deep_gemm",
        ) => sglang::judge_server(given, arguments, from, world),
        Some("sglang.bench_serving" | "sglang.benchmark.serving") => whole(Ok(Needs::Nothing), arguments),
        Some(
            "vllm.entrypoints.openai.api_server"
            | "vllm.entrypoints.api_server"
            | "vllm.entrypoints.grpc_server"
            | "vllm.entrypoints.openai.run_batch",
        ) => vllm::judge_engine(given, arguments, from, world),
        Some("vllm" | "vllm.entrypoints.cli.main") => vllm::judge(given, arguments, from, world),
        Some("accelerate.commands.launch") => accelerate::judge_launch(given, arguments, from, world),
        Some("accelerate.commands.accelerate_cli") => accelerate::judge(given, arguments, from, world),
        Some("deepspeed.launcher.runner" | "deepspeed") => {
            deepspeed::judge_from(given, arguments, from, world)
        }
        _ => whole(product(&[1]), arguments),
    }
}

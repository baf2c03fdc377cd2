//! `python-gpu`: python3 on one GPU, or on as many as a launcher behind `-m` needs. Pure.

use std::ffi::OsString;

use super::{Judgement, Needs, World, accelerate, deepspeed, product, sglang, torch, vllm, whole, words};

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

/// Modules that are launchers under another name.
fn module(given: &[String], arguments: &[OsString], at: usize, world: &World<'_>) -> Judgement {
    let rest = given.get(at + 1..).unwrap_or_default();
    match given.get(at).map(String::as_str) {
        Some("torch.distributed.run" | "torch.distributed.launch") => {
            whole(torch::needs(rest, world), arguments)
        }
        Some("sglang.launch_server") => whole(sglang::server(rest, world), arguments),
        Some("vllm.entrypoints.openai.api_server" | "vllm.entrypoints.api_server") => {
            let asks = words::only_asks(rest);
            whole(if asks { Ok(Needs::Nothing) } else { vllm::engine(rest, world) }, arguments)
        }
        Some("vllm" | "vllm.entrypoints.cli.main") => whole(vllm::needs(rest, world), arguments),
        Some("accelerate.commands.launch") => accelerate::judge_launch(given, arguments, at + 1, world),
        Some("deepspeed.launcher.runner" | "deepspeed") => {
            deepspeed::judge_from(given, arguments, at + 1, world)
        }
        _ => whole(product(&[1]), arguments),
    }
}

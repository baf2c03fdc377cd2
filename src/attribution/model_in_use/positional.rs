//! The model that a server is given without an option, among options. Pure. Whether a word belongs to the option before
//! it, only the program knows; of options that are not known here it is not guessed. Learnt from the parsers of vLLM,
//! SGLang, LMDeploy, TensorRT-LLM and Transformers.

use std::borrow::Cow;

/// Options that take one value.
const WITH_VALUE: &[&str] = &[
    "--host",
    "--port",
    "--server-name",
    "--server-port",
    "--model-type",
    "--tensor-parallel-size",
    "-tp",
    "--tp",
    "--tp-size",
    "--pipeline-parallel-size",
    "-pp",
    "--pp-size",
    "--data-parallel-size",
    "-dp",
    "--dp",
    "--dp-size",
    "--ep-size",
    "--max-model-len",
    "--max-num-seqs",
    "--max-num-batched-tokens",
    "--max-batch-size",
    "--max-num-tokens",
    "--max-seq-len",
    "--max-beam-width",
    "--gpu-memory-utilization",
    "--mem-fraction-static",
    "--kv-cache-free-gpu-memory-fraction",
    "--free-gpu-memory-fraction",
    "--cache-max-entry-count",
    "--session-len",
    "--kv-cache-dtype",
    "--block-size",
    "--swap-space",
    "--cpu-offload-gb",
    "--dtype",
    "--quantization",
    "-q",
    "--quant-policy",
    "--model-format",
    "--load-format",
    "--backend",
    "--device",
    "--attn-implementation",
    "--tokenizer",
    "--tokenizer-mode",
    "--custom-tokenizer",
    "--revision",
    "--seed",
    "--default-seed",
    "--download-dir",
    "--chat-template",
    "--tool-call-parser",
    "--tool-parser",
    "--reasoning-parser",
    "--distributed-executor-backend",
    "--task",
    "--runner",
    "--model-impl",
    "--model-timeout",
    "--speculative-config",
    "--extra-llm-api-options",
    "--config",
    "--log-level",
    "--uvicorn-log-level",
];
/// Options that take none; those that begin with `--enable-` and `--no-` are others.
const WITHOUT_VALUE: &[&str] = &[
    "--trust-remote-code",
    "--enforce-eager",
    "--eager-mode",
    "--async-scheduling",
    "--headless",
    "--sharded",
    "--grpc",
    "--continuous-batching",
    "--disable-log-requests",
    "--disable-log-stats",
    "--disable-custom-all-reduce",
    "--disable-uvicorn-access-log",
    "--disable-fastapi-docs",
];

/// The first word that is surely no option's.
pub(super) fn first<'a>(words: &[&'a str]) -> Option<&'a str> {
    let mut words = words.iter().copied().peekable();
    while let Some(word) = words.next() {
        if word == "--" {
            return words.next().filter(|word| super::is_value(word));
        }
        if !word.starts_with('-') {
            return super::is_value(word).then_some(word);
        }
        match takes(word) {
            Takes::Nothing => {
                // Once such options took an answer.
                words.next_if(|next| next.eq_ignore_ascii_case("true") || next.eq_ignore_ascii_case("false"));
            }
            Takes::One => drop(words.next()),
            Takes::Whatever => while words.next_if(|next| !next.starts_with('-')).is_some() {},
        }
    }
    None
}

enum Takes {
    Nothing,
    One,
    /// Perhaps several, perhaps none.
    Whatever,
}

fn takes(option: &str) -> Takes {
    let option = normal(option);
    if option.contains('=')
        || WITHOUT_VALUE.contains(&&*option)
        || option.starts_with("--enable-")
        || option.starts_with("--no-")
    {
        Takes::Nothing
    } else if WITH_VALUE.contains(&&*option) {
        Takes::One
    } else {
        Takes::Whatever
    }
}

/// Options are written with dashes and with underscores.
pub(super) fn normal(option: &str) -> Cow<'_, str> {
    match option.split_once('=') {
        Some(_) => Cow::Borrowed(option),
        None if option.starts_with("--") && option.contains('_') => Cow::Owned(option.replace('_', "-")),
        None => Cow::Borrowed(option),
    }
}

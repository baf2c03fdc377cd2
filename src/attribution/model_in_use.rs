//! Which model a process serves or trains, by command lines. Pure. What is found is shown, never acted upon: anybody
//! may write anything there. What could name something else names nothing: a wrong model is worse than none.

mod harness;
mod positional;
mod shell;

use positional::normal;

/// The programs of llama.cpp that load a model, after `llama-`.
const LLAMA_CPP: [&str; 16] = [
    "server",
    "cli",
    "completion",
    "bench",
    "batched-bench",
    "perplexity",
    "embedding",
    "mtmd-cli",
    "simple",
    "simple-chat",
    "speculative",
    "parallel",
    "imatrix",
    "finetune",
    "tts",
    "diffusion-cli",
];
/// Options that name a model whatever the program; those that say where it lies before those that may name its kind.
const OPTIONS: [&[&str]; 2] = [
    &[
        "--model-path",
        "--model-id",
        "--model-name-or-path",
        "--pretrained-model-name-or-path",
        "--base-model",
    ],
    &["--model", "--force-model"],
];

/// The model that one of these command lines names: the process's own first, then its parents'.
pub(crate) fn model_of<'a>(commands: impl IntoIterator<Item = &'a [String]>) -> Option<String> {
    commands.into_iter().find_map(|command| {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        in_words(&words).or_else(|| in_shell(&words))
    })
}

fn in_words(words: &[&str]) -> Option<String> {
    if let Some(args) = harness::arguments(words) {
        return harness::pretrained(args).as_deref().and_then(name);
    }
    if let Some(served) = served(words) {
        return name(served);
    }
    let found = match in_llama_cpp(words) {
        Found::Nothing => first_of(words, &OPTIONS),
        found => found,
    };
    match found {
        Found::One(model) => name(model),
        Found::Several | Found::Nothing => None,
    }
}

/// What a shell is told to run, where only one of its commands can be what uses the GPU.
fn in_shell(words: &[&str]) -> Option<String> {
    let command = shell::the_command_in(shell::text_in(words)?)?;
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    in_words(&words)
}

/// The model that stands by itself after the verb of a server.
fn served<'a>(words: &[&'a str]) -> Option<&'a str> {
    words.iter().enumerate().find_map(|(at, word)| {
        let rest = &words[at + 1..];
        match (base(word), rest) {
            (
                "vllm"
                | "vllm.entrypoints.cli.main"
                | "sglang"
                | "sglang.cli.main"
                | "text-generation-server"
                | "transformers",
                ["serve", rest @ ..],
            ) => positional::first(rest),
            ("lmdeploy", ["serve", "api_server", rest @ ..]) => positional::first(rest),
            ("trtllm-serve", ["disaggregated" | "disaggregated_mpi_worker", ..]) => None,
            ("trtllm-serve", ["serve" | "mm_embedding_serve" | "embeddings" | "rerank", rest @ ..]) => {
                positional::first(rest)
            }
            // Another verb is no model.
            ("trtllm-serve", rest) => positional::first(rest).filter(|name| name.contains('/')),
            _ => None,
        }
    })
}

fn in_llama_cpp<'a>(words: &[&'a str]) -> Found<'a> {
    let is_own =
        |word: &&str| base(word).strip_prefix("llama-").is_some_and(|tool| LLAMA_CPP.contains(&tool));
    // Not before the program: there -m is an option of Python's.
    if let Some(at) = words.iter().position(is_own) {
        let options: [&[&str]; 4] = [
            &["-hf", "-hfr", "--hf-repo"],
            &["-m", "--model"],
            &["-dr", "--docker-repo"],
            &["-mu", "--model-url"],
        ];
        return first_of(&words[at + 1..], &options);
    }
    match words.iter().position(|word| *word == "llama_cpp.server") {
        // With a repository, --model is a pattern of its files.
        Some(at) => first_of(&words[at + 1..], &[&["--hf-model-repo-id"], &["--model"]]),
        None => Found::Nothing,
    }
}

/// What options say of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found<'a> {
    One(&'a str),
    /// More than one, and nothing tells which is meant.
    Several,
    Nothing,
}

/// What the first of these groups that is there says.
fn first_of<'a>(words: &[&'a str], groups: &[&[&str]]) -> Found<'a> {
    let said = groups.iter().map(|options| value(words, options));
    said.into_iter().find(|found| *found != Found::Nothing).unwrap_or(Found::Nothing)
}

/// The value of these options, which are ways to say the same: `--option value` or `--option=value`.
fn value<'a>(words: &[&'a str], options: &[&str]) -> Found<'a> {
    let mut found = Found::Nothing;
    for (at, word) in words.iter().enumerate() {
        let said = match word.split_once('=') {
            Some((option, value)) if options.contains(&&*normal(option)) => Some(value),
            _ if options.contains(&&*normal(word)) => words.get(at + 1).copied(),
            _ => None,
        };
        match (said.filter(|value| is_value(value)), found) {
            (None, _) => {}
            (Some(value), Found::Nothing) => found = Found::One(value),
            (Some(value), Found::One(before)) if value == before => {}
            (Some(_), _) => return Found::Several,
        }
    }
    found
}

/// Whether this can be one model's name: no option, no list, nothing that a shell would have replaced.
fn is_value(word: &str) -> bool {
    !word.is_empty() && !word.starts_with('-') && !word.contains(['$', '`', ','])
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// As it is called: of a path what tells it apart. What is no name is none.
fn name(model: &str) -> Option<String> {
    // An id of Hugging Face has at most one slash.
    let is_path = model.starts_with(['/', '.', '~'])
        || model.contains("://")
        || model.matches('/').count() > 1
        || model.ends_with(".gguf");
    let name = if is_path { last_of_path(model) } else { model.to_owned() };
    let is_digest = name.starts_with("sha256-") || name.starts_with("sha256:");
    (name.contains(char::is_alphanumeric) && !is_digest).then_some(name)
}

fn last_of_path(path: &str) -> String {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    // The Hugging Face cache: models--PROVIDER--NAME/snapshots/DIGEST.
    let cached = parts.clone().find_map(|part| part.strip_prefix("models--"));
    match cached {
        Some(cached) => cached.replacen("--", "/", 1),
        None => parts.next_back().unwrap_or(path).to_owned(),
    }
}

#[cfg(test)]
mod tests;

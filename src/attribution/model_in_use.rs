//! Which model a process serves or trains, by command lines. Pure. What is found is shown, never acted upon: anybody
//! may write anything there.

/// Characters of a name that are shown.
const LONGEST: usize = 50;

/// The model that one of these command lines names: the process's own first, then its parents'.
pub(crate) fn model_of<'a>(commands: impl IntoIterator<Item = &'a [String]>) -> Option<String> {
    commands.into_iter().find_map(|command| {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let found = in_words(&words).or_else(|| in_words(&in_shell(&words)))?;
        Some(short(&found))
    })
}

fn in_words(words: &[&str]) -> Option<String> {
    let program = |names: &[&str]| position_of(words, names);
    if let Some(at) = program(&["lm_eval", "lm-eval", "lm_eval.__main__", "lmms_eval"]) {
        // Its --model names a way to run models.
        return pretrained_in(&words[at + 1..]);
    }
    if let Some(at) = program(&["vllm", "sglang", "text-generation-server", "vllm.entrypoints.cli.main"])
        && let Some(["serve", name, ..]) = words.get(at + 1..)
        && is_value(name)
    {
        return Some((*name).to_owned());
    }
    let is_llama_cpp = |word: &&str| base(word).starts_with("llama-") || base(word) == "llama_cpp.server";
    // Not before it: there -m is an option of Python's.
    if let Some(at) = words.iter().position(is_llama_cpp)
        && let Some(model) =
            value(&words[at + 1..], &["-hf", "-hfr", "--hf-repo", "-m", "--model", "-mu", "--model-url"])
    {
        return Some(model);
    }
    let options = [
        "--model",
        "--model-path",
        "--model_path",
        "--model-id",
        "--model_name_or_path",
        "--model-name-or-path",
    ];
    value(words, &options)
}

/// Where one of these programs is started: as the command, as a script, or by `python -m`.
fn position_of(words: &[&str], names: &[&str]) -> Option<usize> {
    words.iter().position(|word| names.contains(&base(word)))
}

/// The words of `sh -c 'exec vllm serve …'`. Quoting is not undone: names of models need none.
fn in_shell<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let is_shell = words.first().is_some_and(|word| ["sh", "bash", "dash", "zsh"].contains(&base(word)));
    let script = words.iter().skip_while(|word| !is_command_flag(word)).nth(1);
    match script {
        Some(script) if is_shell => script.split_whitespace().collect(),
        _ => Vec::new(),
    }
}

/// -c, or several in one like -lc.
fn is_command_flag(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|flags| !flags.starts_with('-') && flags.ends_with('c'))
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// The value of the first of these options: `--option value` or `--option=value`.
fn value(words: &[&str], options: &[&str]) -> Option<String> {
    words.iter().enumerate().find_map(|(at, word)| {
        let found = match word.split_once('=') {
            Some((option, value)) if options.contains(&option) => Some(value),
            _ if options.contains(word) => words.get(at + 1).copied(),
            _ => None,
        };
        found.filter(|value| is_value(value)).map(str::to_owned)
    })
}

fn is_value(word: &str) -> bool {
    !word.is_empty() && !word.starts_with('-')
}

/// The value of `pretrained` in the words after `--model_args`: all in one, or one each.
fn pretrained_in(words: &[&str]) -> Option<String> {
    let options = ["--model_args", "--model-args", "-a"];
    words.iter().enumerate().find_map(|(at, word)| match word.split_once('=') {
        Some((option, args)) if options.contains(&option) => pretrained(args),
        _ if options.contains(word) => {
            let mut args = words[at + 1..].iter().take_while(|word| is_value(word));
            args.find_map(|args| pretrained(args))
        }
        _ => None,
    })
}

/// `pretrained=NAME,dtype=auto`, or the same as JSON.
fn pretrained(args: &str) -> Option<String> {
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(args) {
        return json.get("pretrained")?.as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    }
    let mut pairs = args.split(',').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(key, _)| key.trim() == "pretrained")
        .map(|(_, name)| name.to_owned())
        .filter(|name| is_value(name))
}

/// As shown: of a path what tells it apart, and no more characters than fit a line.
fn short(model: &str) -> String {
    let is_path = model.starts_with(['/', '.', '~']) || model.contains("://");
    let name = if is_path { last_of_path(model) } else { model.to_owned() };
    name.chars().take(LONGEST).collect()
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

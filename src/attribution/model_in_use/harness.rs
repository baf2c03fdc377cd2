//! Command lines of evaluation harnesses (lm_eval and those made after it), whose --model names a way to run models.
//! Pure. Learnt from lm_eval/_cli.

use super::{base, normal};

const PROGRAMS: [&str; 6] =
    ["lm_eval", "lm-eval", "lm_eval.__main__", "lmms_eval", "lmms-eval", "lmms_eval.__main__"];
const OPTION: &str = "--model-args";

/// The words that tell the model, where the command line is a harness's.
pub(super) fn arguments<'a, 'b>(words: &'b [&'a str]) -> Option<&'b [&'a str]> {
    match words.iter().position(|word| PROGRAMS.contains(&base(word))) {
        Some(at) => Some(&words[at + 1..]),
        // Under another name: as `python main.py` was once the way.
        None => words.iter().any(|word| told_by(word, &[OPTION])).then_some(words),
    }
}

/// The value of `pretrained` in the words after `--model_args`: all in one, or one each.
pub(super) fn pretrained(words: &[&str]) -> Option<String> {
    // Said twice they are merged, and the later counts.
    words.iter().enumerate().rev().find_map(|(at, word)| match word.split_once('=') {
        Some((option, args)) if told_by(option, &[OPTION]) => in_arguments(args),
        _ if told_by(word, &[OPTION, "-a"]) => words[at + 1..]
            .iter()
            .take_while(|word| !word.starts_with('-'))
            .find_map(|args| in_arguments(args)),
        _ => None,
    })
}

fn told_by(word: &str, options: &[&str]) -> bool {
    options.contains(&&*normal(word.split_once('=').map_or(word, |(option, _)| option)))
}

/// `pretrained=NAME,dtype=auto`, or the same as JSON.
fn in_arguments(args: &str) -> Option<String> {
    let name = match serde_json::from_str::<serde_json::Value>(args) {
        Ok(json) => json.get("pretrained")?.as_str()?.to_owned(),
        Err(_) => {
            let pairs = args.split(',').filter_map(|pair| pair.split_once('='));
            let name = pairs.into_iter().find(|(key, _)| key.trim() == "pretrained")?.1;
            name.trim_matches(['"', '\'']).to_owned()
        }
    };
    super::is_value(&name).then_some(name)
}

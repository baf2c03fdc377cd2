//! Command lines of the programs that shims stand for, and the files that they name, for the fuzzer.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::{Needs, World, judge, words, yaml};

const NAMES: [&str; 9] = [
    "vllm",
    "torchrun",
    "accelerate",
    "accelerate-launch",
    "deepspeed",
    "sglang",
    "python-gpu",
    "docker",
    "podman",
];

/// Words ended by zero bytes; after an empty word, the text of every file and variable that is asked for.
pub(crate) fn command_lines(bytes: &[u8]) {
    let (line, rest) = match bytes.windows(2).position(|pair| pair == [0, 0]) {
        Some(at) => (&bytes[..at], &bytes[at + 2..]),
        None => (bytes, &[][..]),
    };
    let arguments: Vec<OsString> =
        line.split(|&byte| byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect();
    let text = String::from_utf8_lossy(rest).into_owned();
    let world = World { variable: &|_| Some(text.clone()), read: &|_: &Path| Some(text.clone()) };
    let bare = World { variable: &|_| None, read: &|_: &Path| None };
    for name in NAMES {
        for world in [&world, &bare] {
            match judge(name, &arguments, world).map(|judged| judged.needs) {
                Some(Needs::Exactly(gpus)) => {
                    assert!(!gpus.is_empty() && gpus.is_sorted_by(|a, b| a < b), "{gpus:?}");
                }
                Some(Needs::Unclear(why)) => assert!(!why.is_empty()),
                Some(_) => {}
                None => unreachable!("{name} is a shim"),
            }
        }
    }
}

pub(crate) fn yaml(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Err(why) = yaml::scalars(text) {
        assert!(!why.is_empty());
    }
    let _ = (yaml::is_set_anywhere(text, "tensor-parallel-size"), words::shell_words(text));
}

//! Options in the command lines of other programs: hyphens and underscores, `=` and space, short forms, and where
//! the options end and a script with its own begins. Pure.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The names of one option: long ones with hyphens, then short ones.
pub(super) type Names = &'static [&'static str];

/// An option as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Where, and how many words.
    pub(super) at: usize,
    pub(super) words: usize,
    pub(super) value: Option<String>,
}

/// The words that belong to the program, and what a file of its settings adds.
#[derive(Debug)]
pub(super) struct Options<'a> {
    words: &'a [String],
    /// By long name without hyphens in front; the words go before it.
    file: BTreeMap<String, String>,
}

impl<'a> Options<'a> {
    pub(super) const fn of(words: &'a [String]) -> Self {
        Self { words, file: BTreeMap::new() }
    }

    pub(super) fn with_file(self, file: BTreeMap<String, String>) -> Self {
        let normal = |(key, value): (String, String)| (key.replace('_', "-"), value);
        Self { file: file.into_iter().map(normal).collect(), ..self }
    }

    /// Every place where an option that takes a value stands.
    pub(super) fn all(&self, names: Names) -> Vec<Found> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < self.words.len() {
            let one = names.iter().find_map(|name| self.at(at, name));
            at += one.as_ref().map_or(1, |one| one.words);
            found.extend(one);
        }
        found
    }

    /// Its value: the last one counts, as argparse has it.
    pub(super) fn value(&self, names: Names) -> Option<String> {
        let typed = self.all(names).pop().and_then(|found| found.value);
        typed.or_else(|| names.iter().find_map(|name| self.file.get(name.trim_start_matches('-')).cloned()))
    }

    /// Its value as a number of something.
    pub(super) fn number(&self, names: Names) -> Result<Option<u32>, String> {
        let read = |text: String| text.parse().map_err(|_| format!("{} is '{text}', not a number", names[0]));
        self.value(names).map(read).transpose()
    }

    pub(super) fn number_or(&self, names: Names, default: u32) -> Result<u32, String> {
        Ok(self.number(names)?.unwrap_or(default))
    }

    /// Whether an option that takes no value is there.
    pub(super) fn has(&self, names: Names) -> bool {
        let typed = self.words.iter().any(|word| names.contains(&normal(word).as_str()));
        let set =
            |name: &&str| self.file.get(name.trim_start_matches('-')).is_some_and(|value| value == "true");
        typed || names.iter().any(set)
    }

    fn at(&self, at: usize, name: &str) -> Option<Found> {
        let word = normal(&self.words[at]);
        let next = || self.words.get(at + 1).cloned();
        if word == name {
            let value = next();
            return Some(Found { at, words: if value.is_some() { 2 } else { 1 }, value });
        }
        let rest = word.strip_prefix(name)?;
        let attached = rest.strip_prefix('=').or_else(|| is_letter(name).then_some(rest));
        attached.map(|value| Found { at, words: 1, value: Some(value.to_owned()) })
    }
}

/// `-g`, whose value may be written in the same word; `-tp` is a name, and may not.
fn is_letter(name: &str) -> bool {
    name.len() == 2 && !name.starts_with("--")
}

/// The name of a long option with hyphens, its value as it is.
fn normal(word: &str) -> String {
    if !word.starts_with("--") {
        return word.to_owned();
    }
    match word.split_once('=') {
        Some((name, value)) => format!("{}={value}", name.replace('_', "-")),
        None => word.replace('_', "-"),
    }
}

/// Whether help or the version is all that is asked for.
pub(super) fn only_asks(words: &[String]) -> bool {
    words
        .iter()
        .take_while(|word| *word != "--")
        .any(|word| matches!(word.as_str(), "-h" | "--help" | "--version") || word.starts_with("--help="))
}

/// Where a launcher's own options end: at its script or module. `switches` are its options without a value; any other
/// takes one.
pub(super) fn script_at(words: &[String], switches: Names) -> usize {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word == "--" {
            return at;
        }
        if !word.starts_with('-') || word == "-" {
            return at;
        }
        let alone = word.contains('=') || switches.contains(&normal(word).as_str());
        // An option that is not known here, and is none with a value either, must not hide the script.
        let value_follows = words.get(at + 1).is_some_and(|next| !next.starts_with('-') && !is_script(next));
        at += if !alone && value_follows { 2 } else { 1 };
    }
    words.len()
}

fn is_script(word: &str) -> bool {
    std::path::Path::new(word).extension().is_some_and(|extension| extension == "py")
}

/// The arguments without some of their words.
pub(super) fn without(arguments: &[OsString], dropped: &[Found]) -> Vec<OsString> {
    let is_dropped = |at: usize| dropped.iter().any(|one| (one.at..one.at + one.words).contains(&at));
    arguments.iter().enumerate().filter(|(at, _)| !is_dropped(*at)).map(|(_, word)| word.clone()).collect()
}

/// Splits a command line that stands in one word, as a POSIX shell would; `None` if a quote is left open.
pub(super) fn shell_words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c @ ('\'' | '"')) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().push(letters.next()?),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

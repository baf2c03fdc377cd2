//! Options in the command lines of other programs: hyphens and underscores, `=` and space, short forms, and where
//! the options end and a script with its own begins. Pure.

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

/// The words that belong to the program.
#[derive(Debug)]
pub(super) struct Options<'a> {
    words: &'a [String],
    /// Names that may be abbreviated, and those beside them that an abbreviation could mean as well. Empty where the
    /// program takes none.
    known: Names,
}

impl<'a> Options<'a> {
    pub(super) const fn of(words: &'a [String]) -> Self {
        Self::abbreviated(words, &[])
    }

    /// As argparse reads them, if nobody forbids it: what begins like one of `known` only, means that one.
    pub(super) const fn abbreviated(words: &'a [String], known: Names) -> Self {
        Self { words, known }
    }

    /// Every place where an option that takes a value stands.
    pub(super) fn all(&self, names: Names) -> Vec<Found> {
        let mut found = Vec::new();
        let mut at = 0;
        while self.words.get(at).is_some_and(|word| word != "--") {
            let one = self.at(at, names);
            at += one.as_ref().map_or(1, |one| one.words);
            found.extend(one);
        }
        found
    }

    /// Its value: the last one counts, as argparse has it.
    pub(super) fn value(&self, names: Names) -> Option<String> {
        self.all(names).pop().and_then(|found| found.value)
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
        self.is_on(names, &[])
    }

    /// Whether a switch is on: the last of the words that turn it on or off counts.
    pub(super) fn is_on(&self, on: Names, off: Names) -> bool {
        let own = self.words.iter().take_while(|word| *word != "--").map(|word| normal(word));
        let turned = own.filter_map(|word| match self.is_meant(&word, on) {
            true => Some(true),
            false => self.is_meant(&word, off).then_some(false),
        });
        turned.last().unwrap_or(false)
    }

    fn at(&self, at: usize, names: Names) -> Option<Found> {
        let word = normal(&self.words[at]);
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.as_str(), None),
        };
        if self.is_meant(name, names) {
            let value = attached.map(str::to_owned).or_else(|| self.words.get(at + 1).cloned());
            let words = if attached.is_none() && value.is_some() { 2 } else { 1 };
            return Some(Found { at, words, value });
        }
        let letters = names.iter().filter(|name| is_letter(name));
        let value = letters.filter_map(|letter| word.strip_prefix(letter)).next()?;
        // What is a longer option is none with a value.
        let is_another = self.known.iter().any(|known| known.starts_with(word.as_str()));
        (!is_another).then(|| Found { at, words: 1, value: Some(value.to_owned()) })
    }

    /// Whether a typed name means the option that has `names`.
    fn is_meant(&self, typed: &str, names: Names) -> bool {
        if names.contains(&typed) || self.known.contains(&typed) {
            return names.contains(&typed);
        }
        let mut meant = self.known.iter().filter(|known| is_abbreviation(typed, known)).peekable();
        meant.peek().is_some() && meant.all(|known| names.contains(known))
    }
}

/// `--tensor` of `--tensor-parallel-size`, `-t` of `-tp`.
fn is_abbreviation(typed: &str, whole: &str) -> bool {
    let is_named = typed.len() > if typed.starts_with("--") { 2 } else { 1 };
    is_named && whole.starts_with(typed) && typed.starts_with("--") == whole.starts_with("--")
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

/// Where a launcher's own options end: at its script or module. `switches` are its options without a value, which may be
/// abbreviated; any other takes one. Where none is found, all the words are its own, so that they count.
pub(super) fn script_at(words: &[String], switches: Names) -> usize {
    let mut at = 0;
    while let Some(word) =
        words.get(at).filter(|word| word.starts_with('-') && !matches!(word.as_str(), "-" | "--"))
    {
        let is_switch = switches.iter().any(|switch| is_abbreviation(&normal(word), switch));
        // `-ilocalhost:0`: its value is in the same word.
        let holds_its_value = word.contains('=') || !word.starts_with("--") && word.chars().count() > 2;
        // An option that is not known here, and is none with a value either, must not hide the script.
        let value_follows = words.get(at + 1).is_some_and(|next| is_value(next) && !is_script(next));
        at += if value_follows && !is_switch && !holds_its_value { 2 } else { 1 };
    }
    at
}

/// Argparse takes a negative number for a value.
fn is_value(word: &str) -> bool {
    let number = word.strip_prefix('-').map(|digits| digits.replacen('.', "", 1));
    number.is_none_or(|digits| !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_digit()))
}

fn is_script(word: &str) -> bool {
    std::path::Path::new(word).extension().is_some_and(|extension| extension == "py")
}

/// The arguments without some of the words from `from` on, where these were found.
pub(super) fn without(arguments: &[OsString], from: usize, dropped: &[Found]) -> Vec<OsString> {
    let is_dropped =
        |at: usize| dropped.iter().any(|one| (from + one.at..from + one.at + one.words).contains(&at));
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

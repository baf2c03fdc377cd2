//! What a word that begins with a dash amounts to, by the definition of the verb: for those who must understand a
//! command line before clap reads it.

use clap::{Arg, ArgAction, Command};

/// What a verb takes: its own options, and those that every verb takes.
#[derive(Clone, Copy)]
pub(super) struct Options<'a> {
    /// The verb, or a part of it.
    pub(super) verb: &'a Command,
    /// The whole program; it need not be built.
    pub(super) top: &'a Command,
}

/// An option, or a cluster of short ones, as typed.
pub(super) struct Typed<'a> {
    /// The last of a cluster: the only one that can take a value.
    pub(super) arg: &'a Arg,
    /// Whether every verb takes it, and everything in front of it in a cluster.
    pub(super) everywhere: bool,
    pub(super) value: Value,
}

/// Where the value of an option stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// It takes none.
    None,
    /// In the same word, from this byte on.
    Within(usize),
    /// In the next word.
    Next,
}

impl<'a> Options<'a> {
    /// The verb's own first.
    pub(super) fn all(self) -> impl Iterator<Item = &'a Arg> {
        let everywhere = self.top.get_arguments().filter(|arg| arg.is_global_set());
        self.verb.get_arguments().filter(|arg| !arg.is_positional()).chain(everywhere)
    }

    /// Reads `--gpus=2`, `--gpus`, `-g2`, `-qg`. `None` for an option that the verb does not have.
    pub(super) fn read(self, word: &str) -> Option<Typed<'a>> {
        match word.strip_prefix("--") {
            Some(long) => self.long(long),
            None => self.shorts(word),
        }
    }

    fn option(self, is_meant: impl Fn(&Arg) -> bool) -> Option<&'a Arg> {
        self.all().find(|arg| is_meant(arg))
    }

    fn long(self, text: &str) -> Option<Typed<'a>> {
        let (name, value) =
            text.split_once('=').map_or((text, None), |(name, _)| (name, Some(name.len() + "--=".len())));
        let arg = self.option(|arg| arg.get_long() == Some(name))?;
        let value = match value {
            Some(at) => Value::Within(at),
            None if takes_value(arg) => Value::Next,
            None => Value::None,
        };
        Some(Typed { arg, everywhere: arg.is_global_set(), value })
    }

    /// The first short option that takes a value takes the rest of the word, or the next word.
    fn shorts(self, word: &str) -> Option<Typed<'a>> {
        let mut everywhere = true;
        let mut last = None;
        for (position, letter) in word.char_indices().skip(1) {
            let arg = self.option(|arg| arg.get_short() == Some(letter))?;
            everywhere &= arg.is_global_set();
            if takes_value(arg) {
                let rest = position + letter.len_utf8();
                let value = if rest < word.len() { Value::Within(rest) } else { Value::Next };
                return Some(Typed { arg, everywhere, value });
            }
            last = Some(arg);
        }
        last.map(|arg| Typed { arg, everywhere, value: Value::None })
    }
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

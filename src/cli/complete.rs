//! What may stand at the cursor of a command line that is being typed: what a shell asks when somebody presses Tab.
//! Pure; what only the pool knows is named for others to look up.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, CommandFactory, Id};

use super::offers::{self, Offer};
use super::typed::{Options, Value};
use super::{Cli, Globals};

/// A value that may stand at the cursor, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) about: String,
}

impl Word {
    pub(crate) fn new(text: impl Into<String>, about: impl Into<String>) -> Self {
        Self { text: text.into(), about: about.into() }
    }
}

/// What may stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// One of these.
    Words(Vec<Word>),
    /// A path, behind these first bytes of the word.
    Files,
    Directories,
    Groups,
    /// What a command takes that begins with this word.
    Command(usize),
    /// One of those that somebody else knows, each behind `before`.
    Live {
        live: Live,
        before: String,
    },
}

/// Values that are looked up at the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Live {
    /// The GPUs of the pool.
    Gpus,
    /// GPUs that the caller holds.
    OwnGpus,
    /// GPUs that the caller holds in manual reservations.
    OwnManualGpus,
    /// As many GPUs as the pool has, and fewer.
    Counts,
    /// The ids of all reservations.
    Reservations,
    /// The records that cannot be read.
    Damaged,
    /// The labels of the caller's reservations.
    Labels,
    Shims,
}

/// What was typed of the options that say which pool is meant, and what is wanted.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) globals: Globals,
    pub(crate) wanted: Wanted,
}

const NOTHING: Wanted = Wanted::Words(Vec::new());

/// Reads `words`, the command line without the program's name; the last one is what stands before the cursor, and may be
/// empty.
pub(crate) fn question(words: &[OsString]) -> Question {
    let top = Cli::command();
    let Some((cursor, before)) = words.split_last() else {
        return Question { globals: Globals::default(), wanted: NOTHING };
    };
    let mut line = Line::new(&top);
    for (at, word) in before.iter().enumerate() {
        if line.take(&word.to_string_lossy(), at) == Next::Elsewhere {
            break;
        }
    }
    let wanted = line.wanted(&cursor.to_string_lossy());
    Question { globals: line.globals, wanted }
}

/// Whether there is more to read.
#[derive(PartialEq, Eq)]
enum Next {
    Here,
    /// The rest is no business of ours.
    Elsewhere,
}

/// Where the words so far lead.
enum Place<'a> {
    /// Nothing but options that every verb takes: a verb may follow, or the bare form.
    Start,
    /// Options of `run` without the word: only the command may follow.
    Bare,
    Verb(&'a Command),
    /// Words follow that belong to a command.
    Command(usize),
    /// Nothing that we know may follow.
    Nowhere,
}

/// The part of the command line in front of the cursor.
struct Line<'a> {
    top: &'a Command,
    place: Place<'a>,
    /// The option whose value comes next.
    pending: Option<&'a Arg>,
    used: Vec<Id>,
    /// How many words stand that are neither options nor values of one.
    plain: usize,
    globals: Globals,
}

impl<'a> Line<'a> {
    fn new(top: &'a Command) -> Self {
        Self {
            top,
            place: Place::Start,
            pending: None,
            used: Vec::new(),
            plain: 0,
            globals: Globals::default(),
        }
    }

    fn options(&self) -> Option<Options<'a>> {
        let verb = match self.place {
            Place::Start | Place::Bare => self.top.find_subcommand("run")?,
            Place::Verb(verb) => verb,
            Place::Command(_) | Place::Nowhere => return None,
        };
        Some(Options { verb, top: self.top })
    }

    fn take(&mut self, word: &str, at: usize) -> Next {
        if let Some(arg) = self.pending.take()
            && !(is_optional(arg) && word.starts_with('-'))
        {
            self.note(arg, word);
            return Next::Here;
        }
        match word {
            "--" => self.dashes(at),
            option if option.len() > 1 && option.starts_with('-') => self.option(option),
            _ => self.plain(word),
        }
        if matches!(self.place, Place::Command(_) | Place::Nowhere) { Next::Elsewhere } else { Next::Here }
    }

    fn dashes(&mut self, at: usize) {
        self.place = match self.place {
            Place::Start | Place::Bare => Place::Command(at + 1),
            Place::Verb(verb) if verb.get_name() == "run" => Place::Command(at + 1),
            _ => Place::Nowhere,
        };
    }

    fn option(&mut self, word: &str) {
        let Some(typed) = self.options().and_then(|options| options.read(word)) else { return };
        if matches!(self.place, Place::Start) && !typed.everywhere {
            self.place = Place::Bare;
        }
        self.used.push(typed.arg.get_id().clone());
        match typed.value {
            Value::Next => self.pending = Some(typed.arg),
            Value::Within(at) => self.note(typed.arg, &word[at..]),
            Value::None => {}
        }
    }

    fn plain(&mut self, word: &str) {
        let verb = match self.place {
            Place::Start => self.top.find_subcommand(word),
            Place::Verb(verb) if verb.has_subcommands() => verb.find_subcommand(word),
            Place::Verb(verb) if verb.get_name() != "run" => {
                self.plain += 1;
                return;
            }
            _ => None,
        };
        // Not a built-in of clap's alone: `help` shows what the word behind it says.
        self.place = match verb {
            Some(verb) => Place::Verb(verb),
            None if word == "help" && matches!(self.place, Place::Start) => Place::Start,
            None => Place::Nowhere,
        };
    }

    /// Keeps what says which pool is meant.
    fn note(&mut self, arg: &Arg, value: &str) {
        let globals = &mut self.globals;
        match arg.get_id().as_str() {
            "store" => globals.store = Some(value.to_owned()),
            "config" => globals.config = Some(PathBuf::from(value)),
            "redis_host" => globals.redis_host = Some(value.to_owned()),
            "redis_port" => globals.redis_port = value.parse().ok(),
            "redis_db" => globals.redis_db = value.parse().ok(),
            _ => {}
        }
    }

    fn wanted(&self, cursor: &str) -> Wanted {
        if let Place::Command(first) = self.place {
            return Wanted::Command(first);
        }
        let Some(options) = self.options() else { return NOTHING };
        if let Some(arg) = self.pending
            && !(is_optional(arg) && cursor.starts_with('-'))
        {
            return self.value(arg, "", cursor);
        }
        if cursor.starts_with('-') {
            return match options.read(cursor) {
                Some(typed) if let Value::Within(at) = typed.value => {
                    self.value(typed.arg, &cursor[..at], &cursor[at..])
                }
                // `-G` and its value may stand in one word.
                Some(typed) if typed.value == Value::Next && !cursor.starts_with("--") => {
                    self.value(typed.arg, cursor, "")
                }
                _ => Wanted::Words(self.offered(options)),
            };
        }
        self.bare_word(options, cursor)
    }

    /// What may stand where no option was begun.
    fn bare_word(&self, options: Options<'a>, cursor: &str) -> Wanted {
        match self.place {
            Place::Start => Wanted::Words(verbs(self.top).chain([dashes()]).collect()),
            Place::Bare => Wanted::Words(vec![dashes()]),
            Place::Verb(verb) if verb.get_name() == "run" => Wanted::Words(vec![dashes()]),
            Place::Verb(verb) if verb.has_subcommands() => Wanted::Words(verbs(verb).collect()),
            Place::Verb(verb) => match nth_positional(verb, self.plain) {
                Some(arg) => self.value(arg, "", cursor),
                None => Wanted::Words(self.offered(options)),
            },
            Place::Command(_) | Place::Nowhere => NOTHING,
        }
    }

    /// The options that may still be given.
    fn offered(&self, options: Options<'a>) -> Vec<Word> {
        let wanted = |arg: &&Arg| {
            let again = matches!(arg.get_action(), ArgAction::Count) || !self.used.contains(arg.get_id());
            again && !arg.is_hide_set()
        };
        let named = |arg: &Arg| {
            let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
            arg.get_long().map(|long| Word::new(format!("--{long}"), about))
        };
        let command = self.takes_command(options).then(dashes);
        options.all().filter(wanted).filter_map(named).chain(command).collect()
    }

    fn takes_command(&self, options: Options<'a>) -> bool {
        !matches!(self.place, Place::Nowhere) && options.verb.get_name() == "run"
    }

    fn value(&self, arg: &Arg, before: &str, typed: &str) -> Wanted {
        let verb = match self.place {
            Place::Verb(verb) => verb.get_name(),
            _ => "run",
        };
        match offers::of(verb, arg) {
            Offer::Fixed(words) => words_behind(before, words),
            Offer::Durations => words_behind(before, offers::durations(typed)),
            Offer::Files => Wanted::Files,
            Offer::Directories => Wanted::Directories,
            Offer::Groups => Wanted::Groups,
            Offer::Live(live) => Wanted::Live { live, before: before.to_owned() },
            Offer::Listed(live) => {
                // Behind the last comma a further id is begun.
                let begun = typed.rfind(',').map_or(0, |comma| comma + 1);
                Wanted::Live { live, before: format!("{before}{}", &typed[..begun]) }
            }
        }
    }
}

/// `--watch` may stand without its value.
fn is_optional(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|range| range.min_values() == 0)
}

fn dashes() -> Word {
    Word::new("--", "The command follows")
}

fn verbs(of: &Command) -> impl Iterator<Item = Word> {
    let shown = of.get_subcommands().filter(|verb| !verb.is_hide_set());
    shown
        .map(|verb| Word::new(verb.get_name(), verb.get_about().map(ToString::to_string).unwrap_or_default()))
}

/// The last one may take any number of words.
fn nth_positional(verb: &Command, at: usize) -> Option<&Arg> {
    let is_many = |arg: &&Arg| matches!(arg.get_action(), ArgAction::Append);
    verb.get_positionals().nth(at).or_else(|| verb.get_positionals().last().filter(is_many))
}

fn words_behind(before: &str, words: Vec<Word>) -> Wanted {
    let behind = |word: Word| Word { text: format!("{before}{}", word.text), ..word };
    Wanted::Words(words.into_iter().map(behind).collect())
}

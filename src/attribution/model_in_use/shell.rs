//! Command lines within the text of `sh -c`. Pure, and no shell: what it does not understand tells nothing.

use super::base;

const SHELLS: [&str; 6] = ["sh", "bash", "dash", "zsh", "ksh", "ash"];
/// Commands that no model is behind: they prepare, report, or take the output of the one that counts.
const BESIDE: [&str; 27] = [
    "cd",
    "export",
    "source",
    ".",
    "set",
    "ulimit",
    "umask",
    "unset",
    "trap",
    ":",
    "true",
    "echo",
    "printf",
    "date",
    "hostname",
    "nvidia-smi",
    "mkdir",
    "module",
    "conda",
    "mamba",
    "sleep",
    "wait",
    "tee",
    "cat",
    "ts",
    "grep",
    "exit",
];

/// The text that a shell among these words is told to run: `bash -lc TEXT`, also behind `sudo` or `timeout 5`.
pub(super) fn text_in<'a>(words: &[&'a str]) -> Option<&'a str> {
    let shell = words.iter().position(|word| SHELLS.contains(&base(word)))?;
    let mut rest = words[shell + 1..].iter().copied();
    while let Some(word) = rest.next() {
        if is_command_flag(word) {
            return rest.find(|word| *word != "--");
        }
        match word {
            "-o" | "+o" | "-O" | "+O" => drop(rest.next()),
            _ if word.starts_with(['-', '+']) => {}
            // A script.
            _ => return None,
        }
    }
    None
}

/// -c, or several in one like -lc.
fn is_command_flag(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|flags| !flags.starts_with('-') && flags.ends_with('c'))
}

/// The one command of the text that is not beside the point.
pub(super) fn the_command_in(text: &str) -> Option<Vec<String>> {
    let commands = commands_in(text)?;
    let mut counting = commands.into_iter().filter(|command| !is_beside(command));
    let only = counting.next()?;
    counting.next().is_none().then_some(only)
}

fn is_beside(command: &[String]) -> bool {
    let is_assignment = |word: &&String| word.split_once('=').is_some_and(|(name, _)| is_variable(name));
    let first = command.iter().find(|word| !is_assignment(word));
    first.is_none_or(|first| BESIDE.contains(&first.as_str()))
}

fn is_variable(name: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_of_name)
}

/// The simple commands, quotes undone. None where a quotation does not end.
fn commands_in(text: &str) -> Option<Vec<Vec<String>>> {
    let mut found = Commands::default();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' => found.quote(rest.by_ref(), '\'')?,
            '"' => found.quote(rest.by_ref(), '"')?,
            // A line that goes on, or a character that means itself.
            '\\' => match rest.next()? {
                '\n' => {}
                c => found.put(c),
            },
            '#' if found.word.is_none() => while rest.next_if(|c| *c != '\n').is_some() {},
            '&' if found.is_redirection() => found.put(c),
            '&' if rest.peek() == Some(&'>') => found.start_redirection(c),
            '>' | '<' => found.start_redirection(c),
            ';' | '&' | '|' | '\n' | '(' | ')' => found.end_command(),
            c if c.is_whitespace() => found.end_word(),
            c => found.put(c),
        }
    }
    found.end_command();
    Some(found.commands)
}

#[derive(Default)]
struct Commands {
    commands: Vec<Vec<String>>,
    command: Vec<String>,
    /// There also where it is empty: `''` is a word.
    word: Option<String>,
}

impl Commands {
    fn put(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    /// Takes what is quoted, its end included. A dollar stays, and is known by that as something not known.
    fn quote(&mut self, mut rest: impl Iterator<Item = char>, end: char) -> Option<()> {
        let word = self.word.get_or_insert_default();
        loop {
            match rest.next()? {
                c if c == end => return Some(()),
                '\\' if end == '"' => word.push(rest.next()?),
                c => word.push(c),
            }
        }
    }

    /// `2>&1` and the like: the ampersand does not end the command.
    fn is_redirection(&self) -> bool {
        self.word.as_ref().is_some_and(|word| word.ends_with(['>', '<']))
    }

    /// A word of its own, with the number of the descriptor in front.
    fn start_redirection(&mut self, c: char) {
        let belongs = |before: char| before.is_ascii_digit() || matches!(before, '>' | '<' | '&');
        if self.word.as_ref().is_some_and(|word| !word.chars().all(belongs)) {
            self.end_word();
        }
        self.put(c);
    }

    fn end_word(&mut self) {
        self.command.extend(self.word.take());
    }

    fn end_command(&mut self) {
        self.end_word();
        if !self.command.is_empty() {
            self.commands.push(std::mem::take(&mut self.command));
        }
    }
}

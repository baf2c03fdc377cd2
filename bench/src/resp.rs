//! As much of Redis's protocol as fills and reads a database.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::Result;

/// A connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

/// What a server answers. Errors become errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Nothing,
    Number(i64),
    Text(String),
    List(Vec<Answer>),
}

impl Answer {
    /// The texts in it.
    pub fn texts(self) -> Vec<String> {
        match self {
            Self::Text(text) => vec![text],
            Self::List(all) => all.into_iter().flat_map(Self::texts).collect(),
            Self::Nothing | Self::Number(_) => Vec::new(),
        }
    }
}

impl Client {
    pub fn connect(socket: &Path) -> Result<Self> {
        Ok(Self { stream: BufReader::new(UnixStream::connect(socket)?) })
    }

    pub fn is_ready(&mut self) -> bool {
        self.ask(&["PING"]).is_ok()
    }

    pub fn ask(&mut self, words: &[&str]) -> Result<Answer> {
        self.stream.get_ref().write_all(&encoded(words))?;
        self.answer()
    }

    /// Many commands at once, whose answers do not matter unless they are errors.
    pub fn tell_all(&mut self, commands: &[Vec<String>]) -> Result<()> {
        for some in commands.chunks(500) {
            let all: Vec<u8> = some
                .iter()
                .flat_map(|words| encoded(&words.iter().map(String::as_str).collect::<Vec<_>>()))
                .collect();
            self.stream.get_ref().write_all(&all)?;
            for _ in some {
                self.answer()?;
            }
        }
        Ok(())
    }

    fn answer(&mut self) -> Result<Answer> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let line = line.trim_end();
        let rest = line.get(1..).unwrap_or_default();
        match line.as_bytes().first() {
            Some(b'+') => Ok(Answer::Text(rest.to_owned())),
            Some(b':') => Ok(Answer::Number(rest.parse()?)),
            Some(b'$' | b'*') if rest == "-1" => Ok(Answer::Nothing),
            Some(b'$') => {
                let mut bytes = vec![0; rest.parse::<usize>()? + 2];
                self.stream.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                Ok(Answer::Text(String::from_utf8(bytes)?))
            }
            Some(b'*') => Ok(Answer::List((0..rest.parse()?).map(|_| self.answer()).collect::<Result<_>>()?)),
            _ => Err(format!("redis: {line}").into()),
        }
    }
}

fn encoded(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
    }
    bytes
}

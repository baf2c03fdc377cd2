//! Layers to the values in force. Pure: what the files hold is an argument.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::datum::{Datum, Held};
use super::environment;
use super::error::ConfigError;
use super::file::{self, Entry};
use super::settings::{SETTINGS, Scope, Setting};
use super::store::without_password;
use crate::cli::Globals;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag,
    /// The variable's name.
    Environment(String),
    /// Line counted from 1.
    File {
        path: PathBuf,
        line: usize,
    },
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("command line"),
            Self::Environment(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

/// A file's text and its path.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Layer {
    pub(super) fn origin(&self, offset: usize) -> Origin {
        let line = self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
        Origin::File { path: self.path.clone(), line }
    }
}

/// Everything that settings are read from.
#[derive(Debug)]
pub(crate) struct Layers<'a> {
    pub(crate) flags: &'a Globals,
    pub(crate) host: Option<&'a Layer>,
    pub(crate) environment: &'a [(String, OsString)],
    pub(crate) user: Option<&'a Layer>,
}

/// One value in force, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InForce {
    pub(crate) key: &'static str,
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// The winning value of each setting that has one.
#[derive(Debug)]
pub(super) struct Settings {
    chosen: BTreeMap<&'static str, Chosen>,
    pub(super) strays: Vec<String>,
}

#[derive(Debug)]
struct Chosen {
    datum: Datum,
    text: String,
    origin: Origin,
    rank: Rank,
}

/// Which layer a value came from, by what goes before what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Default,
    Third,
    Second,
    First,
    Flag,
}

#[derive(Clone, Copy)]
enum From {
    Host,
    Environment,
    User,
}

impl From {
    const fn rank(self, scope: Scope) -> Rank {
        match (scope, self) {
            (Scope::Host | Scope::HostAlone, Self::Host) | (Scope::User, Self::Environment) => Rank::First,
            (Scope::Host | Scope::HostAlone, Self::Environment) | (Scope::User, Self::User) => Rank::Second,
            (Scope::Host | Scope::HostAlone, Self::User) | (Scope::User, Self::Host) => Rank::Third,
        }
    }
}

impl Settings {
    pub(super) fn resolve(layers: &Layers<'_>) -> Result<Self, ConfigError> {
        let (variables, strays) = environment::read(layers.environment)?;
        let mut settings = Self { chosen: BTreeMap::new(), strays };
        settings.take_defaults()?;
        for entry in layers.host.map(file::read).transpose()?.unwrap_or_default() {
            settings.take(entry, From::Host)?;
        }
        for entry in variables {
            settings.take(entry, From::Environment)?;
        }
        for entry in layers.user.map(file::read).transpose()?.unwrap_or_default() {
            settings.take(entry, From::User)?;
        }
        settings.take_flags(layers.flags)?;
        Ok(settings)
    }

    /// The value in force of `key`.
    pub(super) fn get<T: Held>(&self, key: &str) -> Option<Value<T>> {
        debug_assert!(Setting::named(key).is_some(), "no setting {key}");
        let chosen = self.chosen.get(key)?;
        let value = T::held(&chosen.datum);
        debug_assert!(value.is_some(), "{key} does not hold that type");
        Some(Value { value: value?, origin: chosen.origin.clone() })
    }

    pub(super) fn rank(&self, key: &str) -> Option<Rank> {
        self.chosen.get(key).map(|chosen| chosen.rank)
    }

    pub(super) fn in_force(&self) -> Vec<InForce> {
        let shown = |setting: &Setting| {
            let chosen = self.chosen.get(setting.key)?;
            let value =
                if setting.key == "store" { without_password(&chosen.text) } else { chosen.text.clone() };
            Some(InForce { key: setting.key, value, origin: chosen.origin.clone() })
        };
        SETTINGS.iter().filter_map(shown).collect()
    }

    fn take(&mut self, entry: Entry, from: From) -> Result<(), ConfigError> {
        let Entry { setting, text, origin } = entry;
        if setting.scope == Scope::HostAlone && !matches!(from, From::Host) {
            let host = PathBuf::from(super::sources::HOST_FILE);
            return Err(ConfigError::NotYours { place: origin, key: setting.key.to_owned(), host });
        }
        self.offer(setting, text, origin, from.rank(setting.scope))
    }

    /// Reads the text whatever becomes of it: a mistake in a layer that is not in force is still one.
    fn offer(
        &mut self,
        setting: &Setting,
        text: String,
        origin: Origin,
        rank: Rank,
    ) -> Result<(), ConfigError> {
        let datum = setting.kind.read(&text).map_err(|why| ConfigError::Bad {
            place: origin.clone(),
            key: setting.key.to_owned(),
            why,
        })?;
        if self.rank(setting.key).is_none_or(|there| there < rank) {
            self.chosen.insert(setting.key, Chosen { datum, text, origin, rank });
        }
        Ok(())
    }

    fn take_defaults(&mut self) -> Result<(), ConfigError> {
        SETTINGS.iter().filter_map(|setting| setting.default.map(|text| (setting, text))).try_for_each(
            |(setting, text)| self.offer(setting, text.to_owned(), Origin::Default, Rank::Default),
        )
    }

    fn take_flags(&mut self, flags: &Globals) -> Result<(), ConfigError> {
        let given = [
            ("store", flags.store.clone()),
            ("memory_threshold", flags.memory_threshold.map(|amount| amount.0.to_string())),
            ("redis.host", flags.redis_host.clone()),
            ("redis.port", flags.redis_port.map(|port| port.to_string())),
            ("redis.db", flags.redis_db.map(|number| number.to_string())),
        ];
        for (key, text) in given {
            if let (Some(setting), Some(text)) = (Setting::named(key), text) {
                self.offer(setting, text, Origin::Flag, Rank::Flag)?;
            }
        }
        Ok(())
    }
}

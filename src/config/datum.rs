//! What kinds of value a setting may have, and how each is read from text. Pure.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;

use crate::cli::{GpuIds, OnLost, Orphans, StatusLayout, values};
use crate::model::device::Provider;
use crate::model::ids::{Megabytes, Uid};

/// How CUDA_VISIBLE_DEVICES names GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum CudaIds {
    /// As people type them. What vLLM, DeepSpeed and Ray understand.
    #[default]
    Index,
    /// As the driver names them.
    Uuid,
}

/// A person on this host, by name or number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Account {
    Name(String),
    Uid(Uid),
}

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Path,
    Flag,
    Count,
    Status,
    Port,
    Database,
    Megabytes,
    Span,
    Interval,
    Ids,
    Provider,
    Orphans,
    OnLost,
    Layout,
    CudaIds,
    Accounts,
}

macro_rules! data {
    ($($variant:ident($type:ty)),* $(,)?) => {
        /// A value, read.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(super) enum Datum {
            $($variant($type)),*
        }

        $(impl Held for $type {
            fn held(datum: &Datum) -> Option<Self> {
                match datum {
                    Datum::$variant(value) => Some(value.clone()),
                    _ => None,
                }
            }
        })*
    };
}

/// A type that some kind of setting holds.
pub(super) trait Held: Sized {
    fn held(datum: &Datum) -> Option<Self>;
}

data! {
    Text(String),
    Path(PathBuf),
    Flag(bool),
    Count(NonZeroU32),
    Status(u8),
    Port(u16),
    Database(u32),
    Megabytes(Megabytes),
    Span(Duration),
    Ids(GpuIds),
    Provider(Provider),
    Orphans(Orphans),
    OnLost(OnLost),
    Layout(StatusLayout),
    CudaIds(CudaIds),
    Accounts(Vec<Account>),
}

impl Kind {
    /// Reads a value of this kind; the error says what is allowed.
    pub(super) fn read(self, text: &str) -> Result<Datum, String> {
        match self {
            Self::Text => values::text(text).map(Datum::Text),
            Self::Path => path(text).map(Datum::Path),
            Self::Flag => flag(text).map(Datum::Flag),
            Self::Count => values::count(text).map(Datum::Count),
            Self::Status => values::status(text).map(Datum::Status),
            Self::Port => values::port(text).map(Datum::Port),
            Self::Database => values::database(text).map(Datum::Database),
            Self::Megabytes => values::megabytes(text).map(Datum::Megabytes),
            Self::Span => values::span(text).map(Datum::Span),
            Self::Interval => values::interval(text).map(Datum::Span),
            Self::Ids => values::gpu_ids(text).map(Datum::Ids),
            Self::Provider => values::provider(text).map(Datum::Provider),
            Self::Orphans => values::choice(text).map(Datum::Orphans),
            Self::OnLost => values::choice(text).map(Datum::OnLost),
            Self::Layout => values::choice(text).map(Datum::Layout),
            Self::CudaIds => values::choice(text).map(Datum::CudaIds),
            Self::Accounts => Ok(Datum::Accounts(accounts(text))),
        }
    }

    /// Whether a file may write it as a list.
    pub(super) const fn is_list(self) -> bool {
        matches!(self, Self::Ids | Self::Accounts)
    }
}

fn path(text: &str) -> Result<PathBuf, String> {
    if Path::new(text).is_absolute() {
        Ok(PathBuf::from(text))
    } else {
        Err(format!("'{text}' is not an absolute path"))
    }
}

fn flag(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("'{text}' is neither true nor false")),
    }
}

fn accounts(text: &str) -> Vec<Account> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            name.parse().map_or_else(|_| Account::Name(name.to_owned()), |uid| Account::Uid(Uid(uid)))
        })
        .collect()
}

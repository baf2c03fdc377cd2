//! What can go wrong with a store, told apart by what the reader can do about it.

use std::time::Duration;

/// Every store's failures. `store` is its URL without any password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("cannot reach the store {store}: {cause}")]
    Unreachable { store: String, cause: String },
    /// Wrong password, missing right, file mode.
    #[error("the store {store} refuses access: {cause}")]
    Denied { store: String, cause: String },
    /// Somebody had something more urgent to do than to wait for it.
    #[error("the store {store} had not answered yet")]
    Interrupted { store: String },
    #[error("the store {store} was busy for {}", humantime::format_duration(*.waited))]
    Busy { store: String, waited: Duration },
    #[error("record {key} of the store {store} is damaged: {why}")]
    Damaged { store: String, key: String, why: String },
    /// Disk full, out of memory, read-only replica.
    #[error("the store {store} cannot be written: {cause}")]
    NotWritable { store: String, cause: String },
    #[error("'{url}' does not name a store: {why}")]
    BadUrl { url: String, why: String },
    /// Not a place where a store would be safe.
    #[error("the store {store} cannot be kept there: {why}")]
    Unfit { store: String, why: String },
    #[error("the store {store} holds something else: {why}")]
    Foreign { store: String, why: String },
}

impl StoreError {
    /// The next step for whoever reads the error.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreachable { .. } => "start it, or name another store with --store".to_owned(),
            Self::Denied { .. } => "ask whoever runs it for access, or check user and password".to_owned(),
            Self::Interrupted { .. } => return None,
            Self::Busy { .. } => "try again; another client may be stopped while it writes".to_owned(),
            Self::Damaged { .. } => "'chg doctor' looks at the store; ask whoever runs it".to_owned(),
            Self::NotWritable { .. } => "make room, or ask whoever runs it".to_owned(),
            Self::BadUrl { .. } => {
                "for example sqlite:/directory, redis://host:6379/0 or redis+unix:///path.sock?db=0"
                    .to_owned()
            }
            Self::Unfit { .. } => {
                "name a directory on a disk of this machine with --store, or a Redis server".to_owned()
            }
            Self::Foreign { .. } => "name another store with --store".to_owned(),
        })
    }
}

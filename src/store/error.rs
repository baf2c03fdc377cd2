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
    #[error("the store {store} was busy for {}", humantime::format_duration(*.waited))]
    Busy { store: String, waited: Duration },
    #[error("record {key} of the store {store} is damaged: {why}")]
    Damaged { store: String, key: String, why: String },
    /// Disk full, out of memory, read-only replica.
    #[error("the store {store} cannot be written: {cause}")]
    NotWritable { store: String, cause: String },
    #[error("'{url}' does not name a store: {why}")]
    BadUrl { url: String, why: String },
    #[error("the store {store} holds something else: {why}")]
    Foreign { store: String, why: String },
}

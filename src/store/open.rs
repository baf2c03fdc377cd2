//! Opens the store that a URL names. Nothing is touched before the store's first use.

use std::path::PathBuf;
use std::time::Duration;

use super::redis::RedisStore;
use super::session::Session;
use super::sqlite::{Missing, SqliteStore};
use super::url::StoreUrl;
use super::{Store, StoreError};

/// How a store is used, beyond where it is.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// What Redis keys begin with.
    pub(crate) prefix: String,
    /// The file whose first line is Redis's password, instead of one in the URL.
    pub(crate) password_file: Option<PathBuf>,
    /// What to do about an embedded store that is not there.
    pub(crate) missing: Missing,
    /// How long a server may take to be reached.
    pub(crate) connect_timeout: Duration,
    /// How long a server may take to answer one request.
    pub(crate) answer_timeout: Duration,
    /// How long a transaction may wait for others. A lock that a killed Go client left behind lasts ten seconds.
    pub(crate) patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: "canhazgpu:".to_owned(),
            password_file: None,
            missing: Missing::Fail,
            connect_timeout: Duration::from_secs(2),
            answer_timeout: Duration::from_secs(5),
            patience: Duration::from_secs(12),
        }
    }
}

/// Opens the store at `url`. An embedded store is opened, and a server connected to, at the first use.
///
/// # Errors
/// The kernel gives no random number.
pub(crate) fn open(url: &StoreUrl, options: &Options) -> Result<Box<dyn Store>, StoreError> {
    let session = Session::new(url.to_string(), options.patience)?;
    match url {
        StoreUrl::Sqlite(directory) => Ok(Box::new(SqliteStore::new(directory, options.missing, session))),
        StoreUrl::Redis(redis) => Ok(Box::new(RedisStore::new(redis.clone(), options, session))),
    }
}

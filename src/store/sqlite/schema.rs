//! The tables of the embedded store, and how a connection to it is set up.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::fault;
use crate::store::StoreError;
use crate::store::interrupt::Interrupt;
use crate::store::session::{Session, jittered};

/// "chg" and the format; at byte 68 of the file, so that file(1) can tell.
const APPLICATION_ID: i32 = 0x6368_6701;
const VERSION: i32 = 1;
/// A first opener reads the whole log: kept short, opening stays quick.
const PAGES_BETWEEN_CHECKPOINTS: i32 = 64;

const TABLES: &str = "
    CREATE TABLE records (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE queue (id TEXT PRIMARY KEY, score INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE history (at INTEGER NOT NULL, id TEXT NOT NULL, value TEXT NOT NULL);
    CREATE INDEX history_at ON history (at);
    CREATE INDEX history_id ON history (id);
";

/// Makes the tables in the empty file `file` and closes it, with nothing left beside it.
pub(super) fn make(file: &Path, session: &Session) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| fault::explain(session, &error);
    let connection = open(file).map_err(failed)?;
    let pool = serde_json::json!({ "id": session.candidate }).to_string();
    let setup = || -> rusqlite::Result<()> {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.execute_batch("BEGIN")?;
        connection.execute_batch(TABLES)?;
        connection.execute("INSERT INTO records VALUES ('pool', ?)", [pool.as_bytes()])?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", VERSION)?;
        connection.execute_batch("COMMIT")
    };
    setup().map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    // No OPEN_CREATE: a file that vanished is not to be made again with another mode. No OPEN_URI: a '?' is a name.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    Connection::open_with_flags(file, flags)
}

/// Opens the database of a store: not trusting what others may have written into its schema.
pub(super) fn connect(file: &Path, deadline: Deadline, session: &Session) -> Result<Connection, StoreError> {
    let failed = |error: rusqlite::Error| fault::explain(session, &error);
    let mut connection = open(file).map_err(failed)?;
    let settle = |connection: &mut Connection| -> rusqlite::Result<(i32, i32)> {
        connection.busy_handler(Some(move |tries| deadline.pause(tries)))?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // The last one out would move the log into the database, which takes a sync: somebody is back soon.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "wal_autocheckpoint", PAGES_BETWEEN_CHECKPOINTS)?;
        let number = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        Ok((number("application_id")?, number("user_version")?))
    };
    match settle(&mut connection).map_err(failed)? {
        (APPLICATION_ID, VERSION) => Ok(connection),
        (APPLICATION_ID, version) => Err(session.foreign(format!("its format {version} is not known here"))),
        _ => Err(session.foreign(format!("{} is not a pool of canhazgpu", file.display()))),
    }
}

/// Until when SQLite may wait for others, shared with its busy handler.
#[derive(Debug, Clone, Default)]
pub(super) struct Deadline(Arc<Mutex<(Option<Instant>, Interrupt)>>);

impl Deadline {
    pub(super) fn set(&self, until: Instant) {
        self.lock().0 = Some(until);
    }

    /// Or until then, if that is earlier.
    pub(super) fn or(&self, interrupt: Interrupt) {
        self.lock().1 = interrupt;
    }

    fn lock(&self) -> MutexGuard<'_, (Option<Instant>, Interrupt)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits a moment; `false` when time is up. SQLite's own handler grows to 100 ms, which starves some of many; with
    /// no growth at all a crowd spends the machine on trying.
    fn pause(&self, tries: i32) -> bool {
        let (until, interrupt) = self.lock().clone();
        if until.is_none_or(|until| Instant::now() >= until) || interrupt.has_come() {
            return false;
        }
        let slower = 1 + (tries.unsigned_abs() / 4).min(3);
        std::thread::sleep(jittered(Duration::from_millis(1), Duration::from_millis(3)) * slower);
        true
    }
}

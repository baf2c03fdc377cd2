//! The embedded store: one SQLite database in a directory that its users share. Its clock is this machine's.

use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::StoreError;
use super::interrupt::Interrupt;
use super::records::{Changes, ended, load};
use super::session::{Session, system_time};
use super::transaction::{Backend, Commit, Granting, Purpose, View};
use crate::model::ids::{LeaseId, Timestamp, Uid};
use crate::model::reservation::Ended;

mod fault;
mod ground;
mod place;
mod rows;
mod schema;

use place::Place;
pub(crate) use place::{Access, Files, Missing, Rights, files};
use schema::Deadline;

/// A store in a directory. Opened at its first use, and again when the database was replaced.
#[derive(Debug)]
pub(super) struct SqliteStore {
    directory: PathBuf,
    missing: Missing,
    session: Session,
    deadline: Deadline,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    place: Place,
    connection: Connection,
}

impl SqliteStore {
    pub(super) fn new(directory: &Path, missing: Missing, session: Session) -> Self {
        let directory = directory.to_owned();
        Self { directory, missing, session, deadline: Deadline::default(), open: None }
    }

    /// The open database, after finding out that it is still the one that others use.
    fn ready(&mut self, until: Instant) -> Result<&mut Open, StoreError> {
        self.deadline.set(until);
        let current = self.open.take_if(|open| open.place.is_current());
        let open = match current {
            Some(open) => open,
            None => {
                self.close();
                let place = Place::find(&self.directory, self.missing, &self.session, until)?;
                let _identity = place.identity(&self.session)?;
                let connection = schema::connect(&place.file, self.deadline.clone(), &self.session)?;
                Open { place, connection }
            }
        };
        Ok(self.open.insert(open))
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            let _identity = open.place.identity(&self.session);
            drop(open.connection);
        }
    }

    /// Does `work` on the open database, as its owner if need be.
    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let Some(open) = &self.open else { return Err(self.session.unreachable("it is closed")) };
        let _identity = open.place.identity(&self.session)?;
        work(&open.connection).map_err(|error| fault::explain(&self.session, &error))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl Backend for SqliteStore {
    fn session(&self) -> &Session {
        &self.session
    }

    fn begin(
        &mut self,
        purpose: Purpose,
        named: Option<&LeaseId>,
        until: Instant,
    ) -> Result<View, StoreError> {
        self.ready(until)?;
        let read = self.with(|connection| {
            connection.execute_batch(match purpose {
                Purpose::Look => "BEGIN",
                Purpose::Change => "BEGIN IMMEDIATE",
            })?;
            let read = rows::read(connection, named);
            if read.is_err() {
                // The first error is the one to tell.
                let _ = connection.execute_batch("ROLLBACK");
            }
            read
        });
        let (raw, over) = read?;
        let now = system_time();
        let mut loaded = load(raw, &self.session.candidate, &mut self.session.accounts);
        loaded.pool.known_ended.extend(named.filter(|_| over).cloned());
        Ok(View { loaded, now, granting: Granting::Allowed })
    }

    fn commit(&mut self, changes: &Changes, now: Timestamp) -> Result<Commit, StoreError> {
        let written = self.with(|connection| {
            rows::write(connection, changes, now).and_then(|()| connection.execute_batch("COMMIT"))
        });
        if written.is_err() {
            self.abandon();
        }
        written.map(|()| Commit::Done)
    }

    fn abandon(&mut self) {
        // A failed rollback means that SQLite has rolled back by itself.
        let _ = self.with(|connection| match connection.is_autocommit() {
            true => Ok(()),
            false => connection.execute_batch("ROLLBACK"),
        });
    }

    fn seize(&mut self, _: Instant) -> Result<(), StoreError> {
        // Whoever has begun a change keeps everybody else from it.
        Ok(())
    }

    fn history(&mut self, range: Range<Timestamp>, each: &mut dyn FnMut(Ended)) -> Result<(), StoreError> {
        let until = Instant::now() + self.session.patience;
        self.ready(until)?;
        let mut after = (i64::MIN, i64::MIN);
        loop {
            let (lines, last) = self.with(|connection| rows::page(connection, after, &range))?;
            let Some(last) = last else { return Ok(()) };
            after = last;
            for line in lines {
                if let Some(ended) = ended::read(line.as_bytes(), &mut self.session.accounts) {
                    each(ended);
                }
            }
        }
    }

    /// Whoever the directory belongs to, as the filesystem says.
    fn owner(&mut self) -> Result<Option<Uid>, StoreError> {
        let until = Instant::now() + self.session.patience;
        Ok(Some(Uid(self.ready(until)?.place.keeper)))
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn interrupt(&mut self, interrupt: Interrupt) {
        self.deadline.or(interrupt.clone());
        self.session.interrupt = interrupt;
    }

    fn hurry(&mut self, limit: Duration) {
        self.session.patience = limit;
    }
}

//! Talking with the server: one connection, made when needed and made anew when it broke, and patience with a server
//! that asks for it.

use std::time::{Duration, Instant};

use redis::{Cmd, Value};

use super::fault::{self, Fault};
use super::link::Link;
use super::{RedisStore, commands};
use crate::store::StoreError;
use crate::store::session::jittered;
use crate::store::url::Secret;

impl RedisStore {
    /// One exchange; no error among the answers is tolerated.
    pub(super) fn ask(&mut self, commands: &[Cmd], key: &str) -> Result<Vec<Value>, Fault> {
        let answers = self.exchange(commands)?;
        for answer in &answers {
            if let Value::ServerError(error) = answer {
                return Err(fault::answered(&self.session, error, key));
            }
        }
        Ok(answers)
    }

    /// One exchange on the connection there is, or on a new one.
    pub(super) fn exchange(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, Fault> {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => self.connect()?,
        };
        match link.exchange(commands) {
            Ok(answers) => {
                self.link = Some(link);
                Ok(answers)
            }
            Err(failure) => Err(fault::failed(&self.session, &failure)),
        }
    }

    /// Connects, says who we are, and chooses the database.
    pub(super) fn connect(&self) -> Result<Link, Fault> {
        let connected = Link::connect(&self.url.server, self.limits, self.session.interrupt.clone());
        let mut link =
            connected.map_err(|error| Fault::Final(fault::not_connected(&self.session, &error)))?;
        let hello = commands::hello(&self.url, self.password()?.as_ref());
        let answers =
            link.exchange(&hello).map_err(|failure| match fault::failed(&self.session, &failure) {
                // A connection that breaks at once is not worth another.
                Fault::Broken(error) => Fault::Final(error),
                other => other,
            })?;
        for answer in answers {
            if let Value::ServerError(error) = answer {
                return Err(fault::answered(&self.session, &error, "the database"));
            }
        }
        Ok(link)
    }

    /// What to say who we are with.
    fn password(&self) -> Result<Option<Secret>, Fault> {
        let Some(file) = &self.password_file else { return Ok(self.url.password.clone()) };
        let text = std::fs::read_to_string(file).map_err(|error| {
            Fault::Final(self.session.denied(format!("password file {}: {error}", file.display())))
        })?;
        Ok(Some(Secret(text.lines().next().unwrap_or_default().to_owned())))
    }

    /// Repeats `attempt` while the server asks for patience, and once more on a fresh connection if the one there
    /// was had broken meanwhile.
    pub(super) fn patiently<T>(
        &mut self,
        until: Instant,
        mut attempt: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        let mut fresh = self.link.is_none();
        loop {
            match attempt(self) {
                Ok(done) => return Ok(done),
                Err(Fault::Broken(_)) if !fresh && !self.session.interrupt.has_come() => fresh = true,
                Err(Fault::Broken(error) | Fault::Final(error)) => {
                    self.link = None;
                    return Err(error);
                }
                Err(Fault::Wait) if Instant::now() >= until || self.session.interrupt.has_come() => {
                    return Err(self.session.busy(begun));
                }
                Err(Fault::Wait) => {
                    std::thread::sleep(jittered(Duration::from_millis(2), Duration::from_millis(6)));
                }
            }
        }
    }

    pub(super) fn last(&self, fault: Fault) -> StoreError {
        match fault {
            Fault::Broken(error) | Fault::Final(error) => error,
            Fault::Wait => self.session.busy(Instant::now()),
        }
    }
}

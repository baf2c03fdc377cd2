//! What Redis's errors mean for the reader, and which are worth another try.

use std::io;

use redis::{ErrorKind, ServerError};

use super::link::Failure;
use crate::store::StoreError;
use crate::store::session::Session;

/// Why an exchange failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The connection is of no more use; another may be.
    Broken(StoreError),
    /// The server asks for patience.
    Wait,
    Final(StoreError),
}

/// The server answered with an error. `key` is what was asked about.
pub(super) fn answered(session: &Session, error: &ServerError, key: &str) -> Fault {
    let says = match error.details() {
        Some(details) => format!("{} {details}", error.code()),
        None => error.code().to_owned(),
    };
    Fault::Final(match error.code() {
        "LOADING" | "BUSY" | "TRYAGAIN" | "MASTERDOWN" => return Fault::Wait,
        "ERR" if says.contains("max number of clients") => return Fault::Wait,
        "NOAUTH" | "WRONGPASS" | "NOPERM" | "DENIED" => session.denied(says),
        // EXEC itself is not allowed.
        "EXECABORT" if says.contains("NOPERM") => session.denied(says),
        "ERR" if says.contains("AUTH") || says.contains("password") => session.denied(says),
        "OOM" | "READONLY" | "MISCONF" | "NOREPLICAS" => session.not_writable(says),
        "WRONGTYPE" => StoreError::Damaged { store: session.store.clone(), key: key.to_owned(), why: says },
        "MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN" => {
            session.foreign("it is a Redis cluster, which is not supported")
        }
        _ => session.foreign(format!("it answered {says}")),
    })
}

/// The exchange itself failed.
pub(super) fn failed(session: &Session, failure: &Failure) -> Fault {
    let error = match failure {
        Failure::Refused(error) => return answered(session, error, "the pool"),
        Failure::Broken(error) => error,
    };
    if error.kind() == ErrorKind::Parse {
        return Fault::Final(session.foreign("it does not speak Redis's protocol"));
    }
    let cause = if error.is_timeout() { "no answer in time".to_owned() } else { error.to_string() };
    Fault::Broken(session.unreachable(cause))
}

/// No connection came about.
pub(super) fn not_connected(session: &Session, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => session.denied(error),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => session.unreachable("no answer in time"),
        _ => session.unreachable(error),
    }
}

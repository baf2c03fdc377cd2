//! What SQLite's errors mean for the reader.

use rusqlite::ErrorCode;

use crate::store::StoreError;
use crate::store::session::Session;

pub(super) fn explain(session: &Session, error: &rusqlite::Error) -> StoreError {
    let store = session.store.clone();
    let cause = error.to_string();
    let Some(code) = error.sqlite_error_code() else {
        return StoreError::Damaged { store, key: "pool.db".to_owned(), why: cause };
    };
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            StoreError::Busy { store, waited: session.patience }
        }
        ErrorCode::PermissionDenied | ErrorCode::CannotOpen | ErrorCode::AuthorizationForStatementDenied => {
            StoreError::Denied { store, cause }
        }
        ErrorCode::DiskFull => StoreError::NotWritable { store, cause: "the disk is full".to_owned() },
        ErrorCode::ReadOnly | ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory => {
            StoreError::NotWritable { store, cause }
        }
        ErrorCode::NotADatabase => StoreError::Foreign { store, why: "it is not a database".to_owned() },
        _ => StoreError::Damaged { store, key: "pool.db".to_owned(), why: cause },
    }
}

//! What SQLite reports, as OnSync's errors.

use onsync_core::Error;
use rusqlite::ErrorCode;
use std::path::Path;

/// Turns SQLite's errors into OnSync's, saying what was being done.
pub(crate) trait Doing<T> {
    /// `doing` completes the sentence "while …".
    fn doing(self, doing: &str) -> onsync_core::Result<T>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, doing: &str) -> onsync_core::Result<T> {
        self.map_err(|error| from_sqlite(error, doing))
    }
}

pub(crate) fn from_sqlite(error: rusqlite::Error, doing: &str) -> Error {
    let text = match &error {
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        other => other.to_string(),
    };
    let Some(code) = error.sqlite_error_code() else {
        return failed(doing, &text).with_source(error);
    };
    match code {
        ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch => Error::rejected(
            "constraint_violated",
            format!("the server's database refused it: {text}; change the record and save it again"),
        ),
        ErrorCode::TooBig => Error::rejected(
            "value_too_big",
            format!("the server's database refused it while {doing}: a value is larger than SQLite takes"),
        ),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::transient(
            "store_busy",
            format!(
                "another program held the database's write lock while {doing}; it is tried again; if this stays, keep \
                 transactions short or raise `busy_timeout_ms`"
            ),
        )
        .with_source(error),
        ErrorCode::DiskFull => Error::transient(
            "disk_full",
            format!("the disk with the database is full, found while {doing}; free space, nothing was stored"),
        )
        .with_source(error),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Error::corrupt(
            "store_corrupt",
            format!(
                "wanted a SQLite database, found a file that cannot be read as one while {doing} ({text}); restore it \
                 from a backup, or correct `path`"
            ),
        )
        .with_source(error),
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly => Error::fatal(
            "store_unavailable",
            format!(
                "the database cannot be opened for writing, found while {doing} ({text}); check the path and the rights \
                 on the file and its folder"
            ),
        )
        .with_source(error),
        ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted => {
            Error::transient("store_failed", format!("SQLite failed while {doing}: {text}")).with_source(error)
        }
        _ => failed(doing, &text).with_source(error),
    }
}

fn failed(doing: &str, text: &str) -> Error {
    Error::fatal("store_failed", format!("SQLite failed while {doing}: {text}"))
}

/// The database file is not there.
pub(crate) fn missing(path: &Path) -> Error {
    Error::fatal(
        "store_unavailable",
        format!(
            "wanted an existing SQLite database at {}, found no file; correct `path`, or create the database with your \
             application first",
            path.display()
        ),
    )
}

/// A request names an entity that was not attached.
pub(crate) fn not_attached(entity: &str) -> Error {
    Error::fatal(
        "not_attached",
        format!(
            "entity `{entity}` was not attached to this database; call `attach` with a schema that holds it"
        ),
    )
}

/// A record to write is not there.
pub(crate) fn record_missing(entity: &str) -> Error {
    Error::rejected(
        "record_missing",
        format!("wanted an existing record of `{entity}` to write, found none with that key; fetch again"),
    )
}

/// A rolled back transaction must not be written to.
pub(crate) fn transaction_lost() -> Error {
    Error::transient(
        "transaction_lost",
        "SQLite rolled the transaction back (a trigger with RAISE(ROLLBACK), a full disk); nothing of it was stored; begin again",
    )
}

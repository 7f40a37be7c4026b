//! SQLite's errors as OnSync's: what kind they are, and what to do about them.

use onsync_core::{Error, Result};
use rusqlite::ErrorCode;

/// Extended result codes that are told apart.
const CONSTRAINT_NOT_NULL: i32 = 1299;
const CONSTRAINT_PRIMARY_KEY: i32 = 1555;
const CONSTRAINT_TRIGGER: i32 = 1811;
const CONSTRAINT_ROW_ID: i32 = 2579;

/// What the store's triggers put in front of the message when they refuse a statement.
pub(crate) const KEY_CHANGE: &str = "key_change_refused";
/// See [`KEY_CHANGE`].
pub(crate) const READ_ONLY: &str = "read_only_entity";
/// See [`KEY_CHANGE`].
pub(crate) const INVALID_KEY: &str = "invalid_key";

/// Turns a result of SQLite into one of OnSync.
pub(crate) trait SqlResult<T> {
    /// Says what was being done.
    fn doing(self, what: &str) -> Result<T>;
}

impl<T> SqlResult<T> for rusqlite::Result<T> {
    fn doing(self, what: &str) -> Result<T> {
        self.map_err(|error| explain(error, what))
    }
}

impl<T> SqlResult<T> for std::io::Result<T> {
    fn doing(self, what: &str) -> Result<T> {
        self.map_err(|error| {
            unavailable(format!(
                "{what}: {error}; check that the folder exists and may be written"
            ))
            .with_source(error)
        })
    }
}

/// `store_unavailable`.
pub(crate) fn unavailable(message: impl Into<String>) -> Error {
    Error::fatal("store_unavailable", message)
}

/// `store_schema`.
pub(crate) fn schema(message: impl Into<String>) -> Error {
    Error::unsupported("store_schema", message)
}

/// `invalid_key`.
pub(crate) fn invalid_key(entity: &str, message: impl Into<String>) -> Error {
    Error::rejected(INVALID_KEY, message).at(entity)
}

/// `read_only_entity`.
pub(crate) fn read_only(entity: &str) -> Error {
    Error::rejected(READ_ONLY, read_only_text(entity)).at(entity)
}

/// What the refusal of a write to a read-only entity says, here and in triggers.
pub(crate) fn read_only_text(entity: &str) -> String {
    format!(
        "records of `{entity}` come from the server and cannot be written here; choose a read-write pattern, or `local_edits = \"keep\"`"
    )
}

fn explain(error: rusqlite::Error, what: &str) -> Error {
    let explained = match &error {
        rusqlite::Error::SqliteFailure(failure, message) => {
            let message = message.as_deref().unwrap_or("no details");
            failure_of(failure, message, what)
        }
        rusqlite::Error::SqlInputError { msg, .. } if msg.starts_with("no such table") => Error::rejected(
            "unknown_entity",
            format!(
                "{what}: the store was opened without this entity ({msg}); open it with the schema in use"
            ),
        ),
        rusqlite::Error::SqlInputError { msg, .. } => schema(format!(
            "{what}: the database does not fit the schema ({msg}); open the store again, which adds what is missing"
        )),
        _ => Error::fatal("store_failed", format!("{what}: {error}")),
    };
    explained.with_source(error)
}

fn failure_of(failure: &rusqlite::ffi::Error, message: &str, what: &str) -> Error {
    match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::transient(
            "store_busy",
            format!(
                "{what}: another program holds the database; it is tried again, or end that program's transaction"
            ),
        ),
        ErrorCode::DiskFull => Error::fatal(
            "disk_full",
            format!(
                "{what}: the disk or the configured limit is full; nothing was stored, free some space and do it again"
            ),
        ),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Error::corrupt(
            "store_corrupt",
            format!(
                "{what}: the store file cannot be read ({message}); open the store again, which sets it aside"
            ),
        ),
        ErrorCode::ConstraintViolation => constraint(failure.extended_code, message, what),
        ErrorCode::TypeMismatch => Error::rejected(
            "invalid_value",
            format!("{what}: a key that must be an integer is none"),
        ),
        ErrorCode::TooBig => Error::rejected(
            "invalid_value",
            format!("{what}: a value is larger than SQLite can hold; store it in parts"),
        ),
        ErrorCode::CannotOpen
        | ErrorCode::SystemIoFailure
        | ErrorCode::PermissionDenied
        | ErrorCode::ReadOnly => unavailable(format!(
            "{what}: the store file cannot be used ({message}); check that it and its folder may be written"
        )),
        _ => Error::fatal("store_failed", format!("{what}: {message}")),
    }
}

fn constraint(extended_code: i32, message: &str, what: &str) -> Error {
    match extended_code {
        CONSTRAINT_PRIMARY_KEY | CONSTRAINT_ROW_ID => Error::rejected(
            "record_exists",
            format!("{what}: there is a record with this key already; update it, or choose another key"),
        ),
        CONSTRAINT_NOT_NULL => Error::rejected(
            INVALID_KEY,
            format!("{what}: a key attribute is null ({message})"),
        ),
        CONSTRAINT_TRIGGER => {
            for code in [KEY_CHANGE, READ_ONLY, INVALID_KEY] {
                if let Some(text) = message
                    .strip_prefix(code)
                    .and_then(|rest| rest.strip_prefix(": "))
                {
                    return Error::rejected(code, text);
                }
            }
            Error::rejected(
                "constraint_failed",
                format!("{what}: a trigger of the app refused it ({message})"),
            )
        }
        _ => Error::rejected(
            "constraint_failed",
            format!(
                "{what}: {message}; synced tables have no constraints of their own, so drop the index or trigger the app added"
            ),
        ),
    }
}

/// Whether only dropping is left to a transaction after this error.
pub(crate) fn ends_transaction(error: &Error) -> bool {
    matches!(
        error.code(),
        "disk_full" | "store_unavailable" | "store_corrupt" | "store_failed"
    )
}

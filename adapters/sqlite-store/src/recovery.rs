//! Files that cannot be read: noticed, set aside, and what is left of their outbox saved.

use crate::error::{SqlResult as _, unavailable};
use crate::lock::beside;
use onsync_core::{Error, Result};
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The area that holds the mutations not yet settled.
const OUTBOX: &str = "outbox";

/// Whether the last process that used the store did not close it.
pub(crate) fn was_unclean(store: &Path) -> bool {
    std::fs::metadata(beside(store, "-wal")).is_ok_and(|log| log.len() > 0)
}

/// Whether there is a file, and nothing in it: nobody makes one on purpose, and a disk that failed may leave one.
pub(crate) fn is_empty_file(store: &Path) -> bool {
    std::fs::metadata(store).is_ok_and(|file| file.is_file() && file.len() == 0) && !was_unclean(store)
}

/// Refuses a file that was cut off: its header says how long it must be.
pub(crate) fn check_length(store: &Path) -> Result<()> {
    let Ok(mut file) = File::open(store) else {
        return Ok(());
    };
    let found = file.metadata().doing("reading the store file's length")?.len();
    let mut header = [0; 100];
    if file.read_exact(&mut header).is_err() || !header.starts_with(b"SQLite format 3\0") {
        return Ok(());
    }
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let wanted = u64::from(number(28)) * page;
    if number(24) == number(92) && found < wanted {
        return Err(Error::corrupt(
            "store_corrupt",
            format!("wanted a store file of {wanted} bytes, found {found}; it was cut off"),
        ));
    }
    Ok(())
}

/// Looks through the whole file.
pub(crate) fn check_content(connection: &Connection) -> Result<()> {
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .doing("checking the store file")?;
    if found == "ok" {
        Ok(())
    } else {
        Err(Error::corrupt(
            "store_corrupt",
            format!("the store file is damaged: {found}"),
        ))
    }
}

/// Renames the file and what belongs to it; says where it is now.
pub(crate) fn set_aside(store: &Path) -> Result<PathBuf> {
    for number in 1..10_000 {
        let target = beside(store, &format!(".unreadable-{number}"));
        if target.exists() {
            continue;
        }
        std::fs::rename(store, &target).doing("setting the unreadable store file aside")?;
        for suffix in ["-wal", "-shm"] {
            let part = beside(store, suffix);
            if part.exists() {
                std::fs::rename(&part, beside(&target, suffix))
                    .doing("setting the unreadable store file's log aside")?;
            }
        }
        return Ok(target);
    }
    Err(unavailable(format!(
        "there are too many unreadable files beside {}; remove some",
        store.display()
    )))
}

/// The entries of the outbox that can still be read from a damaged file.
pub(crate) fn readable_outbox(damaged: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut saved = std::collections::BTreeMap::new();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Ok(connection) = Connection::open_with_flags(damaged, flags) else {
        return Vec::new();
    };
    // Without this SQLite reads nothing at all from a file that is shorter than its header says.
    if connection.pragma_update(None, "writable_schema", true).is_err() {
        return Vec::new();
    }
    // From both ends, since reading stops at the first page that is damaged.
    for order in ["ASC", "DESC"] {
        let sql = format!("SELECT key, value FROM _onsync_area WHERE area = ?1 ORDER BY key {order}");
        let Ok(mut statement) = connection.prepare(&sql) else {
            continue;
        };
        let Ok(mut rows) = statement.query([OUTBOX]) else {
            continue;
        };
        while let Ok(Some(row)) = rows.next() {
            if let (Ok(key), Ok(value)) = (row.get(0), row.get(1)) {
                saved.insert(key, value);
            }
        }
    }
    saved.into_iter().collect()
}

/// Stores rescued entries in the new store.
pub(crate) fn restore_outbox(connection: &Connection, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
    let doing = "saving the readable part of the outbox";
    let transaction = connection.unchecked_transaction().doing(doing)?;
    for (key, value) in entries {
        transaction
            .execute(
                "INSERT OR REPLACE INTO _onsync_area (area, key, value) VALUES (?1, ?2, ?3)",
                rusqlite::params![OUTBOX, key, value],
            )
            .doing(doing)?;
    }
    transaction.commit().doing(doing)
}

//! Locks that the operating system frees when their process dies: who syncs, and who has the store open.

use crate::error::SqlResult as _;
use onsync_core::store::local::SyncLock;
use onsync_core::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// A path with something put behind its last part.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .doing(&format!("opening the lock file {}", path.display()))
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    crate::error::unavailable(format!("locking {}: {error}; use a local disk", path.display()))
        .with_source(error)
}

/// The right to sync, until dropped.
pub(crate) struct FileLock {
    _file: File,
}

impl SyncLock for FileLock {}

impl FileLock {
    /// The right to sync the store at this path, if nobody has it.
    pub(crate) fn sync(store: &Path) -> Result<Option<Self>> {
        let path = beside(store, ".lock");
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(&path, error)),
        }
    }
}

/// Says that this process has the store open, until dropped.
pub(crate) struct Presence {
    file: File,
    path: PathBuf,
}

impl Presence {
    /// Announces this process; says whether it is the only one. While it is, nobody else gets in until [`Self::share`].
    pub(crate) fn announce(store: &Path) -> Result<(Self, bool)> {
        let path = beside(store, ".open");
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok((Self { file, path }, true)),
            Err(TryLockError::WouldBlock) => {
                let presence = Self { file, path };
                presence.share()?;
                Ok((presence, false))
            }
            Err(TryLockError::Error(error)) => Err(failed(&path, error)),
        }
    }

    /// Lets others in.
    pub(crate) fn share(&self) -> Result<()> {
        self.file.lock_shared().map_err(|error| failed(&self.path, error))
    }
}

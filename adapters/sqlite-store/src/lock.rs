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
    file: File,
}

impl SyncLock for FileLock {}

impl Drop for FileLock {
    /// Closing the file would not do: a process that this one is just starting has a copy of it until it has begun.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

impl FileLock {
    /// The right to sync the store at this path, if nobody has it.
    pub(crate) fn sync(store: &Path) -> Result<Option<Self>> {
        let path = beside(store, ".lock");
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file })),
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

impl Drop for Presence {
    /// As for [`FileLock`].
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that is being started has copies of all open files until its own program begins.
    #[test]
    fn a_lock_ends_with_its_owner_whoever_has_a_copy_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.sqlite");
        let lock = FileLock::sync(&store).unwrap().unwrap();
        let _copy = lock.file.try_clone().unwrap();
        assert!(FileLock::sync(&store).unwrap().is_none());
        drop(lock);
        assert!(FileLock::sync(&store).unwrap().is_some());
        let (presence, alone) = Presence::announce(&store).unwrap();
        let _copy = presence.file.try_clone().unwrap();
        assert!(alone);
        drop(presence);
        assert!(Presence::announce(&store).unwrap().1);
    }
}

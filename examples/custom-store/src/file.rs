//! The file: a whole state, replaced by renaming; and the locks beside it.

use crate::state::State;
use onsync_core::store::local::SyncLock;
use onsync_core::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How the file begins; the number of its commit follows in eight bytes.
const MAGIC: &[u8; 8] = b"snapsho1";
/// How long a writer waits for another process, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

/// A path with something behind its last part.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

pub(crate) fn unavailable(doing: &str, path: &Path, error: impl std::fmt::Display) -> Error {
    let what = format!(
        "{doing} {}: {error}; check that the folder exists and may be written",
        path.display()
    );
    Error::fatal("store_unavailable", what)
}

fn not_written(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::fatal(
            "disk_full",
            format!("writing {}: {error}; free space and do it again", path.display()),
        ),
        _ => unavailable("writing", path, error),
    }
}

/// The state in the file: the known one if it is still that, an empty one without a file, none if this is no database.
pub(crate) fn read(path: &Path, known: &Arc<State>) -> Result<Option<Arc<State>>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some(Arc::default())),
        Err(error) => return Err(unavailable("opening", path, error)),
    };
    let mut head = [0; 16];
    match file.read_exact(&mut head) {
        Ok(()) if head.starts_with(MAGIC) => {}
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
            return Err(unavailable("reading", path, error));
        }
        _ => return Ok(None),
    }
    if head.ends_with(&known.commits.to_be_bytes()) {
        return Ok(Some(known.clone()));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(|error| unavailable("reading", path, error))?;
    Ok(rmp_serde::from_slice(&bytes).ok().map(Arc::new))
}

/// Writes the coming state beside the file, down to the disk: a rename must never put a half-written file in place.
pub(crate) fn prepare(path: &Path, state: &State) -> Result<()> {
    let coming = beside(path, ".new");
    let body = rmp_serde::to_vec_named(state).map_err(|error| unavailable("encoding", path, error))?;
    let write = || {
        let mut file = File::create(&coming)?;
        file.write_all(MAGIC)?;
        file.write_all(&state.commits.to_be_bytes())?;
        file.write_all(&body)?;
        file.sync_all()
    };
    write().map_err(|error| not_written(&coming, &error))
}

/// Puts the prepared state in place, in one step.
pub(crate) fn publish(path: &Path) -> Result<()> {
    std::fs::rename(beside(path, ".new"), path).map_err(|error| not_written(path, &error))
}

/// Waits until the rename is on disk too.
pub(crate) fn settle(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // Where folders cannot be opened (Windows), renames need no such step.
    match File::open(folder.unwrap_or(Path::new("."))) {
        Ok(folder) => folder.sync_all().map_err(|error| not_written(path, &error)),
        Err(_) => Ok(()),
    }
}

/// Puts a file that is no database aside and says where.
pub(crate) fn set_aside(path: &Path) -> Result<String> {
    let mut number = 1;
    let aside = loop {
        let aside = beside(path, &format!(".damaged-{number}"));
        if !aside.exists() {
            break aside;
        }
        number += 1;
    };
    std::fs::rename(path, &aside).map_err(|error| unavailable("setting aside", path, error))?;
    Ok(aside.display().to_string())
}

/// A lock over all processes, which the operating system frees when its process dies.
pub(crate) struct FileLock(File);

impl SyncLock for FileLock {}

impl Drop for FileLock {
    /// Closing would not do while a process that this one starts has a copy of the handle.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl FileLock {
    /// The lock, if nobody has it.
    pub(crate) fn try_at(path: &Path) -> Result<Option<Self>> {
        let open = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path);
        let file = open.map_err(|error| unavailable("opening", path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(unavailable("locking", path, error)),
        }
    }

    /// The lock, once others let it go. The waiting is a thread's, so that no executor is needed and none is held up.
    pub(crate) async fn wait(path: &Path) -> Result<Self> {
        if let Some(lock) = Self::try_at(path)? {
            return Ok(lock);
        }
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (until, watched) = (Instant::now() + PATIENCE, path.to_owned());
        let look = move || {
            let found = loop {
                match Self::try_at(&watched) {
                    Ok(None) if Instant::now() < until && !sender.is_closed() => std::thread::sleep(PAUSE),
                    found => break found,
                }
            };
            // Nobody waits any more: the lock goes back with the value.
            let _ = sender.send(found);
        };
        std::thread::Builder::new()
            .spawn(look)
            .map_err(|error| unavailable("waiting for", path, error))?;
        let found = receiver
            .await
            .map_err(|error| unavailable("waiting for", path, error))?;
        found?.ok_or_else(|| {
            Error::transient(
                "store_busy",
                format!(
                    "another process writes to {} for too long; end its transaction",
                    path.display()
                ),
            )
        })
    }
}

//! Exit codes: what a script may rely on.

use onsync_core::{Error, ErrorKind};
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Unreachable = 3,
    Unauthorised = 4,
    Unresolved = 5,
}

/// The table of the help and of the reference page.
pub(crate) const TABLE: &str = "\
Exit codes:
  0  done
  1  failed; the message says what was wanted, what was found and what to do
  2  the command line or the configuration is wrong; nothing was done
  3  the server cannot be reached, or does not answer as an OnSync server now; nothing is lost, try again later
  4  the server refused the credentials
  5  done, but changes of this sync (`status`: of any) were rejected, met a conflict that is open or wait behind one that did: see `onsync status`";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command's failure: the error, and how the process ends for it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: Error,
}

impl Failure {
    /// A mistake in the command line or the configuration.
    pub(crate) fn usage(error: Error) -> Self {
        Self {
            exit: Exit::Usage,
            error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            exit: of(error.kind(), error.code()),
            error,
        }
    }
}

/// The exit code for an error's kind and code.
pub(crate) fn of(kind: ErrorKind, code: &str) -> Exit {
    match kind {
        ErrorKind::Offline => Exit::Unreachable,
        ErrorKind::Transient if code.starts_with("store_") || code == "disk_full" => Exit::Failed,
        ErrorKind::Transient => Exit::Unreachable,
        ErrorKind::Unauthorised => Exit::Unauthorised,
        ErrorKind::ConflictsPending => Exit::Unresolved,
        ErrorKind::Unsupported if code.starts_with("config_") => Exit::Usage,
        _ if code == "not_onsync" => Exit::Unreachable,
        _ => Exit::Failed,
    }
}

/// What a command gives.
pub(crate) type Outcome = std::result::Result<Exit, Failure>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_table() {
        for exit in [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::Unreachable,
            Exit::Unauthorised,
            Exit::Unresolved,
        ] {
            assert!(TABLE.contains(&format!("\n  {}  ", exit as u8)));
        }
    }

    #[test]
    fn kinds_end_as_documented() {
        assert_eq!(of(ErrorKind::Offline, "unreachable"), Exit::Unreachable);
        assert_eq!(of(ErrorKind::Transient, "time_out"), Exit::Unreachable);
        assert_eq!(of(ErrorKind::Transient, "store_busy"), Exit::Failed);
        assert_eq!(of(ErrorKind::Unauthorised, "unauthorised"), Exit::Unauthorised);
        assert_eq!(of(ErrorKind::Unsupported, "config_unknown_key"), Exit::Usage);
        assert_eq!(of(ErrorKind::Corrupt, "store_corrupt"), Exit::Failed);
    }
}

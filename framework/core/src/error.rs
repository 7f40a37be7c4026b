//! The one error type of OnSync.
//!
//! [`Error::kind`] says what the engine does next, [`Error::code`] names the case for programs and for
//! the reference table in the docs, [`Error::at`] says where, and the message says what was wanted,
//! what was found and what to do.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// `Result` with OnSync's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the engine does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no network, or the server cannot be reached: the run waits.
    Offline,
    /// It may pass by itself: the run is tried again after a back-off.
    Transient,
    /// The credentials were refused: syncing pauses until there are new ones.
    Unauthorised,
    /// Open conflicts stop this entity family until they are resolved.
    ConflictsPending,
    /// This build, configuration or server cannot do what was asked.
    Unsupported,
    /// One piece of input was refused; the rest can go on.
    Rejected,
    /// Stored or received data cannot be read as what it should be.
    Corrupt,
    /// Somebody else holds what is needed: another process syncs, or a newer fence exists.
    Busy,
    /// Nothing that the framework could do by itself will help.
    Fatal,
}

impl ErrorKind {
    /// Whether trying the same again later can succeed without anybody's help.
    pub fn may_pass(self) -> bool {
        matches!(self, Self::Offline | Self::Transient | Self::Busy)
    }

    /// The kind's name in logs and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Transient => "transient",
            Self::Unauthorised => "unauthorised",
            Self::ConflictsPending => "conflicts_pending",
            Self::Unsupported => "unsupported",
            Self::Rejected => "rejected",
            Self::Corrupt => "corrupt",
            Self::Busy => "busy",
            Self::Fatal => "fatal",
        }
    }

    /// The kind with that name; unknown names are [`ErrorKind::Fatal`].
    pub fn from_name(name: &str) -> Self {
        [
            Self::Offline,
            Self::Transient,
            Self::Unauthorised,
            Self::ConflictsPending,
            Self::Unsupported,
            Self::Rejected,
            Self::Corrupt,
            Self::Busy,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == name)
        .unwrap_or(Self::Fatal)
    }
}

type Source = Arc<dyn std::error::Error + Send + Sync + 'static>;

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    code: Cow<'static, str>,
    message: String,
    at: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Source>,
}

/// An error: a kind, a stable code, a place, a message and, where there is one, the cause.
///
/// A program whose `main` returns one prints it as a sentence with its code.
#[derive(Clone)]
pub struct Error(Box<Inner>);

impl Error {
    /// A new error. `code` is one of the stable snake_case codes listed in the reference.
    pub fn new(kind: ErrorKind, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            code: code.into(),
            message: message.into(),
            at: None,
            retry_after: None,
            source: None,
        }))
    }

    /// Shorthand for [`ErrorKind::Offline`].
    pub fn offline(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Offline, code, message)
    }

    /// Shorthand for [`ErrorKind::Transient`].
    pub fn transient(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Transient, code, message)
    }

    /// Shorthand for [`ErrorKind::Unsupported`].
    pub fn unsupported(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, code, message)
    }

    /// Shorthand for [`ErrorKind::Rejected`].
    pub fn rejected(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Rejected, code, message)
    }

    /// Shorthand for [`ErrorKind::Corrupt`].
    pub fn corrupt(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, code, message)
    }

    /// Shorthand for [`ErrorKind::Busy`].
    pub fn busy(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Busy, code, message)
    }

    /// Shorthand for [`ErrorKind::Fatal`].
    pub fn fatal(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Fatal, code, message)
    }

    /// Says where: a file and key path, an entity and attribute, an operation.
    /// Called again further out, the outer place is put in front.
    #[must_use]
    pub fn at(mut self, at: impl Into<String>) -> Self {
        let outer = at.into();
        self.0.at = Some(match self.0.at.take() {
            Some(inner) => format!("{outer}: {inner}"),
            None => outer,
        });
        self
    }

    /// Names the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// How long the other side asked to be left alone (`Retry-After`).
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// What the engine does next.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The sentence, without place and cause.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where it happened, if known.
    pub fn place(&self) -> Option<&str> {
        self.0.at.as_deref()
    }

    /// How long the other side asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.0.at {
            write!(f, "{at}: ")?;
        }
        f.write_str(&self.0.message)?;
        if let Some(source) = &self.0.source {
            let cause = source.to_string();
            if !self.0.message.contains(&cause) {
                write!(f, " ({cause})")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} [{}]", self.code())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|source| source.as_ref() as &(dyn std::error::Error + 'static))
    }
}

/// Lists names for an error message: "`a`, `b`, `c`", or "none".
pub fn list_names<I>(names: I) -> String
where
    I: IntoIterator,
    I::Item: fmt::Display,
{
    let list = names
        .into_iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if list.is_empty() { "none".to_owned() } else { list }
}

//! The two authenticators that come with the server: nobody asked, and a fixed list of tokens.

use onsync_core::error::{Error, ErrorKind, Result};
use onsync_core::policy::{Authenticator, Principal};
use onsync_core::portable_async;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Asks for nothing: everybody is the user `anonymous`. For trials and for networks that are guarded otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAuthentication;

#[portable_async]
impl Authenticator for NoAuthentication {
    async fn authenticate(&self, _token: Option<&str>) -> Result<Principal> {
        Ok(Principal {
            user: "anonymous".to_owned(),
        })
    }
}

/// A fixed list of bearer tokens, each with its user. Only hashes are kept, and comparing takes the same time whichever
/// token is presented.
#[derive(Clone, Default)]
pub struct StaticTokens {
    known: Vec<([u8; 32], String)>,
}

impl StaticTokens {
    /// No tokens yet: everybody is refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a token of a user; a user may have several.
    #[must_use]
    pub fn with(mut self, token: &str, user: impl Into<String>) -> Self {
        self.known.push((digest(token), user.into()));
        self
    }
}

impl std::fmt::Debug for StaticTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StaticTokens({})", self.known.len())
    }
}

#[portable_async]
impl Authenticator for StaticTokens {
    async fn authenticate(&self, token: Option<&str>) -> Result<Principal> {
        let presented = digest(token.unwrap_or_default());
        let mut found = None;
        for (known, user) in &self.known {
            if bool::from(known.ct_eq(&presented)) {
                found = Some(user);
            }
        }
        match (token, found) {
            (Some(token), Some(user)) if !token.is_empty() => Ok(Principal { user: user.clone() }),
            _ => Err(unauthorised()),
        }
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn unauthorised() -> Error {
    Error::new(
        ErrorKind::Unauthorised,
        "unauthorised",
        "wanted a valid bearer token, found none or one that is not known here; sign in again",
    )
}

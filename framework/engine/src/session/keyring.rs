//! The credentials of whoever is signed in, as one provider that stays while users change.

use onsync_core::transport::{Credentials, CredentialsProvider};
use onsync_core::{Error, ErrorKind, Result, portable_async};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) struct Keyring {
    provider: Mutex<Option<Arc<dyn CredentialsProvider>>>,
}

impl Keyring {
    pub(crate) fn new(provider: Option<Arc<dyn CredentialsProvider>>) -> Self {
        Self {
            provider: Mutex::new(provider),
        }
    }

    pub(crate) fn set(&self, provider: Option<Arc<dyn CredentialsProvider>>) {
        *self.provider.lock().unwrap_or_else(PoisonError::into_inner) = provider;
    }

    fn get(&self) -> Option<Arc<dyn CredentialsProvider>> {
        self.provider
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[portable_async]
impl CredentialsProvider for Keyring {
    async fn credentials(&self, refused: bool) -> Result<Option<Credentials>> {
        match self.get() {
            Some(provider) => provider.credentials(refused).await,
            None if refused => Err(Error::new(
                ErrorKind::Unauthorised,
                "unauthorised",
                "the server wants credentials, and the app gave none; call `login`, or hand a provider to the builder",
            )),
            None => Ok(None),
        }
    }
}

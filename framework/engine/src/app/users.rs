//! Users who sign in and out of an app.

use super::{App, within};
use crate::session::{LogoutPolicy, Unsent};
use onsync_core::Result;
use onsync_core::transport::CredentialsProvider;
use std::sync::Arc;

impl App {
    /// Signs a user in: opens the store of this user, and syncs by the provider's credentials from now on. OnSync issues no tokens
    /// and stores none. It works without a network for a user whose store is on this device; a user who is not known here is first
    /// confirmed by the server. Then `triggers.synchronize_on_login` runs.
    ///
    /// Signing in again as the same user replaces the provider.
    ///
    /// # Errors
    /// `another_user_signed_in`: sign out first. `store_of_another_user`: this app has one store, and it is somebody else's; put
    /// `{user}` into `store.path`, or let that user sign out with [`LogoutPolicy::Discard`]. `first_login_offline`: the user is not
    /// known here, and the server cannot be reached. `invalid_user`; `unauthorised`; those of the store.
    pub async fn login(&self, user: &str, credentials: Arc<dyn CredentialsProvider>) -> Result<()> {
        within::check()?;
        let (stage, user) = (self.inner.stage.clone(), user.to_owned());
        self.inner
            .stage
            .in_background(async move { stage.login(&user, credentials).await })
            .await
    }

    /// Signs the user out, and says what was not sent; the policy says what happens to that. Whoever still holds a live query or a
    /// transaction is answered `signed_out`; listeners go on listening.
    ///
    /// # Errors
    /// `not_signed_in`. `unsent_changes` under [`LogoutPolicy::Send`], when not everything could be sent: the user is still signed in,
    /// and `keep` or `discard` has to be chosen. Those of the store.
    pub async fn logout(&self, policy: LogoutPolicy) -> Result<Unsent> {
        within::check()?;
        let stage = self.inner.stage.clone();
        self.inner
            .stage
            .in_background(async move { stage.logout(policy).await })
            .await
    }

    /// The user who is signed in by [`App::login`].
    pub fn user(&self) -> Option<String> {
        self.inner.stage.session()?.user.clone()
    }
}

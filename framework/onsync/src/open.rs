//! From a configuration to an open app.

use crate::registries;
use onsync_core::transport::{Credentials, CredentialsProvider};
use onsync_core::{Error, ErrorKind, Result, portable_async};
use onsync_engine::config::{Config, Secret};
use onsync_engine::{App, OnSyncBuilder, Registries};
use std::path::Path;
use std::sync::Arc;

/// Opens the app of a configuration file, with the plug-ins that come with OnSync. Relative paths in the file begin at its folder.
///
/// ```no_run
/// # async fn example() -> onsync::Result<()> {
/// let app = onsync::open("onsync.toml").await?;
/// let handle = app.on_sync("Online", &Default::default())?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// What is wrong with the file, with line and key; what it names and this build does not have; those of the store.
#[cfg(feature = "native")]
pub async fn open(file: impl AsRef<Path>) -> Result<App> {
    let file = file.as_ref();
    let mut config = Config::load_device(file)?;
    anchor(&mut config, file);
    open_config(config).await
}

/// Opens the app of a configuration, with the plug-ins that come with OnSync.
///
/// # Errors
/// What the configuration names and this build does not have; those of the store.
pub async fn open_config(config: Config) -> Result<App> {
    builder(config, registries())?.build().await
}

/// A builder for the app of a configuration: `transport.token` is its credentials, until others are set.
///
/// # Errors
/// `missing_secret` for a token whose variable is not set.
pub fn builder(config: Config, registries: Registries) -> Result<OnSyncBuilder> {
    let credentials = match &config.transport.token {
        Some(secret) => Some(FixedToken::reveal(secret).map_err(|error| {
            let place = config.place_of(&["transport", "token"]);
            error.at(place)
        })?),
        None => None,
    };
    let builder = OnSyncBuilder::new(config, registries);
    Ok(match credentials {
        Some(credentials) => builder.credentials(Arc::new(credentials)),
        None => builder,
    })
}

/// Makes relative paths of a configuration begin at the folder of the file it came from: the store, and the server's SQLite
/// database.
pub fn anchor(config: &mut Config, file: &Path) {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return;
    };
    if let Some(path) = &mut config.store.path {
        // An absolute path stays as it is.
        *path = folder.join(&*path).to_string_lossy().into_owned();
    }
    let database = config.server.database.as_deref();
    if let Some(path) = database.and_then(|address| address.strip_prefix("sqlite:")) {
        let path = path.strip_prefix("//").unwrap_or(path);
        config.server.database = Some(format!("sqlite:{}", folder.join(path).display()));
    }
}

/// One token that never changes, for programs without a signed-in user.
pub struct FixedToken {
    variable: String,
    credentials: Credentials,
}

impl FixedToken {
    /// The token a secret of the configuration names.
    ///
    /// # Errors
    /// `missing_secret`.
    pub fn reveal(secret: &Secret) -> Result<Self> {
        Ok(Self {
            variable: secret.variable().to_owned(),
            credentials: Credentials::bearer(secret.reveal()?),
        })
    }
}

impl std::fmt::Debug for FixedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FixedToken(${{{}}})", self.variable)
    }
}

#[portable_async]
impl CredentialsProvider for FixedToken {
    async fn credentials(&self, refused: bool) -> Result<Option<Credentials>> {
        if refused {
            return Err(Error::new(
                ErrorKind::Unauthorised,
                "unauthorised",
                format!(
                    "the server refused the token from the environment variable `{}`; set it to a token the server knows",
                    self.variable
                ),
            ));
        }
        Ok(Some(self.credentials.clone()))
    }
}

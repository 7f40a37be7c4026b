//! A device connected straight to a server in the same process, without bytes or sockets in between.

use onsync_core::transport::{Answer, Exchange, Transport};
use onsync_core::wire::Health;
use onsync_core::{Result, portable_async};
use onsync_server::SyncService;
use std::sync::Arc;

/// A [`Transport`] that hands requests to a [`SyncService`].
pub struct InProcess {
    service: Arc<dyn SyncService>,
}

impl InProcess {
    /// To this service.
    pub fn new(service: Arc<dyn SyncService>) -> Self {
        Self { service }
    }
}

#[portable_async]
impl Transport for InProcess {
    async fn exchange(&self, exchange: Exchange) -> Result<Box<dyn Answer>> {
        let credentials = exchange.credentials;
        let token = credentials.as_ref().map(|credentials| credentials.token());
        self.service.sync(token, exchange.frames).await
    }

    async fn health(&self) -> Result<Health> {
        Ok(self.service.health())
    }
}

//! A device connected straight to a server in the same process, without sockets in between. Bytes are counted as if there were some.

use onsync_core::transport::{Answer, Exchange, Transport};
use onsync_core::wire::{self, AnswerFrame, Format, Health};
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
        let inner = self.service.sync(token, exchange.frames).await?;
        Ok(Box::new(Counted {
            inner,
            encoded: Vec::new(),
            bytes: 0,
        }))
    }

    async fn health(&self) -> Result<Health> {
        Ok(self.service.health())
    }
}

/// An answer that knows how many bytes it would be.
struct Counted {
    inner: Box<dyn Answer>,
    /// The last frame.
    encoded: Vec<u8>,
    bytes: u64,
}

#[portable_async]
impl Answer for Counted {
    async fn next(&mut self) -> Result<Option<AnswerFrame>> {
        let frame = self.inner.next().await?;
        if let Some(frame) = &frame {
            self.encoded.clear();
            wire::encode(Format::Binary, frame, &mut self.encoded)?;
            self.bytes += self.encoded.len() as u64;
        }
        Ok(frame)
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}

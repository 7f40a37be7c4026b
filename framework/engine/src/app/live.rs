//! Live queries: a query whose result is given again whenever it has changed.

use super::Core;
use crate::time::sleep_until;
use futures_core::Stream;
use futures_util::future::select;
use onsync_core::platform::BoxFuture;
use onsync_core::query::Query;
use onsync_core::{Fields, Result};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;

/// How often commits of other processes and tabs are looked for.
const FOREIGN: Duration = Duration::from_secs(1);

/// Snapshots of a query's result: the present one first, then one after each commit that changed it, whoever made it.
///
/// Changes that come faster than they are asked for arrive as one. Use [`LiveQuery::next`], or [`LiveQuery::into_stream`].
pub struct LiveQuery {
    core: Arc<Core>,
    query: Query,
    entities: Vec<String>,
    bell: watch::Receiver<u64>,
    seen: Option<(u64, u64)>,
    last: Option<Vec<Fields>>,
}

impl LiveQuery {
    pub(super) fn new(core: Arc<Core>, query: Query) -> Result<Self> {
        let entities = core.records.entities_of(&query)?;
        let bell = core.changes.bell();
        Ok(Self {
            core,
            query,
            entities,
            bell,
            seen: None,
            last: None,
        })
    }

    /// Waits for the next snapshot.
    ///
    /// # Errors
    /// Those of the query; the next call tries again.
    pub async fn next(&mut self) -> Result<Vec<Fields>> {
        loop {
            self.core.check()?;
            self.bell.borrow_and_update();
            let store = self.core.store.clone();
            let foreign = self
                .core
                .run(async move { store.foreign_commits().await })
                .await?;
            let now = (self.core.changes.count(&self.entities), foreign);
            if self.seen != Some(now) {
                let result = self.core.query(self.query.clone()).await?;
                self.seen = Some(now);
                if self.last.as_ref() != Some(&result) {
                    self.last = Some(result.clone());
                    return Ok(result);
                }
            }
            let runtime = self.core.runtime.clone();
            let until = runtime.elapsed() + FOREIGN;
            let look = pin!(sleep_until(runtime.as_ref(), Some(until)));
            let bell = pin!(self.bell.changed());
            select(bell, look).await;
        }
    }

    /// The snapshots as a stream.
    pub fn into_stream(self) -> LiveStream {
        LiveStream {
            waiting: Some(Box::pin(step(self))),
        }
    }
}

async fn step(mut live: LiveQuery) -> (Result<Vec<Fields>>, LiveQuery) {
    let result = live.next().await;
    (result, live)
}

/// A [`LiveQuery`] as a stream; it does not end by itself.
pub struct LiveStream {
    waiting: Option<BoxFuture<'static, (Result<Vec<Fields>>, LiveQuery)>>,
}

impl Stream for LiveStream {
    type Item = Result<Vec<Fields>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(waiting) = &mut self.waiting else {
            return Poll::Ready(None);
        };
        match waiting.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready((result, live)) => {
                self.waiting = Some(Box::pin(step(live)));
                Poll::Ready(Some(result))
            }
        }
    }
}

//! What a run is made of, as a seam inside the engine: the real thing is [`Syncer`], tests have their own.

use crate::sync::{Fence, Notes, OwnNotes, Pending, ProgressSink, Pulse, Step, Syncer};
use onsync_core::handler::Summary;
use onsync_core::platform::{MaybeSend, MaybeSync};
use onsync_core::{Result, portable_async};

#[portable_async]
pub(crate) trait SyncSteps: MaybeSend + MaybeSync {
    async fn take_over(&self) -> Result<Fence>;
    async fn run(&self, fence: Fence, step: &Step, sink: &dyn ProgressSink) -> Result<Summary>;
    async fn pending(&self) -> Result<Pending>;
    async fn check_claim(&self, user: &str) -> Result<()>;
    async fn take_fence(&self) -> Result<Fence>;
    async fn pulse(&self) -> Result<Pulse>;
    async fn beat(&self, fence: Fence) -> Result<()>;
    async fn notes(&self) -> Result<Notes>;
    async fn keep_notes(&self, notes: &Notes, own: &OwnNotes) -> Result<()>;
}

#[portable_async]
impl SyncSteps for Syncer {
    async fn take_over(&self) -> Result<Fence> {
        Syncer::take_over(self).await
    }

    async fn run(&self, fence: Fence, step: &Step, sink: &dyn ProgressSink) -> Result<Summary> {
        Syncer::run(self, fence, step, sink).await
    }

    async fn pending(&self) -> Result<Pending> {
        Syncer::pending(self).await
    }

    async fn check_claim(&self, user: &str) -> Result<()> {
        crate::session::check_claim(self.store.as_ref(), user).await
    }

    async fn take_fence(&self) -> Result<Fence> {
        Syncer::take_fence(self).await
    }

    async fn pulse(&self) -> Result<Pulse> {
        Syncer::pulse(self).await
    }

    async fn beat(&self, fence: Fence) -> Result<()> {
        Syncer::beat(self, fence).await
    }

    async fn notes(&self) -> Result<Notes> {
        Syncer::notes(self).await
    }

    async fn keep_notes(&self, notes: &Notes, own: &OwnNotes) -> Result<()> {
        Syncer::keep_notes(self, notes, own).await
    }
}

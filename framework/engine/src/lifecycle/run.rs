//! One attempt of one run: the handler's calls, or the context's own entities.

use super::Lifecycle;
use super::queue::What;
use crate::sync::{Fence, Progress, Step};
use onsync_core::handler::{Event, Parameters, Selection, Summary, SyncDirection, SyncRun};
use onsync_core::{Error, Result, portable_async};
use std::sync::{Arc, Mutex, PoisonError};

/// The run as its handler sees it.
pub(super) struct ScopedRun<'a> {
    pub(super) lifecycle: &'a Arc<Lifecycle>,
    pub(super) fence: Fence,
    pub(super) context: &'a str,
    /// This run and those it was asked for in.
    pub(super) ancestry: Vec<What>,
    pub(super) summary: Mutex<Summary>,
}

impl ScopedRun<'_> {
    pub(super) fn into_summary(self) -> Summary {
        self.summary.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn entities(&self, selection: Selection) -> Result<Vec<String>> {
        match selection {
            Selection::All => Ok(self.lifecycle.order.clone()),
            Selection::Entities(entities) => {
                for entity in &entities {
                    if self.lifecycle.schema.entity(entity)?.local {
                        return Err(Error::unsupported(
                            "entity_is_local",
                            format!(
                                "entity `{entity}` is `local = true` and never travels; take it out of the selection"
                            ),
                        ));
                    }
                }
                Ok(entities)
            }
        }
    }
}

#[portable_async]
impl SyncRun for ScopedRun<'_> {
    async fn sync(&self, selection: Selection, direction: SyncDirection) -> Result<Summary> {
        let step = Step {
            context: self.context.to_owned(),
            entities: self.entities(selection)?,
            direction,
            time_out: None,
        };
        let hub = self.lifecycle.hub.clone();
        let context = self.context.to_owned();
        let sink = move |progress: Progress| {
            let Progress {
                entity,
                phase,
                done,
                total,
                bytes,
            } = progress;
            let event = Event::OnSyncProgress {
                context: context.clone(),
                entity,
                phase,
                done,
                total,
                bytes,
            };
            hub.tell(&event, |_| {});
        };
        let summary = self.lifecycle.steps.run(self.fence, &step, &sink).await?;
        self.lifecycle.note_step(&step, &summary);
        add(
            &mut self.summary.lock().unwrap_or_else(PoisonError::into_inner),
            &summary,
        );
        Ok(summary)
    }

    fn on_sync(&self, context: &str, parameters: &Parameters) -> Result<()> {
        self.lifecycle.ask(context, parameters, &self.ancestry).map(drop)
    }
}

fn add(total: &mut Summary, step: &Summary) {
    total.applied += step.applied;
    total.rejected += step.rejected;
    total.conflicts += step.conflicts;
    total.discarded += step.discarded;
    total.received += step.received;
    total.removed += step.removed;
    total.requests += step.requests;
    total.bytes_received += step.bytes_received;
}

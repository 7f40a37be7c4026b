//! One attempt of one run: the handler's calls, or the context's own entities.

use super::Lifecycle;
use super::queue::What;
use crate::events::Hub;
use crate::sync::{Fence, Progress, ProgressSink, Step, StepBudget};
use onsync_core::handler::{Event, Parameters, Selection, Summary, SyncDirection, SyncRun};
use onsync_core::{Error, Key, Result, portable_async};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The run as its handler sees it.
pub(super) struct ScopedRun<'a> {
    pub(super) lifecycle: &'a Arc<Lifecycle>,
    pub(super) fence: Fence,
    pub(super) context: &'a str,
    /// This run and those it was asked for in.
    pub(super) ancestry: Vec<What>,
    /// When the run has to end.
    pub(super) deadline: Option<Duration>,
    /// How much the whole run may do.
    pub(super) budget: StepBudget,
    pub(super) summary: Mutex<Summary>,
}

impl ScopedRun<'_> {
    pub(super) fn into_summary(self) -> Summary {
        self.summary.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// No request waits longer than the run may take.
    fn time_left(&self) -> Option<Duration> {
        let now = self.lifecycle.runtime.elapsed();
        let left = self.deadline?.saturating_sub(now);
        Some(left.min(self.lifecycle.transport_time_out))
    }

    /// What earlier steps of this run have left.
    fn budget_left(&self) -> StepBudget {
        let done = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
        self.budget.after(&done)
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
            time_out: self.time_left(),
            budget: self.budget_left(),
        };
        let sink = Told {
            hub: self.lifecycle.hub.clone(),
            context: self.context.to_owned(),
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

/// Makes events of what a step tells.
struct Told {
    hub: Arc<Hub>,
    context: String,
}

impl ProgressSink for Told {
    fn progress(&self, progress: Progress) {
        let Progress {
            entity,
            phase,
            done,
            total,
            bytes,
        } = progress;
        let event = Event::OnSyncProgress {
            context: self.context.clone(),
            entity,
            phase,
            done,
            total,
            bytes,
        };
        self.hub.tell(&event, |_| {});
    }

    fn conflict(&self, entity: &str, key: &Key) {
        let event = Event::ConflictDetected {
            entity: entity.to_owned(),
            key: key.to_string(),
        };
        self.hub.tell(&event, |_| {});
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
    total.sent += step.sent;
    total.budget_used |= step.budget_used;
}

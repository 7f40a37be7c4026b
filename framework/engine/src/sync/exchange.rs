//! Request and exchange: bounded requests out of the outbox, answers frame by frame.

use super::areas::Areas;
use super::outbox::{Cut, Outbox, Skipped};
use super::pending::Held;
use super::refused::{Culprits, culprits};
use super::release::held_by_conflicts;
use super::together::HeldBack;
use super::units::Units;
use super::{Fence, Progress, ProgressSink, Step, Syncer, cut, seen};
use crate::metrics::Tally;
use onsync_core::handler::{Phase, Summary, SyncDirection};
use onsync_core::mutation::Outcome;
use onsync_core::ordered::{BTreeMap, BTreeSet};
use onsync_core::page::Checkpoint;
use onsync_core::store::local::{Access, LocalTransaction};
use onsync_core::transport::{Answer, Exchange};
use onsync_core::wire::{AnswerFrame, AnswerState, RequestFrame};
use onsync_core::{Error, ErrorKind, Key, Result};
use std::collections::HashMap;
use tracing::Instrument as _;
use uuid::Uuid;

/// One step under way.
pub(super) struct Run<'a> {
    pub(super) syncer: &'a Syncer,
    pub(super) fence: Fence,
    pub(super) step: &'a Step,
    sink: &'a dyn ProgressSink,
    pub(super) summary: Summary,
    tally: Tally,
    /// Mutations sent in this step: one the server asked to send later is not sent twice.
    sent: BTreeSet<u64>,
    /// What has been cut and has no outcome, once it was read.
    outbox: Option<Outbox>,
    /// For whose sake atomic groups of the answer at hand were undone.
    pub(super) culprits: Culprits,
    /// What travels together and was not cut yet.
    units: Units,
    /// Whether records are as they were when this request's mutations were cut, but for what the app does.
    pub(super) undisturbed: bool,
    /// Whether anything may be listed as rejected, so that most outcomes need not look.
    pub(super) lists_rejections: bool,
    /// The first error that concerns one entity or mutation only; the rest went on.
    first_error: Option<Error>,
    /// Mutations that were cut before this run: what is answered may have been done when they were first sent.
    pub(super) repeated: BTreeSet<u64>,
    /// Conflicts that became durable in the open transaction and were left to a person.
    pub(super) detected: Vec<(String, Key)>,
    /// A resolver has left a record to be sent again.
    pub(super) resolved: bool,
    /// What open conflicts hold back.
    pub(super) held: Held,
    /// How far the server was with the outcomes of the answer at hand.
    pub(super) seen: Option<Checkpoint>,
}

/// A look at the store that shows all this run has written; it is handed on as long as nothing more is.
pub(super) type Look = Option<Box<dyn LocalTransaction>>;

/// The next mutations to send.
#[derive(Default)]
struct Batch {
    cuts: Vec<Cut>,
    /// More will wait behind them.
    more: bool,
    look: Look,
}

/// How often a run sends again what resolvers made of the conflicts it found; what is left then goes with the next run.
const ROUNDS_OF_RESOLVERS: u32 = 3;

/// What one answer has brought so far.
#[derive(Default)]
struct Received {
    outcomes: Vec<(Uuid, Outcome)>,
    /// Entities being received, with the checkpoint that the next page continues.
    entities: BTreeMap<String, Option<Checkpoint>>,
    done: BTreeMap<String, (u64, Option<u64>)>,
    held: HeldBack,
}

impl<'a> Run<'a> {
    pub(super) fn new(syncer: &'a Syncer, fence: Fence, step: &'a Step, sink: &'a dyn ProgressSink) -> Self {
        Self {
            syncer,
            fence,
            step,
            sink,
            summary: Summary::default(),
            tally: Tally::default(),
            sent: BTreeSet::new(),
            outbox: None,
            culprits: Culprits::new(),
            units: Units::default(),
            undisturbed: false,
            lists_rejections: true,
            first_error: None,
            repeated: BTreeSet::new(),
            detected: Vec::new(),
            resolved: false,
            held: Held::default(),
            seen: None,
        }
    }

    pub(super) async fn run(mut self) -> Result<Summary> {
        let mut rounds = 0;
        let mut look = super::revisit::revisit(&mut self).await?;
        loop {
            if self
                .step
                .budget
                .is_used(&self.summary, self.syncer.runtime.elapsed())
            {
                self.summary.budget_used = true;
                break;
            }
            let Batch { cuts, more, look } = self.batch(look.take()).await?;
            let pulls = !more
                && self.step.direction != SyncDirection::Push
                && !self.held.holds_all(&self.step.entities);
            if cuts.is_empty() && (!pulls || rounds > 0) {
                break;
            }
            let span = tracing::debug_span!(
                "sync_exchange",
                entities = self.step.entities.len(),
                mutations = cuts.len(),
                pulls
            );
            let exchanged = self.exchange(&cuts, pulls, look).instrument(span).await;
            self.tally.tell(&self.summary);
            exchanged?;
            let again = std::mem::take(&mut self.resolved) && self.step.direction != SyncDirection::Pull;
            let another_round = again && rounds < ROUNDS_OF_RESOLVERS;
            if (!more && !another_round) || self.summary.budget_used {
                break;
            }
            rounds += u32::from(!more);
        }
        self.syncer
            .trim_bin(self.fence, self.summary.discarded > 0)
            .await?;
        match self.first_error.or_else(|| self.held.error()) {
            Some(error) => Err(error),
            None => Ok(self.summary),
        }
    }

    /// Goes on with a look at the store, or takes a new one.
    pub(super) async fn look(&self, look: Look) -> Result<Box<dyn LocalTransaction>> {
        match look {
            Some(look) => Ok(look),
            None => self.syncer.store.begin(Access::Read).await,
        }
    }

    /// The step's entities that no open conflict holds back.
    pub(super) fn entities(&self) -> Vec<String> {
        let names = self.step.entities.iter();
        names.filter(|name| !self.held.holds(name)).cloned().collect()
    }

    /// Tells of the conflicts that the last commit made durable.
    fn tell_conflicts(&mut self) {
        for (entity, key) in std::mem::take(&mut self.detected) {
            self.sink.conflict(&entity, &key);
        }
    }

    /// The next mutations to send: what was cut before, then what is cut now.
    async fn batch(&mut self, look: Look) -> Result<Batch> {
        let syncer = self.syncer;
        let (most, most_bytes) = (self.max_mutations(), self.syncer.limits.max_request_bytes);
        let mut tx = self.look(look).await?;
        tx.check_fence(self.fence).await?;
        self.held = Held::find(syncer, tx.as_mut(), &self.step.entities).await?;
        if self.step.direction == SyncDirection::Pull {
            return Ok(Batch {
                look: Some(tx),
                ..Batch::default()
            });
        }
        let entities = &self.entities();
        let (sent, held) = (std::mem::take(&mut self.sent), std::mem::take(&mut self.held));
        let outbox = self.outbox(tx.as_mut()).await?;
        let waiting = match held.any {
            true => held_by_conflicts(syncer, tx.as_mut(), outbox).await?,
            false => BTreeSet::new(),
        };
        let skipped = Skipped {
            sent: &sent,
            held: &held,
            waiting: &waiting,
        };
        let unsent = outbox
            .unsent(tx.as_mut(), &syncer.schema, skipped, most, most_bytes)
            .await;
        (self.sent, self.held) = (sent, held);
        let (mut cuts, more) = unsent?;
        self.repeated
            .extend(cuts.iter().map(|cut| cut.entry.mutation.number));
        if more || !cut::anything(syncer, tx.as_mut(), entities).await? {
            let look = Some(tx);
            return Ok(Batch { cuts, more, look });
        }
        drop(tx);
        let bytes: usize = cuts.iter().map(|cut| cut.entry.size()).sum();
        let room = most.saturating_sub(cuts.len());
        let room_bytes = most_bytes.saturating_sub(bytes);
        let outbox = self.outbox.get_or_insert_default();
        let units = &mut self.units;
        let cut = cut::cut(syncer, self.fence, entities, room, room_bytes, outbox, units).await?;
        cuts.extend(cut.entries);
        Ok(Batch {
            cuts,
            more: cut.more,
            look: None,
        })
    }

    /// What has been cut and has no outcome; read in the first transaction that asks.
    pub(super) async fn outbox(&mut self, tx: &mut dyn LocalTransaction) -> Result<&mut Outbox> {
        let known = match self.outbox.take() {
            Some(outbox) => outbox,
            None => Outbox::read(tx).await?,
        };
        Ok(self.outbox.insert(known))
    }

    async fn exchange(&mut self, batch: &[Cut], pulls: bool, look: Look) -> Result<()> {
        let (frames, checkpoints) = self.frames(batch, pulls, look).await?;
        self.sent
            .extend(batch.iter().map(|cut| cut.entry.mutation.number));
        self.undisturbed = true;
        let answer = self.in_time(self.send(frames)).await?;
        self.summary.requests += 1;
        self.summary.sent += batch.len() as u64;
        let Some(mut answer) = answer else {
            self.summary.budget_used = true;
            return Ok(());
        };
        let before = self.summary.bytes_received;
        let mut received = Received {
            held: HeldBack::new(self.syncer, checkpoints.keys()),
            entities: checkpoints,
            ..Received::default()
        };
        let result = self.receive(answer.as_mut(), batch, &mut received, before).await;
        self.summary.bytes_received = before + answer.bytes();
        result
    }

    /// Sends; when the credentials are refused, asks once for new ones.
    async fn send(&self, frames: Vec<RequestFrame>) -> Result<Box<dyn Answer>> {
        let exchange = |frames, credentials| Exchange {
            frames,
            credentials,
            time_out: self.step.time_out,
        };
        let Some(provider) = &self.syncer.credentials else {
            return self.syncer.transport.exchange(exchange(frames, None)).await;
        };
        let credentials = provider.credentials(false).await?;
        match self
            .syncer
            .transport
            .exchange(exchange(frames.clone(), credentials))
            .await
        {
            Err(error) if error.kind() == ErrorKind::Unauthorised => {
                let credentials = provider.credentials(true).await?;
                self.syncer
                    .transport
                    .exchange(exchange(frames, credentials))
                    .await
            }
            other => other,
        }
    }

    /// Takes the answer's frames in their order: outcomes are settled before the first page is applied.
    async fn receive(
        &mut self,
        answer: &mut dyn Answer,
        batch: &[Cut],
        received: &mut Received,
        before: u64,
    ) -> Result<()> {
        let welcome = seen::welcome(answer.next().await?)?;
        if welcome.restored {
            seen::start_over(self, &welcome).await?;
            received
                .entities
                .values_mut()
                .for_each(|expected| *expected = None);
        }
        self.seen = welcome.seen;
        loop {
            let frame = self.in_time(answer.next()).await?;
            self.summary.bytes_received = before + answer.bytes();
            if !matches!(frame, Some(Some(AnswerFrame::Outcome(_)))) && !received.outcomes.is_empty() {
                self.settle(batch, std::mem::take(&mut received.outcomes)).await?;
            }
            let Some(frame) = frame else {
                self.summary.budget_used = true;
                return Ok(());
            };
            match frame {
                Some(AnswerFrame::Outcome(outcome)) => received.outcomes.push((outcome.id, outcome.outcome)),
                Some(AnswerFrame::Entity(entity)) => {
                    self.entity(received, &entity.entity, entity.state).await?
                }
                Some(AnswerFrame::Page(page)) => {
                    self.page(received, page).await?;
                    // What is held back would have to be fetched again.
                    if received.held.is_empty()
                        && self
                            .step
                            .budget
                            .is_used(&self.summary, self.syncer.runtime.elapsed())
                    {
                        self.summary.budget_used = true;
                        return Ok(());
                    }
                }
                Some(AnswerFrame::Failed(error)) => return Err(error.into()),
                Some(AnswerFrame::End {}) => return std::mem::take(&mut received.held).end_all(self).await,
                Some(AnswerFrame::Welcome(_)) => return Err(out_of_order("outcome, entity, page or end")),
                Some(AnswerFrame::Image {}) => {
                    return Err(Error::unsupported(
                        "protocol_unsupported",
                        "the server sent an image, which protocol 1 reserves",
                    ));
                }
                None => {
                    return Err(Error::transient(
                        "answer_truncated",
                        "the answer ended without its end frame",
                    ));
                }
            }
        }
    }

    async fn settle(&mut self, batch: &[Cut], outcomes: Vec<(Uuid, Outcome)>) -> Result<()> {
        let cuts: HashMap<Uuid, &Cut> = batch.iter().map(|cut| (cut.entry.mutation.id, cut)).collect();
        let total = batch.len() as u64;
        let last = batch
            .last()
            .map(|cut| cut.entry.mutation.entity.clone())
            .unwrap_or_default();
        let known = outcomes
            .iter()
            .filter_map(|(id, outcome)| Some((*cuts.get(id)?, outcome)));
        self.culprits = culprits(known);
        // A new instance is taken together with all that the answer says.
        let renews = outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Renew);
        let at_once = if renews {
            outcomes.len()
        } else {
            self.syncer.limits.max_mutations
        };
        for outcomes in outcomes.chunks(at_once.max(1)) {
            let known = outcomes
                .iter()
                .filter_map(|(id, outcome)| Some((*cuts.get(id)?, outcome)))
                .collect::<Vec<_>>();
            let retry = super::settle::settle(self, &known).await?;
            self.tell_conflicts();
            if let Some(error) = retry {
                self.note(error);
            }
            self.sink.progress(Progress {
                entity: last.clone(),
                phase: Phase::Push,
                done: self.summary.applied + self.summary.rejected + self.summary.conflicts,
                total: Some(total),
                bytes: self.summary.bytes_received,
            });
        }
        Ok(())
    }

    async fn entity(&mut self, received: &mut Received, name: &str, state: AnswerState) -> Result<()> {
        if !received.entities.contains_key(name) {
            return Err(out_of_order("an entity that was asked for"));
        }
        match state {
            AnswerState::Started { total } => {
                received.done.insert(name.to_owned(), (0, total));
            }
            AnswerState::NotModified => received.held.end(self, name, false).await?,
            AnswerState::Complete => received.held.end(self, name, true).await?,
            AnswerState::Failed(error) => {
                self.note(Error::from(error).at(name));
                received.held.end(self, name, false).await?;
            }
        }
        Ok(())
    }

    async fn page(&mut self, received: &mut Received, page: onsync_core::page::Page) -> Result<()> {
        let name = page.entity.clone();
        let Some(expected) = received.entities.get(&name).cloned() else {
            return Err(out_of_order("a page of an entity that was asked for"));
        };
        let rows = (page.rows.len() + page.deleted.len() + page.removed.len()) as u64;
        let next = page.checkpoint.clone();
        self.undisturbed = false;
        let span = tracing::debug_span!("sync_apply", entity = name, rows);
        let apply = received.held.page(self, page, expected);
        let piece_by_piece = apply.instrument(span).await?;
        self.tell_conflicts();
        received.entities.insert(name.clone(), Some(next));
        let (done, total) = received.done.entry(name.clone()).or_default();
        *done += rows;
        let (done, total) = (*done, *total);
        let bytes = self.summary.bytes_received;
        self.tally.tell(&self.summary);
        self.sink.progress(Progress {
            entity: name,
            phase: if piece_by_piece {
                Phase::CatchUp
            } else {
                Phase::Pull
            },
            done,
            total,
            bytes,
        });
        Ok(())
    }

    /// Keeps the first error that does not stop the rest.
    fn note(&mut self, error: Error) {
        tracing::warn!(code = error.code(), "part of a sync failed");
        tracing::debug!(%error, "part of a sync failed");
        self.first_error.get_or_insert(error);
    }
}

pub(super) fn out_of_order(wanted: &str) -> Error {
    Error::corrupt(
        "invalid_answer",
        format!("wanted {wanted}, found another frame; the server does not speak OnSync's protocol"),
    )
}

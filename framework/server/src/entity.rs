//! One entity's part of an answer: snapshot pages from a position fixed at their start, then what changed since.

use crate::answer::Asker;
use crate::checkpoint::{Seals, State, Subject, Token, columns_hash};
use crate::echo::{Held, leave_out};
use crate::history::{self, Mark};
use crate::receipt;
use crate::request::Target;
use onsync_core::error::{Error, Result};
use onsync_core::page::{KeyRange, Page, PageKind};
use onsync_core::pattern::{Progress, Selection};
use onsync_core::record::Key;
use onsync_core::rows::RowSet;
use onsync_core::store::server::{Extent, PageLimit, ServerSnapshot};
use onsync_core::value::Blob;
use onsync_core::wire::{AnswerFrame, AnswerState, EntityAnswer, EntityRequest};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// Makes the frames of one entity.
pub(crate) struct EntityPages {
    /// What was asked.
    pub(crate) request: EntityRequest,
    target: Target,
    subject: Subject,
    columns: Uuid,
    seals: Arc<Seals>,
    limit: PageLimit,
    /// What the device has without being told.
    held: Held,
    stage: Stage,
    /// Keys of own creates that were told already.
    told: BTreeSet<Uuid>,
    /// Rows sent, for logs.
    rows: u64,
    /// Whether its first frame was made.
    started: bool,
    /// Up to which position the device has everything, once it has all of a full set.
    reached: Option<u64>,
    /// Its changes are answered together with those of its family.
    together: bool,
}

#[derive(Clone, Debug)]
enum Stage {
    Begin,
    Snapshot { start: u64, after: Option<Key> },
    Delta { position: u64, goal: u64 },
    Done,
}

/// A page before it has a checkpoint.
pub(crate) struct Draft {
    kind: PageKind,
    rows: RowSet,
    deleted: Vec<Key>,
    removed: Vec<Key>,
    /// How far the device is with this page.
    state: State,
    next: Stage,
}

impl Draft {
    /// Records it tells of, and bytes of their values.
    pub(crate) fn size(&self) -> (usize, usize) {
        let keys = self.deleted.len() + self.removed.len();
        (self.rows.len() + keys, self.rows.size())
    }
}

impl EntityPages {
    /// Nothing read yet.
    pub(crate) fn new(
        asker: &Asker,
        request: EntityRequest,
        target: Target,
        seals: Arc<Seals>,
        held: Held,
    ) -> Self {
        let limits = &asker.server.limits;
        let scoped = !request.scope.is_empty();
        let bounded = |asked: u32, most: usize| usize::try_from(asked).unwrap_or(most).clamp(1, most.max(1));
        Self {
            subject: Subject {
                user: asker.principal.user.clone(),
                entity: request.entity.clone(),
                scope: request.scope.clone(),
            },
            columns: columns_hash(&target.served.entity, &target.columns),
            limit: PageLimit {
                rows: bounded(request.page_rows, limits.max_page_rows),
                bytes: bounded(request.page_bytes, limits.max_page_bytes),
            },
            request,
            target,
            seals,
            // A record that a change took from one scope to another is told to both.
            held: if scoped { Held::new() } else { held },
            stage: Stage::Begin,
            told: BTreeSet::new(),
            rows: 0,
            started: false,
            reached: None,
            together: false,
        }
    }

    /// The same, as one of a family.
    pub(crate) fn together(self) -> Self {
        Self {
            together: true,
            ..self
        }
    }

    /// Whether nothing follows.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// The next frames: at most one page.
    pub(crate) async fn next(&mut self, asker: &Asker) -> Result<Vec<AnswerFrame>> {
        let mut snapshot = asker.server.store.read().await?;
        let total = match self.stage {
            Stage::Begin => self.begin(snapshot.as_mut()).await?,
            _ => None,
        };
        let draft = self.drafted(asker, snapshot.as_mut()).await?;
        let newest = history::newest(snapshot.as_mut()).await?;
        drop(snapshot);
        self.frames(asker, newest, total, draft).await
    }

    /// The next frames of the full set, at most one page; none where the device has all of one, as far as its checkpoint tells.
    pub(crate) async fn next_apart(&mut self, asker: &Asker) -> Result<Option<Vec<AnswerFrame>>> {
        let mut snapshot = asker.server.store.read().await?;
        let total = match self.stage {
            Stage::Begin => self.begin(snapshot.as_mut()).await?,
            _ => None,
        };
        if !matches!(self.stage, Stage::Snapshot { .. }) {
            return Ok(None);
        }
        let draft = self.drafted(asker, snapshot.as_mut()).await?;
        if let Stage::Delta { position, .. } = self.stage {
            self.reached = Some(position);
        }
        let newest = history::newest(snapshot.as_mut()).await?;
        drop(snapshot);
        self.frames(asker, newest, total, draft).await.map(Some)
    }

    /// Looks again whether something changed, in the view that its whole family is answered from.
    pub(crate) async fn rejoin(&mut self, snapshot: &mut dyn ServerSnapshot) -> Result<()> {
        let Some(position) = self.reached else {
            return Ok(());
        };
        let newest = snapshot.newest(&self.target.served.entity).await?;
        let progress = Progress { position, newest };
        self.stage = match self.target.served.pattern.select(Some(progress)) {
            Selection::Nothing => Stage::Done,
            _ => Stage::Delta {
                position,
                goal: newest,
            },
        };
        Ok(())
    }

    /// The next page without its checkpoint; none if there is nothing to tell.
    pub(crate) async fn drafted(
        &mut self,
        asker: &Asker,
        snapshot: &mut dyn ServerSnapshot,
    ) -> Result<Option<(Draft, Vec<(Uuid, Key)>)>> {
        let created = self.created(asker, snapshot).await?;
        let draft = match (&self.stage, created.is_empty()) {
            (Stage::Done, true) => return Ok(None),
            (Stage::Done, false) => self.empty(snapshot.position().await?),
            _ => self.draft(snapshot).await?,
        };
        self.told.extend(created.iter().map(|(id, _)| *id));
        self.stage = draft.next.clone();
        Ok(Some((draft, created)))
    }

    /// The frames of a page, or of there being none.
    pub(crate) async fn frames(
        &mut self,
        asker: &Asker,
        newest: Option<Mark>,
        total: Option<u64>,
        draft: Option<(Draft, Vec<(Uuid, Key)>)>,
    ) -> Result<Vec<AnswerFrame>> {
        let mut frames = Vec::new();
        let Some((draft, created)) = draft else {
            tracing::debug!(entity = self.request.entity, "nothing to tell");
            let state = match self.started {
                true => AnswerState::Complete,
                false => AnswerState::NotModified,
            };
            frames.push(self.state(state));
            return Ok(frames);
        };
        if !self.started {
            self.started = true;
            frames.push(self.state(AnswerState::Started { total }));
        }
        frames.extend(self.page(asker, newest, draft, created).await?);
        Ok(frames)
    }

    /// Chooses the stage from the device's checkpoint; returns the number of records to come, if known.
    async fn begin(&mut self, snapshot: &mut dyn ServerSnapshot) -> Result<Option<u64>> {
        let entity = &self.target.served.entity;
        let (position, newest) = (snapshot.position().await?, snapshot.newest(entity).await?);
        let state = self.usable(snapshot, position).await?;
        if let Some(State::Snapshot { start, after }) = &state {
            self.stage = Stage::Snapshot {
                start: *start,
                after: Some(Key::from_bytes(after.as_slice())?),
            };
            return Ok(None);
        }
        let progress = state.map(|state| Progress {
            position: state.position(),
            newest,
        });
        self.reached = progress.map(|progress| progress.position);
        match (self.target.served.pattern.select(progress), progress) {
            (Selection::Nothing, _) => self.stage = Stage::Done,
            (Selection::Delta, Some(progress)) => {
                self.stage = Stage::Delta {
                    position: progress.position,
                    goal: newest,
                };
            }
            (Selection::Full, _) | (Selection::Delta, None) => {
                self.stage = Stage::Snapshot {
                    start: position,
                    after: None,
                };
                return snapshot.count(&self.extent()).await;
            }
        }
        Ok(None)
    }

    /// What the device's checkpoint says; none if it is not from here, not for this, or too old.
    async fn usable(&self, snapshot: &mut dyn ServerSnapshot, position: u64) -> Result<Option<State>> {
        let Some(checkpoint) = &self.request.checkpoint else {
            return Ok(None);
        };
        let entity = self.request.entity.as_str();
        let Some(token) = self
            .seals
            .open(checkpoint)
            .filter(|token| token.subject == self.subject)
        else {
            tracing::warn!(
                entity,
                "a checkpoint was not issued here, or not for this user and entity"
            );
            return Ok(None);
        };
        if onsync_core::mutant!(
            "a-new-attribute-is-not-filled",
            token.columns != self.columns,
            false
        ) {
            tracing::debug!(entity, "the device's columns changed: it fetches again");
            return Ok(None);
        }
        let reached = token.state.position();
        let is_known = reached <= position && history::knows(snapshot, token.mark, reached).await?;
        if onsync_core::mutant!("a-restored-server-is-taken-for-the-old-one", !is_known, false) {
            tracing::warn!(
                entity,
                "a checkpoint is from another history of the database: the device fetches again"
            );
            return Ok(None);
        }
        let horizon = snapshot.horizon(&self.target.served.entity).await?;
        if onsync_core::mutant!("forgotten-deletions-are-not-noticed", reached < horizon, false) {
            tracing::info!(
                entity,
                "a checkpoint is older than what is known of deletions: the device fetches again"
            );
            return Ok(None);
        }
        Ok(Some(token.state))
    }

    fn extent(&self) -> Extent<'_> {
        Extent {
            entity: &self.target.served.entity,
            attributes: &self.target.columns,
            scope: &self.request.scope,
        }
    }

    /// Keys of own creates that were not told in an earlier page.
    async fn created(&self, asker: &Asker, snapshot: &mut dyn ServerSnapshot) -> Result<Vec<(Uuid, Key)>> {
        let entity = &self.target.served.entity;
        if entity.ids == onsync_core::schema::Ids::Client {
            return Ok(Vec::new());
        }
        let limit = asker.server.limits.max_unsettled;
        let found = receipt::unsettled(snapshot, asker.owner, asker.settled_to, &entity.name, limit).await?;
        let mut created = found.ok_or_else(|| {
            Error::rejected(
                "too_many_unsettled",
                format!("wanted at most {limit} mutations whose outcomes the device has not confirmed, found more; raise `settled_to`"),
            )
        })?;
        created.retain(|(id, _)| !self.told.contains(id));
        Ok(created)
    }

    async fn draft(&self, snapshot: &mut dyn ServerSnapshot) -> Result<Draft> {
        match &self.stage {
            Stage::Snapshot { start, after } => self.snapshot_page(snapshot, *start, after.clone()).await,
            Stage::Delta { position, goal } => self.delta_page(snapshot, *position, *goal).await,
            Stage::Begin | Stage::Done => Err(Error::fatal(
                "internal",
                "a page was asked for before its entity began or after it ended",
            )),
        }
    }

    async fn snapshot_page(
        &self,
        snapshot: &mut dyn ServerSnapshot,
        start: u64,
        after: Option<Key>,
    ) -> Result<Draft> {
        let range = KeyRange { after, to: None };
        let read = snapshot.snapshot(&self.extent(), &range, self.limit).await?;
        let (state, next) = match &read.more_after {
            Some(key) => (
                State::Snapshot {
                    start,
                    after: Blob(key.to_bytes()),
                },
                Stage::Snapshot {
                    start,
                    after: Some(key.clone()),
                },
            ),
            // What changed since is told together with the family's.
            None if self.together => (
                State::Delta { position: start },
                Stage::Delta {
                    position: start,
                    goal: start,
                },
            ),
            None => {
                let goal = snapshot.newest(&self.target.served.entity).await?;
                match onsync_core::mutant!("changes-while-a-set-is-read-are-passed-by", goal <= start, true) {
                    // Nothing changed since the start, so all of this view is told.
                    true => (
                        State::Delta {
                            position: snapshot.position().await?,
                        },
                        Stage::Done,
                    ),
                    false => (
                        State::Delta { position: start },
                        Stage::Delta {
                            position: start,
                            goal,
                        },
                    ),
                }
            }
        };
        Ok(Draft {
            kind: PageKind::Snapshot(KeyRange {
                after: range.after,
                to: read.more_after,
            }),
            rows: read.rows,
            deleted: Vec::new(),
            removed: Vec::new(),
            state,
            next,
        })
    }

    async fn delta_page(&self, snapshot: &mut dyn ServerSnapshot, position: u64, goal: u64) -> Result<Draft> {
        let mut read = snapshot.delta(&self.extent(), position, self.limit).await?;
        if read.up_to < position || (read.more && read.up_to == position) {
            return Err(Error::fatal(
                "store_contract",
                format!(
                    "the server store made no progress behind position {position} of `{}`; it must raise `up_to` with each piece",
                    self.request.entity
                ),
            ));
        }
        let next = match read.more && read.up_to < goal {
            true => Stage::Delta {
                position: read.up_to,
                goal,
            },
            false => Stage::Done,
        };
        let entity = &self.target.served.entity;
        leave_out(&mut read.rows, &self.held, entity, &self.target.columns);
        Ok(Draft {
            kind: PageKind::Delta,
            rows: read.rows,
            deleted: onsync_core::mutant!("deletions-are-not-told", read.deleted, Vec::new()),
            removed: read.removed,
            state: State::Delta {
                position: onsync_core::mutant!(
                    "a-checkpoint-runs-ahead-of-its-page",
                    read.up_to,
                    goal.max(read.up_to)
                ),
            },
            next,
        })
    }

    /// A page without rows, for keys of own creates when nothing else changed.
    fn empty(&self, position: u64) -> Draft {
        let attributes = &self.target.served.entity.attributes;
        let columns = self
            .target
            .columns
            .iter()
            .filter_map(|index| attributes.get(*index));
        Draft {
            kind: PageKind::Delta,
            rows: RowSet::new(columns.map(|attribute| attribute.value_type), 0),
            deleted: Vec::new(),
            removed: Vec::new(),
            state: State::Delta { position },
            next: Stage::Done,
        }
    }

    /// Seals the page's checkpoint, and completes the entity with its last page.
    async fn page(
        &mut self,
        asker: &Asker,
        newest: Option<Mark>,
        draft: Draft,
        created: Vec<(Uuid, Key)>,
    ) -> Result<Vec<AnswerFrame>> {
        let last = matches!(draft.next, Stage::Done);
        let (store, position) = (asker.server.store.as_ref(), draft.state.position());
        let mark = asker.server.history.mark(store, newest, position).await?;
        let checkpoint = self.seals.seal(&Token {
            subject: self.subject.clone(),
            columns: self.columns,
            mark,
            state: draft.state,
        })?;
        self.rows += u64::try_from(draft.rows.len()).unwrap_or_default();
        let mut frames = vec![AnswerFrame::Page(Page {
            entity: self.request.entity.clone(),
            scope: self.request.scope.clone(),
            kind: draft.kind,
            rows: draft.rows,
            deleted: draft.deleted,
            removed: draft.removed,
            created,
            checkpoint,
            last,
        })];
        if last {
            tracing::debug!(entity = self.request.entity, rows = self.rows, "complete");
            frames.push(self.state(AnswerState::Complete));
        }
        Ok(frames)
    }

    fn state(&self, state: AnswerState) -> AnswerFrame {
        AnswerFrame::Entity(EntityAnswer {
            entity: self.request.entity.clone(),
            scope: self.request.scope.clone(),
            state,
        })
    }
}

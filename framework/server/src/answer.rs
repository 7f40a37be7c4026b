//! The answer: outcomes first, then each entity's pages, made one at a time as they are asked for.

use crate::catalog::shown;
use crate::checkpoint::Seals;
use crate::echo::Echo;
use crate::entity::EntityPages;
use crate::metrics;
use crate::receipt::Owner;
use crate::request::{Asked, Request};
use crate::seen::Seen;
use crate::server::Inner;
use crate::together::FamilyPages;
use onsync_core::error::{Error, Result};
use onsync_core::family::Families;
use onsync_core::policy::Principal;
use onsync_core::portable_async;
use onsync_core::transport::Answer;
use onsync_core::wire::{AnswerFrame, AnswerState, EntityAnswer, OutcomeFrame, Welcome, WireError};
use std::collections::VecDeque;
use std::sync::Arc;
use tracing::Instrument as _;

/// What all entities of one answer share.
pub(crate) struct Asker {
    /// The server.
    pub(crate) server: Arc<Inner>,
    /// Who asks.
    pub(crate) principal: Principal,
    /// From which device instance.
    pub(crate) owner: Owner,
    /// Up to which number that device has settled its mutations.
    pub(crate) settled_to: u64,
}

/// What is being answered.
enum Current {
    Entity(Box<EntityPages>),
    /// Several entities that are seen as one.
    Family(FamilyPages),
}

/// The answer to one request. Holds at most one page, or what changed in one entity family up to the group limit.
pub(crate) struct ServerAnswer {
    asker: Asker,
    echo: Echo,
    seals: Option<Arc<Seals>>,
    ready: VecDeque<AnswerFrame>,
    waiting: VecDeque<Vec<Asked>>,
    current: Option<Current>,
    ended: bool,
    span: tracing::Span,
}

impl ServerAnswer {
    /// Begins with the outcomes.
    pub(crate) fn new(
        asker: Asker,
        request: Request,
        outcomes: Vec<OutcomeFrame>,
        echo: Echo,
        seen: Seen,
        span: tracing::Span,
    ) -> Self {
        let families = &asker.server.catalog.families;
        let pulled = request.asked.into_iter().filter(|asked| asked.request.pull);
        let waiting = by_family(families, pulled);
        let welcome = AnswerFrame::Welcome(Welcome {
            seen: seen.token,
            restored: seen.restored,
            ..Welcome::new()
        });
        Self {
            asker,
            echo,
            seals: seen.seals,
            ready: std::iter::once(welcome)
                .chain(outcomes.into_iter().map(AnswerFrame::Outcome))
                .collect(),
            waiting,
            current: None,
            ended: false,
            span,
        }
    }

    /// Makes the next frames: one page at most.
    async fn advance(&mut self) {
        match self.current.take() {
            Some(Current::Entity(mut pages)) => match pages.next(&self.asker).await {
                Ok(frames) => {
                    self.ready.extend(frames);
                    self.current = (!pages.is_done()).then_some(Current::Entity(pages));
                }
                Err(error) => self.fail(&pages.request.entity, &pages.request.scope, &error),
            },
            Some(Current::Family(mut pages)) => {
                match pages.next(&self.asker).await {
                    Ok(frames) => self.ready.extend(frames),
                    Err((one, error)) => self.fail(&one.request.entity, &one.request.scope, &error),
                }
                self.current = (!pages.is_done()).then_some(Current::Family(pages));
            }
            None => match self.waiting.pop_front() {
                Some(asked) => self.current = self.begin_all(asked).await,
                None => {
                    self.ready.push_back(AnswerFrame::End {});
                    self.ended = true;
                }
            },
        }
    }

    /// Begins what is answered together; what cannot be begun is told.
    async fn begin_all(&mut self, all: Vec<Asked>) -> Option<Current> {
        let families = &self.asker.server.catalog.families;
        let family = all
            .first()
            .is_some_and(|asked| families.of(&asked.request.entity).is_some());
        let mut begun = Vec::with_capacity(all.len());
        for asked in all {
            let (entity, scope) = (asked.request.entity.clone(), asked.request.scope.clone());
            match self.begin(asked).await {
                Ok(pages) => begun.push(pages),
                Err(error) => self.fail(&entity, &scope, &error),
            }
        }
        match family {
            true => Some(Current::Family(FamilyPages::new(begun))),
            false => begun.pop().map(|pages| Current::Entity(Box::new(pages))),
        }
    }

    async fn begin(&mut self, asked: Asked) -> Result<EntityPages> {
        let target = asked.target?;
        let seals = match &self.seals {
            Some(seals) => Arc::clone(seals),
            None => Arc::new(Seals::load(self.asker.server.store.as_ref()).await?),
        };
        self.seals = Some(Arc::clone(&seals));
        let held = self.echo.take(&asked.request.entity);
        Ok(EntityPages::new(&self.asker, asked.request, target, seals, held))
    }

    fn fail(&mut self, entity: &str, scope: &str, error: &Error) {
        tracing::warn!(
            entity = shown(entity),
            code = error.code(),
            kind = error.kind().as_str(),
            "an entity could not be answered"
        );
        tracing::debug!(%error, "an entity could not be answered");
        metrics::failed(error.code());
        self.ready.push_back(AnswerFrame::Entity(EntityAnswer {
            entity: entity.to_owned(),
            scope: scope.to_owned(),
            state: AnswerState::Failed(WireError::from(error)),
        }));
    }
}

/// What is answered one after the other: entities in the order asked for, those of one family together, parents first.
fn by_family(families: &Families, asked: impl Iterator<Item = Asked>) -> VecDeque<Vec<Asked>> {
    let mut all: VecDeque<Vec<Asked>> = VecDeque::new();
    for asked in asked {
        let family = families.of(&asked.request.entity);
        let same = |other: &&mut Vec<Asked>| {
            let first = other.first();
            family.is_some() && first.is_some_and(|first| families.of(&first.request.entity) == family)
        };
        match all.iter_mut().find(same) {
            Some(others) => others.push(asked),
            None => all.push_back(vec![asked]),
        }
    }
    for of_one in &mut all {
        let first = of_one
            .first()
            .and_then(|first| families.of(&first.request.entity));
        let order = first.map_or(&[][..], |family| families.entities(family));
        of_one.sort_by_key(|asked| order.iter().position(|name| *name == asked.request.entity));
    }
    all
}

#[portable_async]
impl Answer for ServerAnswer {
    async fn next(&mut self) -> Result<Option<AnswerFrame>> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                if let AnswerFrame::Page(page) = &frame {
                    metrics::page(page);
                }
                return Ok(Some(frame));
            }
            if self.ended {
                return Ok(None);
            }
            let span = self.span.clone();
            self.advance().instrument(span).await;
        }
    }

    fn bytes(&self) -> u64 {
        0
    }
}

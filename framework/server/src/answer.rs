//! The answer: outcomes first, then each entity's pages, made one at a time as they are asked for.

use crate::catalog::shown;
use crate::checkpoint::Seals;
use crate::echo::Echo;
use crate::entity::EntityPages;
use crate::receipt::Owner;
use crate::request::{Asked, Request};
use crate::server::Inner;
use onsync_core::error::{Error, Result};
use onsync_core::policy::Principal;
use onsync_core::portable_async;
use onsync_core::transport::Answer;
use onsync_core::wire::{AnswerFrame, AnswerState, EntityAnswer, OutcomeFrame, PROTOCOL, Welcome, WireError};
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

/// The answer to one request. Holds at most one page.
pub(crate) struct ServerAnswer {
    asker: Asker,
    echo: Echo,
    seals: Option<Arc<Seals>>,
    ready: VecDeque<AnswerFrame>,
    waiting: VecDeque<Asked>,
    current: Option<EntityPages>,
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
        span: tracing::Span,
    ) -> Self {
        let welcome = AnswerFrame::Welcome(Welcome { protocol: PROTOCOL });
        Self {
            asker,
            echo,
            seals: None,
            ready: std::iter::once(welcome)
                .chain(outcomes.into_iter().map(AnswerFrame::Outcome))
                .collect(),
            waiting: request
                .asked
                .into_iter()
                .filter(|asked| asked.request.pull)
                .collect(),
            current: None,
            ended: false,
            span,
        }
    }

    /// Makes the next frames: one page at most.
    async fn advance(&mut self) {
        if let Some(mut pages) = self.current.take() {
            match pages.next(&self.asker).await {
                Ok(frames) => {
                    self.ready.extend(frames);
                    self.current = (!pages.is_done()).then_some(pages);
                }
                Err(error) => self.fail(&pages.request.entity, &pages.request.scope, &error),
            }
        } else if let Some(asked) = self.waiting.pop_front() {
            let (entity, scope) = (asked.request.entity.clone(), asked.request.scope.clone());
            match self.begin(asked).await {
                Ok(pages) => self.current = Some(pages),
                Err(error) => self.fail(&entity, &scope, &error),
            }
        } else {
            self.ready.push_back(AnswerFrame::End {});
            self.ended = true;
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
        self.ready.push_back(AnswerFrame::Entity(EntityAnswer {
            entity: entity.to_owned(),
            scope: scope.to_owned(),
            state: AnswerState::Failed(WireError::from(error)),
        }));
    }
}

#[portable_async]
impl Answer for ServerAnswer {
    async fn next(&mut self) -> Result<Option<AnswerFrame>> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
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

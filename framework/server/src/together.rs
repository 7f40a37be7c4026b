//! The entities of one family in an answer: what changed in all of them is read from one view, so that no child comes without its
//! parent.
//!
//! Full sets come first, page by page. What changed since then, and what changed for entities that the device has, is
//! answered from one view as long as it stays within the group limit; beyond it page by page. Parents always come first.

use crate::answer::Asker;
use crate::entity::{Draft, EntityPages};
use crate::history::{self, Mark};
use onsync_core::error::{Error, Result};
use onsync_core::record::Key;
use onsync_core::wire::AnswerFrame;
use std::collections::VecDeque;
use uuid::Uuid;

/// Makes the frames of the entities of one family.
pub(crate) struct FamilyPages {
    /// Not begun, or with pages of a full set left; parents first.
    apart: VecDeque<EntityPages>,
    /// Whose changes are still to be told; parents first.
    together: VecDeque<EntityPages>,
    /// Too much changed for one view.
    large: bool,
    failed: VecDeque<Failed>,
}

/// An entity that failed, and why.
type Failed = (Box<EntityPages>, Error);

/// A page, if there is something to tell, and the keys of own creates that go with it.
type Drafted = Option<(Draft, Vec<(Uuid, Key)>)>;

/// What was read from one view: for each entity its pages, up to one where it failed.
struct Read {
    newest: Option<Mark>,
    pages: Vec<Vec<Drafted>>,
    failed: Option<(usize, Error)>,
}

impl FamilyPages {
    /// Of these entities, parents first.
    pub(crate) fn new(members: impl IntoIterator<Item = EntityPages>) -> Self {
        Self {
            apart: members.into_iter().map(EntityPages::together).collect(),
            together: VecDeque::new(),
            large: false,
            failed: VecDeque::new(),
        }
    }

    /// Whether nothing follows.
    pub(crate) fn is_done(&self) -> bool {
        self.apart.is_empty() && self.together.is_empty() && self.failed.is_empty()
    }

    /// The next frames: a page, or all that changed.
    ///
    /// # Errors
    /// Those of one entity, which ends it. The others go on.
    pub(crate) async fn next(&mut self, asker: &Asker) -> Result<Vec<AnswerFrame>, Failed> {
        if let Some(failed) = self.failed.pop_front() {
            return Err(failed);
        }
        while let Some(mut member) = self.apart.pop_front() {
            match member.next_apart(asker).await {
                Ok(Some(frames)) => {
                    self.apart.push_front(member);
                    return Ok(frames);
                }
                Ok(None) => self.together.push_back(member),
                Err(error) => return Err((Box::new(member), error)),
            }
        }
        match self.large {
            false => Ok(self.at_once(asker).await),
            true => self.one_page(asker).await,
        }
    }

    /// All that changed, or as much as the limit allows.
    async fn at_once(&mut self, asker: &Asker) -> Vec<AnswerFrame> {
        let mut members = std::mem::take(&mut self.together);
        let read = match self.read(asker, &mut members).await {
            Ok(read) => read,
            Err(error) => {
                let failed = members
                    .into_iter()
                    .map(|member| (Box::new(member), error.clone()));
                self.failed.extend(failed);
                return Vec::new();
            }
        };
        let mut frames = Vec::new();
        let mut pages = read.pages.into_iter();
        for (at, mut member) in members.into_iter().enumerate() {
            let drafts = pages.next().unwrap_or_default();
            let told = !drafts.is_empty() && member.is_done();
            let mut failed = read
                .failed
                .as_ref()
                .filter(|(place, _)| *place == at)
                .map(|(_, error)| error.clone());
            for draft in drafts {
                match member.frames(asker, read.newest, None, draft).await {
                    Ok(made) => frames.extend(made),
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            match failed {
                Some(error) => self.failed.push_back((Box::new(member), error)),
                None if told => {}
                None => self.together.push_back(member),
            }
        }
        self.large = !self.together.is_empty();
        frames
    }

    /// Reads from one view until everything is told, the limit is reached, or an entity fails.
    async fn read(&self, asker: &Asker, members: &mut VecDeque<EntityPages>) -> Result<Read> {
        let limits = &asker.server.limits;
        let mut snapshot = asker.server.store.read().await?;
        let mut read = Read {
            newest: history::newest(snapshot.as_mut()).await?,
            pages: Vec::with_capacity(members.len()),
            failed: None,
        };
        let (mut records, mut bytes) = (0, 0);
        for (at, member) in members.iter_mut().enumerate() {
            let mut drafts = Vec::new();
            let mut result = member.rejoin(snapshot.as_mut()).await;
            while result.is_ok() && records <= limits.group_records && bytes <= limits.group_bytes {
                match member.drafted(asker, snapshot.as_mut()).await {
                    Ok(drafted) => {
                        let size = drafted.as_ref().map_or((0, 0), |(draft, _)| draft.size());
                        records += size.0;
                        bytes += size.1;
                        drafts.push(drafted);
                    }
                    Err(error) => result = Err(error),
                }
                if member.is_done() {
                    break;
                }
            }
            read.pages.push(drafts);
            if let Err(error) = result {
                read.failed = Some((at, error));
                break;
            }
        }
        Ok(read)
    }

    /// One page of the first entity that has something left to tell.
    async fn one_page(&mut self, asker: &Asker) -> Result<Vec<AnswerFrame>, Failed> {
        let Some(mut member) = self.together.pop_front() else {
            return Ok(Vec::new());
        };
        match member.next(asker).await {
            Ok(frames) => {
                if !member.is_done() {
                    self.together.push_front(member);
                }
                Ok(frames)
            }
            Err(error) => Err((Box::new(member), error)),
        }
    }
}

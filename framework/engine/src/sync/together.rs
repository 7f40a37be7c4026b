//! Together: what arrives for the entities of one family is held back until all of it is here, and written in one transaction.
//!
//! Only changes are held back, and only up to the group limit, in memory: an answer that is cut off leaves nothing of them, and the
//! checkpoints stay where they were. What is beyond the limit, and full sets, are written page by page as they come, parents first.

use super::exchange::Run;
use super::{Syncer, apply};
use onsync_core::Result;
use onsync_core::ordered::{BTreeMap, BTreeSet};
use onsync_core::page::{Checkpoint, Page, PageKind};

/// A page, and the checkpoint that it continues.
pub(super) type Arrived = (Page, Option<Checkpoint>);

/// What is held back of one answer, by family.
#[derive(Default)]
pub(super) struct HeldBack {
    families: BTreeMap<usize, Held>,
}

#[derive(Default)]
struct Held {
    /// Entities whose answer has not ended.
    open: BTreeSet<String>,
    /// Entities whose answer was complete.
    complete: Vec<String>,
    pages: Vec<Arrived>,
    records: usize,
    bytes: usize,
    /// More arrived than may be held back.
    large: bool,
}

impl HeldBack {
    /// Of an answer about these entities.
    pub(super) fn new<'a>(syncer: &Syncer, asked: impl Iterator<Item = &'a String>) -> Self {
        let mut held = Self::default();
        for name in asked {
            if let Some(family) = syncer.families.of(name) {
                held.families.entry(family).or_default().open.insert(name.clone());
            }
        }
        held
    }

    /// Whether everything that came is written.
    pub(super) fn is_empty(&self) -> bool {
        self.families.values().all(|held| held.pages.is_empty())
    }

    /// Takes a page: writes it, or holds it back. True if the family's changes come piece by piece.
    pub(super) async fn page(
        &mut self,
        run: &mut Run<'_>,
        page: Page,
        expected: Option<Checkpoint>,
    ) -> Result<bool> {
        let syncer = run.syncer;
        let family = syncer.families.of(&page.entity);
        let Some(held) = family.and_then(|family| self.families.get_mut(&family)) else {
            return apply::apply(run, vec![(page, expected)]).await;
        };
        if held.large || !matches!(page.kind, PageKind::Delta) {
            // What came before continues another checkpoint.
            held.write(run).await?;
            apply::apply(run, vec![(page, expected)]).await?;
            return Ok(true);
        }
        held.records += page.rows.len() + page.deleted.len() + page.removed.len();
        held.bytes += page.rows.size();
        held.pages.push((page, expected));
        held.large = held.records > syncer.limits.group_limit || held.bytes > syncer.limits.group_bytes;
        if held.large {
            held.in_order(syncer, family);
            for arrived in std::mem::take(&mut held.pages) {
                apply::apply(run, vec![arrived]).await?;
            }
        }
        Ok(held.large)
    }

    /// The whole answer ended: nothing is held back any more.
    pub(super) async fn end_all(&mut self, run: &mut Run<'_>) -> Result<()> {
        for (family, held) in &mut self.families {
            held.in_order(run.syncer, Some(*family));
            held.write(run).await?;
        }
        Ok(())
    }

    /// An entity's answer ended, completely or not. With the last of its family everything becomes visible.
    pub(super) async fn end(&mut self, run: &mut Run<'_>, name: &str, complete: bool) -> Result<()> {
        let family = run.syncer.families.of(name);
        let Some(held) = family.and_then(|family| self.families.get_mut(&family)) else {
            if complete {
                apply::complete(run, name).await?;
            }
            return Ok(());
        };
        held.open.remove(name);
        if complete {
            held.complete.push(name.to_owned());
        }
        if held.open.is_empty() {
            held.in_order(run.syncer, family);
            held.write(run).await?;
            for name in std::mem::take(&mut held.complete) {
                apply::complete(run, &name).await?;
            }
        }
        Ok(())
    }
}

impl Held {
    /// Parents first; the pages of one entity stay in their order.
    fn in_order(&mut self, syncer: &Syncer, family: Option<usize>) {
        let order = family.map_or(&[][..], |family| syncer.families.entities(family));
        self.pages
            .sort_by_key(|(page, _)| order.iter().position(|name| *name == page.entity));
    }

    /// Writes all in one transaction.
    async fn write(&mut self, run: &mut Run<'_>) -> Result<()> {
        let pages = std::mem::take(&mut self.pages);
        match pages.is_empty() {
            true => Ok(()),
            false => apply::apply(run, pages).await.map(drop),
        }
    }
}

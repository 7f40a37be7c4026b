//! View, plan, write: what one page does to the records of its entity.
//!
//! Clean records take what arrives, in bulk. For dirty ones the pattern decides, inside the transaction that writes.

use super::conflicts::{self, Sides};
use super::exchange::Run;
use super::keys::{Keys, note_issued, put_row};
use super::settle::same;
use onsync_core::mutation::BinReason;
use onsync_core::ordered::BTreeMap;
use onsync_core::page::{KeyRange, Page, PageKind};
use onsync_core::pattern::{Action, DirtyRecord, InFlight, Incoming, ViewNeed};
use onsync_core::schema::EntitySchema;
use onsync_core::store::local::{LocalTransaction, Overlay, RecordState};
use onsync_core::{Key, Result, Row, Value};

/// Writes pages of one entity in one transaction.
pub(super) struct PageWriter<'a, 'r, 't> {
    run: &'a mut Run<'r>,
    tx: &'a mut (dyn LocalTransaction + 't),
    entity: &'a EntitySchema,
}

/// What arrives for one record, owned.
enum Arrival {
    Row(Row),
    Deleted,
    Removed,
}

impl<'a, 'r, 't> PageWriter<'a, 'r, 't> {
    pub(super) fn new(
        run: &'a mut Run<'r>,
        tx: &'a mut (dyn LocalTransaction + 't),
        entity: &'a EntitySchema,
    ) -> Self {
        Self { run, tx, entity }
    }

    pub(super) async fn write(mut self, mut page: Page) -> Result<()> {
        let schema = self.run.syncer.schema.clone();
        let told = std::mem::take(&mut page.created);
        for (created, key) in onsync_core::mutant!("an-early-copy-is-another-record", told, Vec::new()) {
            note_issued(self.tx, &schema, created, &key).await?;
        }
        let positions: Vec<usize> = (0..self.entity.attributes.len())
            .filter(|index| !self.entity.attributes[*index].local)
            .collect();
        let keys = Keys::of(self.tx, &schema, self.entity).await?;
        keys.page_to_local(self.tx, &mut page, &positions).await?;
        let page_keys = self.page_keys(&page, &positions);
        let mut gone = self.absent(&keys, &page, &page_keys).await?;
        gone.extend(
            std::mem::take(&mut page.deleted)
                .into_iter()
                .map(|key| (key, Arrival::Deleted)),
        );
        gone.extend(
            std::mem::take(&mut page.removed)
                .into_iter()
                .map(|key| (key, Arrival::Removed)),
        );
        let dirty = self.dirty(&page, &page_keys, &gone).await?;
        if !dirty.is_empty() {
            self.plan_rows(&mut page, &positions, &page_keys, &dirty).await?;
        }
        self.put_clean(&mut page, &positions).await?;
        self.remove(gone, &dirty, &page.kind).await
    }

    /// The local keys of the page's rows.
    fn page_keys(&self, page: &Page, positions: &[usize]) -> Vec<Key> {
        let columns: Vec<usize> = self
            .entity
            .key_indexes()
            .into_iter()
            .filter_map(|index| positions.iter().position(|position| *position == index))
            .collect();
        (0..page.rows.len())
            .map(|row| {
                Key(columns
                    .iter()
                    .map(|column| page.rows.value(row, *column))
                    .collect())
            })
            .collect()
    }

    /// Records that stand here or were deleted here, in the range of a snapshot page, and not in the page: the server has them no more.
    async fn absent(
        &mut self,
        keys: &Keys<'_>,
        page: &Page,
        page_keys: &[Key],
    ) -> Result<Vec<(Key, Arrival)>> {
        let PageKind::Snapshot(range) = &page.kind else {
            return Ok(Vec::new());
        };
        let mut here = keys.keys_in(self.tx, range).await?;
        let looks = self.run.syncer.pattern(&page.entity)?.view() != ViewNeed::Nothing;
        if looks {
            here.extend(keys.deleted_in(self.tx, range).await?);
        }
        if onsync_core::mutant!("a-refetch-removes-nothing", here.is_empty(), true) {
            return Ok(Vec::new());
        }
        let named: std::collections::HashSet<&Key> = page_keys.iter().collect();
        Ok(here
            .into_iter()
            .filter(|key| !named.contains(key))
            .map(|key| (key, Arrival::Deleted))
            .collect())
    }

    /// The overlays of records the page is about.
    async fn dirty(
        &mut self,
        page: &Page,
        page_keys: &[Key],
        gone: &[(Key, Arrival)],
    ) -> Result<BTreeMap<Key, Overlay>> {
        let pattern = self.run.syncer.pattern(&page.entity)?;
        if onsync_core::mutant!("pages-go-over-edits", pattern.view() == ViewNeed::Nothing, true)
            || self
                .tx
                .overlays_in(self.entity, &KeyRange::all(), 1)
                .await?
                .is_empty()
        {
            return Ok(BTreeMap::new());
        }
        let mut named: Vec<Key> = page_keys.to_vec();
        named.extend(gone.iter().map(|(key, _)| key.clone()));
        let found = self.tx.overlays(self.entity, &named).await?;
        Ok(named
            .into_iter()
            .zip(found)
            .filter_map(|(key, overlay)| Some((key, overlay?)))
            .collect())
    }

    /// Lets the pattern decide about dirty records the page has rows of, and takes these rows out of the page.
    async fn plan_rows(
        &mut self,
        page: &mut Page,
        positions: &[usize],
        page_keys: &[Key],
        dirty: &BTreeMap<Key, Overlay>,
    ) -> Result<()> {
        let mut keep = vec![true; page.rows.len()];
        for (row, key) in page_keys.iter().enumerate() {
            let Some(overlay) = dirty.get(key) else { continue };
            keep[row] = false;
            let mine = self
                .tx
                .get(self.entity, std::slice::from_ref(key))
                .await?
                .pop()
                .flatten();
            let local = mine.as_ref().or(overlay.base.as_ref());
            let mut incoming: Row = match local {
                Some(local) => local.clone(),
                None => vec![Value::Null; self.entity.attributes.len()],
            };
            for (column, index) in positions.iter().enumerate() {
                incoming[*index] = page.rows.value(row, column);
            }
            self.run.summary.received += 1;
            self.plan(overlay.clone(), mine, Arrival::Row(incoming), &page.kind)
                .await?;
        }
        page.rows.retain(&keep);
        Ok(())
    }

    /// Lets the pattern decide about one dirty record and performs what it says.
    async fn plan(
        &mut self,
        mut overlay: Overlay,
        mine: Option<Row>,
        arrival: Arrival,
        kind: &PageKind,
    ) -> Result<()> {
        let entity = self.entity;
        let in_flight = self.in_flight(&overlay).await?;
        let conflicted = overlay.state == RecordState::Conflicted;
        let base = conflicts::planning_base(self.tx, entity, &overlay).await?;
        let dirty = DirtyRecord {
            entity,
            base: base.as_ref(),
            mine: mine.as_ref(),
            in_flight: in_flight.as_ref(),
        };
        let incoming = match &arrival {
            Arrival::Row(row) => Incoming::Row(row),
            Arrival::Deleted => Incoming::Deleted,
            Arrival::Removed => Incoming::Removed,
        };
        let action = self
            .run
            .syncer
            .pattern(&entity.name)?
            .plan(&dirty, incoming, kind);
        let row = match arrival {
            Arrival::Row(row) => Some(row),
            Arrival::Deleted | Arrival::Removed => None,
        };
        match action {
            Action::Keep if conflicted && row.is_none() => {
                conflicts::end_by_deletion(self.tx, entity, overlay, in_flight.is_some()).await
            }
            Action::Keep => Ok(()),
            Action::Rebase { visible } => {
                if let Some(visible) = visible.as_ref().filter(|visible| Some(*visible) != mine.as_ref()) {
                    put_row(self.tx, entity, visible.clone()).await?;
                } else if visible.is_none() && mine.is_some() {
                    self.tx.remove(entity, std::slice::from_ref(&overlay.key)).await?;
                }
                let clean = match (&visible, &row) {
                    (Some(visible), Some(row)) => in_flight.is_none() && same(entity, visible, row),
                    _ => false,
                };
                conflicts::reopen(self.tx, entity, &mut overlay, in_flight.is_some()).await?;
                if clean {
                    return self.clean(&overlay).await;
                }
                if in_flight.is_some() && base != row {
                    conflicts::keep_base(self.tx, entity, &overlay.key, base.as_ref()).await?;
                }
                overlay.base = row;
                self.tx.put_overlay(entity, &overlay).await
            }
            Action::Discard(reason) => {
                self.discard(&overlay.key, mine, reason).await?;
                self.accept(overlay, row).await
            }
            Action::Accept => self.accept(overlay, row).await,
            Action::Conflict(_) if onsync_core::mutant!("a-conflict-is-lost-to-the-server", false, true) => {
                self.accept(overlay, row).await
            }
            Action::Conflict(_) => {
                let sides = Sides {
                    base,
                    mine,
                    theirs: row,
                    awaits_outcome: in_flight.is_some(),
                };
                conflicts::make_durable(self.run, self.tx, entity, overlay, sides).await
            }
        }
    }

    async fn discard(&mut self, key: &Key, mine: Option<Row>, reason: BinReason) -> Result<()> {
        let Some(mine) = mine else { return Ok(()) };
        self.run.summary.discarded += 1;
        let values = self.entity.fields(mine);
        self.run
            .syncer
            .discard(self.tx, &self.entity.name, key, reason, values)
            .await
    }

    /// The record takes what arrives, or leaves; it is clean from now on.
    async fn accept(&mut self, overlay: Overlay, row: Option<Row>) -> Result<()> {
        match row {
            Some(row) => put_row(self.tx, self.entity, row).await?,
            None => {
                self.run.summary.removed += 1;
                self.tx
                    .remove(self.entity, std::slice::from_ref(&overlay.key))
                    .await?;
            }
        }
        self.clean(&overlay).await
    }

    /// Nothing unsent is left: neither the overlay nor what is listed about it.
    async fn clean(&mut self, overlay: &Overlay) -> Result<()> {
        match overlay.state {
            RecordState::Rejected => {
                super::cut::forget_rejections(self.tx, self.entity, &overlay.key).await?;
            }
            RecordState::Conflicted => {
                super::open_conflicts::forget(self.tx, self.entity, &overlay.key).await?;
            }
            RecordState::Waiting | RecordState::InFlight => {}
        }
        self.tx.remove_overlay(self.entity, &overlay.key).await
    }

    async fn in_flight(&mut self, overlay: &Overlay) -> Result<Option<InFlight>> {
        let outbox = self.run.outbox(self.tx).await?;
        outbox.in_flight(self.tx, &self.entity.name, &overlay.key).await
    }

    /// Writes the rows of clean records; a whole refresh writes only those that differ.
    async fn put_clean(&mut self, page: &mut Page, positions: &[usize]) -> Result<()> {
        self.run.summary.received += page.rows.len() as u64;
        if page.rows.is_empty() {
            return Ok(());
        }
        if self.run.syncer.pattern(&page.entity)?.whole_refresh() {
            let keys = self.page_keys(page, positions);
            let here = self.tx.get(self.entity, &keys).await?;
            let keep: Vec<bool> = here
                .iter()
                .enumerate()
                .map(|(row, found)| {
                    found.as_ref().is_none_or(|found| {
                        positions
                            .iter()
                            .enumerate()
                            .any(|(column, index)| found[*index] != page.rows.value(row, column))
                    })
                })
                .collect();
            page.rows.retain(&keep);
        }
        if page.rows.is_empty() {
            Ok(())
        } else {
            self.tx.put(self.entity, positions, &page.rows).await
        }
    }

    /// Removes records: clean ones in bulk, dirty ones as the pattern decides. Records the server never had stay.
    async fn remove(
        &mut self,
        gone: Vec<(Key, Arrival)>,
        dirty: &BTreeMap<Key, Overlay>,
        kind: &PageKind,
    ) -> Result<()> {
        let snapshot = matches!(kind, PageKind::Snapshot(_));
        let mut clean = Vec::new();
        for (key, arrival) in gone {
            match dirty.get(&key) {
                None => clean.push(key),
                Some(_) if onsync_core::mutant!("a-refetch-goes-over-edits", false, snapshot) => {
                    clean.push(key)
                }
                Some(overlay) if snapshot && overlay.base.is_none() => {}
                Some(overlay) => {
                    let mine = self
                        .tx
                        .get(self.entity, std::slice::from_ref(&key))
                        .await?
                        .pop()
                        .flatten();
                    self.plan(overlay.clone(), mine, arrival, kind).await?;
                }
            }
        }
        if clean.is_empty() {
            return Ok(());
        }
        self.run.summary.removed += clean.len() as u64;
        self.tx.remove(self.entity, &clean).await
    }
}

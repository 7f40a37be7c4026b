//! The outbox: mutations that were cut and have no outcome yet.
//!
//! What one cut made stands in a few rows of many mutations, each row under the number of its first: durable work is by the request,
//! not by the edit. Only a sync that holds the newest fence writes here, and each of its transactions checks that fence; so
//! what a step has read once it need not read again.

use super::areas::{self, Areas, CreatedRecord};
use super::pending::Held;
use onsync_core::mutation::Mutation;
use onsync_core::ordered::{BTreeMap, BTreeSet};
use onsync_core::pattern::InFlight;
use onsync_core::schema::Schema;
use onsync_core::store::local::LocalTransaction;
use onsync_core::{Fields, Key, Result, Row};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Mutations a row holds at most: one that is rewritten, or lost with a damaged page of the file, is a small part of a request.
const ROW: usize = 100;

/// A mutation that was cut and has no outcome yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OutboxEntry {
    pub(crate) mutation: Mutation,
    /// The record's local key.
    pub(crate) key: Key,
    /// What is on its way, with local keys in references.
    pub(crate) sent: InFlight,
    /// The record's edit number when it was cut.
    pub(crate) edit: u64,
    /// The columns over which the mutation's base version was computed.
    pub(crate) columns: Arc<[String]>,
}

impl OutboxEntry {
    /// About how many bytes it takes in a request.
    pub(super) fn size(&self) -> usize {
        let fields = |fields: &Fields| {
            let sizes = fields.iter().map(|(name, value)| name.len() + value.size() + 2);
            sizes.sum::<usize>()
        };
        128 + fields(&self.mutation.values) + fields(&self.mutation.base)
    }
}

/// A mutation of the request at hand.
pub(super) struct Cut {
    pub(super) entry: OutboxEntry,
    /// Base and visible row as they were when it was cut, if it sends all there is between them.
    pub(super) seen: Option<(Option<Row>, Option<Row>)>,
}

/// What a request does not take from the outbox.
#[derive(Clone, Copy)]
pub(super) struct Skipped<'a> {
    /// Mutations that were sent in this step.
    pub(super) sent: &'a BTreeSet<u64>,
    /// Entities that open conflicts hold back.
    pub(super) held: &'a Held,
    /// Mutations that refer to records in conflict.
    pub(super) waiting: &'a BTreeSet<u64>,
}

/// A row as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredRow<'a> {
    columns: BTreeMap<Cow<'a, str>, Cow<'a, [String]>>,
    entries: Vec<StoredEntry<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StoredEntry<'a> {
    mutation: Cow<'a, Mutation>,
    key: Cow<'a, Key>,
    /// The values sent with local keys, where these are others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    values: Option<Cow<'a, Fields>>,
    edit: u64,
}

fn stored<'a>(entries: impl Iterator<Item = &'a OutboxEntry>) -> StoredRow<'a> {
    let mut row = StoredRow {
        columns: BTreeMap::new(),
        entries: Vec::new(),
    };
    for entry in entries {
        let (entity, columns) = (entry.mutation.entity.as_str(), entry.columns.as_ref());
        row.columns
            .entry(Cow::Borrowed(entity))
            .or_insert(Cow::Borrowed(columns));
        let differs = entry.sent.values != entry.mutation.values;
        row.entries.push(StoredEntry {
            mutation: Cow::Borrowed(&entry.mutation),
            key: Cow::Borrowed(&entry.key),
            values: differs.then_some(Cow::Borrowed(&entry.sent.values)),
            edit: entry.edit,
        });
    }
    row
}

fn entries(row: StoredRow<'_>) -> Vec<OutboxEntry> {
    let columns: HashMap<String, Arc<[String]>> = row
        .columns
        .into_iter()
        .map(|(entity, columns)| (entity.into_owned(), columns.into_owned().into()))
        .collect();
    let entry = |stored: StoredEntry<'_>| {
        let mutation = stored.mutation.into_owned();
        let values = match stored.values {
            Some(values) => values.into_owned(),
            None => mutation.values.clone(),
        };
        OutboxEntry {
            key: stored.key.into_owned(),
            sent: InFlight {
                kind: mutation.kind,
                values,
            },
            edit: stored.edit,
            columns: columns.get(&mutation.entity).cloned().unwrap_or_default(),
            mutation,
        }
    };
    row.entries.into_iter().map(entry).collect()
}

/// What a step knows of the outbox: the numbers in it, and where they stand.
#[derive(Default)]
pub(super) struct Outbox {
    /// For each row, by the number it stands under, the numbers in it.
    rows: BTreeMap<u64, Vec<u64>>,
    /// For each mutation that refers to creates, the lowest of their numbers.
    needs: BTreeMap<u64, u64>,
    /// The row in which a record's mutation stands; made when it is first asked for, void when the outbox changes.
    records: Option<HashMap<String, HashMap<Key, u64>>>,
    /// The row read last.
    last: Option<(u64, Vec<OutboxEntry>)>,
}

impl Outbox {
    /// Reads what there is.
    pub(super) async fn read(tx: &mut dyn LocalTransaction) -> Result<Self> {
        let (mut outbox, mut after) = (Self::default(), None);
        while let Some((first, entries)) = next_row(tx, &mut after).await? {
            for entry in &entries {
                outbox.note_needs(tx, entry).await?;
            }
            outbox.note_row(first, entries.iter().map(|entry| entry.mutation.number));
        }
        Ok(outbox)
    }

    async fn note_needs(&mut self, tx: &mut dyn LocalTransaction, entry: &OutboxEntry) -> Result<()> {
        for reference in &entry.mutation.references {
            let created: Option<CreatedRecord> =
                tx.load(areas::CREATED, reference.created.as_bytes()).await?;
            if let Some(created) = created {
                let needed = self.needs.entry(entry.mutation.number).or_insert(u64::MAX);
                *needed = created.number.min(*needed);
            }
        }
        Ok(())
    }

    fn note_row(&mut self, first: u64, numbers: impl Iterator<Item = u64>) {
        let mut numbers: Vec<u64> = numbers.collect();
        numbers.sort_unstable();
        self.rows.insert(first, numbers);
        self.records = None;
    }

    /// The highest number in it.
    pub(super) fn highest(&self) -> Option<u64> {
        self.rows.values().flatten().copied().max()
    }

    /// The number up to which no outcome is missing and no waiting mutation refers to a create.
    pub(super) fn settled_to(&self, next_number: u64) -> u64 {
        let waiting = self.rows.values().flatten().copied();
        let needed = self.needs.values().copied();
        waiting
            .chain(needed)
            .min()
            .unwrap_or(next_number)
            .min(next_number)
            .saturating_sub(1)
    }

    /// Stores what was just cut. Its numbers are greater than those before.
    pub(super) async fn add(&mut self, tx: &mut dyn LocalTransaction, cut: &[Cut]) -> Result<()> {
        for part in cut.chunks(ROW) {
            let Some(first) = part.first().map(|cut| cut.entry.mutation.number) else {
                continue;
            };
            let row = stored(part.iter().map(|cut| &cut.entry));
            tx.store(areas::OUTBOX, &first.to_be_bytes(), &row).await?;
            for cut in part {
                self.note_needs(tx, &cut.entry).await?;
            }
            self.note_row(first, part.iter().map(|cut| cut.entry.mutation.number));
        }
        Ok(())
    }

    /// Mutations that were not sent yet, as many as a request holds: so many and so many bytes. Those of an entity that is not configured any more stay where
    /// they are, for the day it is again. True if there are more.
    pub(super) async fn unsent(
        &mut self,
        tx: &mut dyn LocalTransaction,
        schema: &Schema,
        skipped: Skipped<'_>,
        most: usize,
        most_bytes: usize,
    ) -> Result<(Vec<Cut>, bool)> {
        let (mut batch, mut bytes, mut more) = (Vec::new(), 0, false);
        let mut groups = BTreeSet::new();
        let rows = self.rows.iter();
        let open: Vec<u64> = rows
            .filter(|(_, numbers)| numbers.iter().any(|number| !skipped.sent.contains(number)))
            .map(|(first, _)| *first)
            .collect();
        for first in open {
            for entry in self.row(tx, first).await? {
                let entity = &entry.mutation.entity;
                let waits = schema.entity(entity).is_err() || skipped.held.holds(entity);
                let number = &entry.mutation.number;
                if waits || skipped.sent.contains(number) || skipped.waiting.contains(number) {
                    continue;
                }
                // What belongs to one group is never divided.
                let group = entry.mutation.group;
                let begun = group.is_some_and(|group| groups.contains(&group));
                let full = batch.len() >= most || bytes + entry.size() > most_bytes;
                if (full || more) && !begun && !batch.is_empty() {
                    more = true;
                    if groups.is_empty() {
                        return Ok((batch, true));
                    }
                    continue;
                }
                bytes += entry.size();
                groups.extend(group);
                batch.push(Cut {
                    entry: entry.clone(),
                    seen: None,
                });
            }
        }
        Ok((batch, more))
    }

    /// What is on its way of a record.
    pub(super) async fn in_flight(
        &mut self,
        tx: &mut dyn LocalTransaction,
        entity: &str,
        key: &Key,
    ) -> Result<Option<InFlight>> {
        let Some(first) = self.row_of(tx, entity, key).await? else {
            return Ok(None);
        };
        let entries = self.row(tx, first).await?;
        let found = entries
            .iter()
            .find(|entry| entry.mutation.entity == entity && &entry.key == key);
        Ok(found.map(|entry| entry.sent.clone()))
    }

    /// Whether a mutation of a record has no outcome yet.
    pub(super) async fn holds_any_of(
        &mut self,
        tx: &mut dyn LocalTransaction,
        entity: &str,
        key: &Key,
    ) -> Result<bool> {
        Ok(self.row_of(tx, entity, key).await?.is_some())
    }

    /// The row in which a record's mutation stands.
    async fn row_of(
        &mut self,
        tx: &mut dyn LocalTransaction,
        entity: &str,
        key: &Key,
    ) -> Result<Option<u64>> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        if self.records.is_none() {
            let mut records: HashMap<String, HashMap<Key, u64>> = HashMap::new();
            let mut after = None;
            while let Some((first, entries)) = next_row(tx, &mut after).await? {
                for entry in entries {
                    let of_entity = records.entry(entry.mutation.entity).or_default();
                    of_entity.insert(entry.key, first);
                }
            }
            self.records = Some(records);
        }
        let records = self.records.as_ref();
        Ok(records.and_then(|records| records.get(entity)?.get(key)).copied())
    }

    /// Removes mutations that have their outcome.
    pub(super) async fn settle(
        &mut self,
        tx: &mut dyn LocalTransaction,
        numbers: &BTreeSet<u64>,
    ) -> Result<()> {
        let rows = self.rows.iter();
        let touched: Vec<u64> = rows
            .filter(|(_, held)| held.iter().any(|number| numbers.contains(number)))
            .map(|(first, _)| *first)
            .collect();
        for first in touched {
            let all = self
                .rows
                .get(&first)
                .is_some_and(|held| held.iter().all(|number| numbers.contains(number)));
            if all {
                tx.area_remove(areas::OUTBOX, &first.to_be_bytes()).await?;
                self.rows.remove(&first);
                continue;
            }
            let rest = self.row(tx, first).await?;
            let rest = rest
                .iter()
                .filter(|entry| !numbers.contains(&entry.mutation.number));
            tx.store(areas::OUTBOX, &first.to_be_bytes(), &stored(rest))
                .await?;
            if let Some(held) = self.rows.get_mut(&first) {
                held.retain(|number| !numbers.contains(number));
            }
        }
        self.needs.retain(|number, _| !numbers.contains(number));
        (self.records, self.last) = (None, None);
        Ok(())
    }

    /// Whether a mutation has no outcome yet.
    pub(super) fn holds(&self, number: u64) -> bool {
        let row = self.rows.range(..=number).next_back();
        row.is_some_and(|(_, numbers)| numbers.binary_search(&number).is_ok())
    }

    /// Everything in it, by number.
    pub(super) async fn all(&self, tx: &mut dyn LocalTransaction) -> Result<Vec<OutboxEntry>> {
        let (mut all, mut after) = (Vec::new(), None);
        while let Some((_, entries)) = next_row(tx, &mut after).await? {
            all.extend(entries);
        }
        Ok(all)
    }

    /// The numbers under which its rows stand.
    pub(super) fn rows(&self) -> Vec<u64> {
        self.rows.keys().copied().collect()
    }

    /// The mutations of a row.
    pub(super) async fn row(&mut self, tx: &mut dyn LocalTransaction, first: u64) -> Result<&[OutboxEntry]> {
        if self.last.as_ref().is_none_or(|(known, _)| *known != first) {
            let row: Option<StoredRow<'static>> = tx.load(areas::OUTBOX, &first.to_be_bytes()).await?;
            self.last = Some((first, row.map(entries).unwrap_or_default()));
        }
        Ok(self.last.as_ref().map_or(&[], |(_, entries)| entries.as_slice()))
    }
}

/// The next row of the outbox, by number.
async fn next_row(
    tx: &mut dyn LocalTransaction,
    after: &mut Option<Vec<u8>>,
) -> Result<Option<(u64, Vec<OutboxEntry>)>> {
    let mut found = tx
        .list::<StoredRow<'static>>(areas::OUTBOX, after.as_deref(), 1)
        .await?;
    let Some((key, row)) = found.pop() else {
        return Ok(None);
    };
    let first = key
        .first_chunk::<8>()
        .map_or(0, |first| u64::from_be_bytes(*first));
    *after = Some(key);
    Ok(Some((first, entries(row))))
}

//! The bin: values that lost, kept for a configured time and size, and how they come back.

use super::areas::{self, Areas, MappedKey};
use super::{Fence, Syncer};
use onsync_core::bin::BinSorter;
use onsync_core::mutation::BinReason;
use onsync_core::pattern::Direction;
use onsync_core::rows::RowSet;
use onsync_core::runtime::Runtime;
use onsync_core::schema::{EntitySchema, Ids};
use onsync_core::store::local::{Access, LocalTransaction};
use onsync_core::value::Timestamp;
use onsync_core::{Error, Fields, Key, Result, Row, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Entries read at a time.
const STEP: usize = 500;

/// Values that lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinEntry {
    /// Names the entry; sorts by time.
    pub id: Uuid,
    /// When it was put there, by the device's clock (for display and expiry only).
    pub at: Timestamp,
    /// The entity.
    pub entity: String,
    /// The record's local key.
    pub key: Key,
    /// Why.
    pub reason: BinReason,
    /// The record's values as the app last saw them.
    pub values: Fields,
}

/// Which entries of the bin are meant; a number alone means the oldest so many.
///
/// ```
/// use onsync_engine::sync::BinFilter;
/// let filter = BinFilter::all().entity("Visit").limit(20);
/// assert_eq!(filter.entity.as_deref(), Some("Visit"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinFilter {
    /// Of this entity alone.
    pub entity: Option<String>,
    /// For this reason alone.
    pub reason: Option<BinReason>,
    /// Put there at this time or later.
    pub since: Option<Timestamp>,
    /// At most so many, oldest first.
    pub limit: usize,
}

impl BinFilter {
    /// Everything.
    pub fn all() -> Self {
        Self {
            entity: None,
            reason: None,
            since: None,
            limit: usize::MAX,
        }
    }

    /// Of this entity alone.
    #[must_use]
    pub fn entity(mut self, entity: impl Into<String>) -> Self {
        self.entity = Some(entity.into());
        self
    }

    /// For this reason alone.
    #[must_use]
    pub fn reason(mut self, reason: BinReason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Put there at this time or later.
    #[must_use]
    pub fn since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }

    /// At most so many, oldest first.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    fn holds(&self, entry: &BinEntry) -> bool {
        self.entity.as_ref().is_none_or(|entity| *entity == entry.entity)
            && self.reason.is_none_or(|reason| reason == entry.reason)
            && self.since.is_none_or(|since| entry.at.count() >= since.count())
    }
}

impl From<usize> for BinFilter {
    fn from(limit: usize) -> Self {
        Self::all().limit(limit)
    }
}

impl Syncer {
    /// Values in the bin, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn bin(&self, filter: impl Into<BinFilter>) -> Result<Vec<BinEntry>> {
        let mut tx = self.store.begin(Access::Read).await?;
        matching(tx.as_mut(), &filter.into()).await
    }

    /// One entry of the bin.
    ///
    /// # Errors
    /// `bin_entry_missing`, and those of the store.
    pub async fn bin_entry(&self, id: Uuid) -> Result<BinEntry> {
        let mut tx = self.store.begin(Access::Read).await?;
        find(tx.as_mut(), id).await
    }

    /// Writes the values of an entry back as an edit of the app, and takes the entry out of the bin, in one transaction. Where
    /// the record is, the attributes that differ are written; where it is not, it is created: under its old local key, or under a new one
    /// where the server had issued the key. Returns the record's key.
    ///
    /// # Errors
    /// `bin_entry_missing`; `read_only_entity`; `left_scope` for a record that is not on this device because it left its scope;
    /// `bin_entry_incomplete` where the record is gone and the entry holds a part of it; `unknown_entity`, and those of the store.
    pub async fn restore(&self, id: Uuid) -> Result<Key> {
        let mut tx = self.store.begin(Access::App).await?;
        let entry = find(tx.as_mut(), id).await?;
        let entity = self.schema.entity(&entry.entity)?;
        if !entity.local && self.pattern(&entity.name)?.direction() == Direction::ReadOnly {
            return Err(Error::rejected(
                "read_only_entity",
                format!(
                    "`{}` is read-only here (pattern `{}`): what is restored would never be sent; it stays in the bin",
                    entity.name, entity.pattern
                ),
            ));
        }
        let here = one(tx.as_mut(), entity, &entry.key).await?;
        let key = match here {
            Some(row) => {
                write_back(tx.as_mut(), entity, row, &entry.values).await?;
                entry.key
            }
            None if entry.reason == BinReason::LeftScope => return Err(left_scope(&entry)),
            None => create_again(tx.as_mut(), entity, &entry).await?,
        };
        tx.area_remove(areas::BIN, id.as_bytes()).await?;
        tx.commit().await?;
        Ok(key)
    }

    /// Removes entries from the bin for good, and says how many.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn empty_bin(&self, filter: impl Into<BinFilter>) -> Result<u64> {
        let mut tx = self.store.begin(Access::Sync { durable: true }).await?;
        let entries = matching(tx.as_mut(), &filter.into()).await?;
        for entry in &entries {
            tx.area_remove(areas::BIN, entry.id.as_bytes()).await?;
        }
        tx.commit().await?;
        Ok(entries.len() as u64)
    }

    /// Puts values into the bin.
    pub(crate) async fn discard(
        &self,
        tx: &mut dyn LocalTransaction,
        entity: &str,
        key: &Key,
        reason: BinReason,
        values: Fields,
    ) -> Result<()> {
        put_in_bin(tx, self.runtime.as_ref(), entity, key, reason, values).await
    }

    /// Empties the bin of what is older or more than the limits allow, oldest first: when something was put there (`grown`), and
    /// once an hour.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn trim_bin(&self, fence: Fence, grown: bool) -> Result<()> {
        if !grown && !self.trim_is_due() {
            return Ok(());
        }
        let limits = &self.limits;
        let now = self.runtime.now().count();
        let mut sorter = BinSorter::new(limits.bin_keep, limits.bin_bytes, &limits.bins, now);
        let mut tx = self.store.begin(Access::Read).await?;
        let first = tx.list::<BinEntry>(areas::BIN, None, 1).await?;
        if first
            .first()
            .is_none_or(|(_, entry)| !grown && sorter.is_uniform() && entry.at.count() >= sorter.oldest())
        {
            return Ok(());
        }
        drop(tx);
        let mut tx = self.begin(fence, false).await?;
        weigh(tx.as_mut(), &mut sorter).await?;
        let mut after = None::<Vec<u8>>;
        'trim: loop {
            let entries = tx.area_scan(areas::BIN, after.as_deref(), STEP).await?;
            after = entries.last().map(|(key, _)| key.clone());
            if after.is_none() {
                break;
            }
            for (key, bytes) in entries {
                let entry: BinEntry = areas::decode(areas::BIN, &bytes)?;
                if sorter.leaves(&entry.entity, entry.at.count(), bytes.len() as u64) {
                    tx.area_remove(areas::BIN, &key).await?;
                } else if sorter.is_uniform() {
                    break 'trim;
                }
            }
        }
        tx.commit().await
    }
}

/// Puts values into the bin.
pub(super) async fn put_in_bin(
    tx: &mut dyn LocalTransaction,
    runtime: &dyn Runtime,
    entity: &str,
    key: &Key,
    reason: BinReason,
    values: Fields,
) -> Result<()> {
    let id = runtime.sortable_uuid();
    let entry = BinEntry {
        id,
        at: runtime.now(),
        entity: entity.to_owned(),
        key: key.clone(),
        reason,
        values,
    };
    if onsync_core::mutant!("what-loses-is-not-kept", false, true) {
        return Ok(());
    }
    tx.store(areas::BIN, id.as_bytes(), &entry).await
}

/// Weighs all that the bin holds; whose it is matters only where an entity has limits of its own.
async fn weigh(tx: &mut dyn LocalTransaction, sorter: &mut BinSorter<'_>) -> Result<()> {
    let mut after = None::<Vec<u8>>;
    loop {
        let found = tx.area_scan(areas::BIN, after.as_deref(), STEP).await?;
        for (_, bytes) in &found {
            let entity = match sorter.is_uniform() {
                true => String::new(),
                false => areas::decode::<BinEntry>(areas::BIN, bytes)?.entity,
            };
            sorter.weigh(&entity, bytes.len() as u64);
        }
        match found.into_iter().next_back() {
            Some((last, _)) => after = Some(last),
            None => return Ok(()),
        }
    }
}

async fn matching(tx: &mut dyn LocalTransaction, filter: &BinFilter) -> Result<Vec<BinEntry>> {
    let (mut entries, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let found = tx.list::<BinEntry>(areas::BIN, after.as_deref(), STEP).await?;
        let Some((last, _)) = found.last() else {
            return Ok(entries);
        };
        after = Some(last.clone());
        for (_, entry) in found {
            if entries.len() >= filter.limit {
                return Ok(entries);
            }
            if filter.holds(&entry) {
                entries.push(entry);
            }
        }
    }
}

async fn find(tx: &mut dyn LocalTransaction, id: Uuid) -> Result<BinEntry> {
    tx.load(areas::BIN, id.as_bytes()).await?.ok_or_else(|| {
        Error::rejected(
            "bin_entry_missing",
            format!(
                "there is no entry {id} in the bin; it was restored, removed, or has expired: list the bin"
            ),
        )
    })
}

pub(super) async fn one(
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    key: &Key,
) -> Result<Option<Row>> {
    Ok(tx.get(entity, std::slice::from_ref(key)).await?.pop().flatten())
}

/// Writes the attributes that differ.
async fn write_back(
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    mut row: Row,
    values: &Fields,
) -> Result<()> {
    let mut positions = entity.key_indexes();
    let keys = positions.len();
    for (index, attribute) in entity.attributes.iter().enumerate() {
        let value = values.value(&attribute.name);
        if values.has(&attribute.name) && !entity.is_key(index) && row[index] != *value {
            value
                .check(attribute.value_type)
                .map_err(|error| error.at(format!("{}.{}", entity.name, attribute.name)))?;
            row[index] = value.clone();
            positions.push(index);
        }
    }
    if positions.len() == keys {
        return Ok(());
    }
    let types = positions.iter().map(|index| entity.attributes[*index].value_type);
    let mut rows = RowSet::new(types, 1);
    rows.push(positions.iter().map(|index| row[*index].clone()).collect())?;
    tx.put(entity, &positions, &rows).await
}

/// Creates the record anew from the values of the entry.
async fn create_again(tx: &mut dyn LocalTransaction, entity: &EntitySchema, entry: &BinEntry) -> Result<Key> {
    let missing = |index: &usize| {
        let attribute = &entity.attributes[*index];
        !attribute.local && !entity.is_key(*index) && !entry.values.has(&attribute.name)
    };
    if (0..entity.attributes.len()).any(|index| missing(&index)) {
        let held: Vec<&str> = entry.values.iter().map(|(name, _)| name).collect();
        return Err(Error::rejected(
            "bin_entry_incomplete",
            format!(
                "`{}` {} is not on this device any more, and the entry holds only {} of it; create the record yourself, with these values",
                entry.entity,
                entry.key,
                held.join(", ")
            ),
        ));
    }
    let known: Fields = entry
        .values
        .iter()
        .filter(|(name, _)| entity.index_of(name).is_some())
        .map(|(name, value)| (name, value.clone()))
        .collect();
    let mut row = entity.row(&known)?;
    let keep = keeps_key(tx, entity, &entry.key).await?;
    for (index, value) in entity.key_indexes().into_iter().zip(entry.key.values()) {
        row[index] = if keep { value.clone() } else { Value::Null };
    }
    tx.insert(entity, &row).await
}

/// Whether a record may be made again under its key: not where the server issued the key and may issue it to another record.
async fn keeps_key(tx: &mut dyn LocalTransaction, entity: &EntitySchema, key: &Key) -> Result<bool> {
    if entity.ids == Ids::Client {
        return Ok(true);
    }
    // Deleted here, and the server not told: the record is still the server's.
    if tx
        .overlays(entity, std::slice::from_ref(key))
        .await?
        .pop()
        .flatten()
        .is_some()
    {
        return Ok(true);
    }
    let local = key
        .values()
        .first()
        .is_some_and(onsync_core::store::local::is_local_key);
    let mapped: Option<MappedKey> = tx.load(&areas::local_keys(&entity.name), &key.to_bytes()).await?;
    Ok(local && mapped.is_none_or(|mapped| mapped.server.is_none()))
}

fn left_scope(entry: &BinEntry) -> Error {
    Error::rejected(
        "left_scope",
        format!(
            "`{}` {} is not on this device because it left what you may see here; it stays in the bin and can be restored if the \
             record comes back",
            entry.entity, entry.key
        ),
    )
}

//! The server's bin: values that a device's change replaced or removed without having seen them, and how they come back.
//!
//! Nothing is kept where the device had seen what it changed: a change whose base is current costs nothing here.

use crate::apply::check_parents;
use crate::batch::Batch;
use crate::catalog::{Served, unavailable};
use crate::encoding::{BIN, decode, encode};
use crate::prepare::Stop;
use crate::random;
use crate::server::{Inner, Server};
use onsync_core::bin::BinSorter;
use onsync_core::error::{Error, Result};
use onsync_core::mutation::{Mutation, MutationKind};
use onsync_core::record::{Fields, Key};
use onsync_core::schema::Ids;
use onsync_core::store::server::ServerTransaction;
use onsync_core::value::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Entries read or removed at a time.
const STEP: usize = 500;

/// Values that a device's change replaced or removed without having seen them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerBinEntry {
    /// Names the entry; sorts by time.
    pub id: Uuid,
    /// When it was put there, by the server's clock (for display and expiry only).
    pub at: Timestamp,
    /// The entity.
    pub entity: String,
    /// The server's key of the record.
    pub key: Key,
    /// The values that were lost: those attributes that were replaced, or the whole record where it was deleted.
    pub values: Fields,
    /// Whether the record was deleted, and not changed.
    pub deleted: bool,
    /// The user whose device did it.
    pub by: String,
    /// The mutation that did it.
    pub mutation: Uuid,
}

/// Which entries of the server's bin are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerBinFilter {
    /// Of this entity alone.
    pub entity: Option<String>,
    /// Put there at this time or later.
    pub since: Option<Timestamp>,
    /// At most so many, oldest first.
    pub limit: usize,
}

impl Default for ServerBinFilter {
    /// Everything.
    fn default() -> Self {
        Self {
            entity: None,
            since: None,
            limit: usize::MAX,
        }
    }
}

impl ServerBinFilter {
    fn holds(&self, entry: &ServerBinEntry) -> bool {
        self.entity.as_ref().is_none_or(|entity| *entity == entry.entity)
            && self.since.is_none_or(|since| entry.at.count() >= since.count())
    }
}

impl Batch<'_> {
    /// Puts what an update replaces, and its device had not seen, into the bin.
    pub(crate) async fn keep_overwritten(
        &self,
        transaction: &mut dyn ServerTransaction,
        mutation: &Mutation,
        key: &Key,
        current: &Fields,
        changed: &Fields,
    ) -> Result<()> {
        let lost: Fields = changed
            .iter()
            .map(|(name, _)| (name, current.value(name)))
            .filter(|(name, value)| *value != mutation.base.value(name))
            .map(|(name, value)| (name, value.clone()))
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        self.keep(transaction, mutation, &mutation.entity, key, lost, false)
            .await
    }

    /// Puts a record that a mutation deletes, though its device had not seen it as it is, into the bin: the mutation's own record, or
    /// one that goes with it.
    pub(crate) async fn keep_deleted(
        &self,
        transaction: &mut dyn ServerTransaction,
        mutation: &Mutation,
        entity: &str,
        key: &Key,
        current: &Fields,
    ) -> Result<()> {
        self.keep(transaction, mutation, entity, key, current.clone(), true)
            .await
    }

    async fn keep(
        &self,
        transaction: &mut dyn ServerTransaction,
        mutation: &Mutation,
        entity: &str,
        key: &Key,
        values: Fields,
        deleted: bool,
    ) -> Result<()> {
        let at = self.server.history.time();
        let millis = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &random::bytes()?).into_uuid();
        let entry = ServerBinEntry {
            id,
            at: Timestamp::from_count(i64::try_from(at.as_micros()).unwrap_or(i64::MAX))?,
            entity: entity.to_owned(),
            key: key.clone(),
            values,
            deleted,
            by: self.principal.user.clone(),
            mutation: mutation.id,
        };
        transaction.area_put(BIN, id.as_bytes(), &encode(&entry)?).await
    }
}

impl Server {
    /// What devices' changes replaced or removed without having seen it, oldest first.
    ///
    /// # Errors
    /// `store_unavailable`, `store_busy`.
    pub async fn bin(&self, filter: &ServerBinFilter) -> Result<Vec<ServerBinEntry>> {
        let mut snapshot = self.inner().store.read().await?;
        let (mut found, mut after) = (Vec::new(), None::<Vec<u8>>);
        loop {
            let entries = snapshot.area_scan(BIN, after.as_deref(), STEP).await?;
            for (_, bytes) in &entries {
                let entry: ServerBinEntry = decode(BIN, bytes)?;
                if found.len() >= filter.limit {
                    return Ok(found);
                }
                if filter.holds(&entry) {
                    found.push(entry);
                }
            }
            match entries.into_iter().next_back() {
                Some((last, _)) => after = Some(last),
                None => return Ok(found),
            }
        }
    }

    /// One entry of the bin.
    ///
    /// # Errors
    /// `bin_entry_missing`, `store_unavailable`, `store_busy`.
    pub async fn bin_entry(&self, id: Uuid) -> Result<ServerBinEntry> {
        let bytes = self
            .inner()
            .store
            .read()
            .await?
            .area_get(BIN, id.as_bytes())
            .await?;
        decode(BIN, &bytes.ok_or_else(|| missing(id))?)
    }

    /// Writes the values of an entry back, and takes the entry out of the bin, in one transaction; every device gets them with its
    /// next sync. A record that was deleted is inserted again: under its key, or under a new one where the database issues keys.
    /// Validators are asked, hooks and the authorizer are not: nobody's device asks. Returns the record's key.
    ///
    /// # Errors
    /// `bin_entry_missing`; `bin_entry_incomplete` where the record is gone and the entry holds a part of it; `entity_unavailable`;
    /// `parent_missing`; a validator's refusal; `constraint_violated`, `store_unavailable`, `store_busy`.
    pub async fn restore(&self, id: Uuid) -> Result<Key> {
        let server = self.inner();
        let mut transaction = server.store.write().await?;
        let tx = transaction.as_mut();
        let bytes = tx.area_get(BIN, id.as_bytes()).await?;
        let entry: ServerBinEntry = decode(BIN, &bytes.ok_or_else(|| missing(id))?)?;
        let served = server
            .catalog
            .find(&entry.entity)
            .ok_or_else(|| unavailable(&entry.entity))?;
        let current = tx.get(&served.entity, &served.attributes, &entry.key).await?;
        let key = match current {
            Some(current) => write_back(server, tx, served, &entry, current).await?,
            None if entry.deleted => insert_again(server, tx, served, &entry).await?,
            None => return Err(incomplete(&entry)),
        };
        tx.area_remove(BIN, id.as_bytes()).await?;
        transaction.commit().await?;
        tracing::info!(entity = entry.entity, entry = %id, "values were restored from the bin");
        Ok(key)
    }

    /// Removes entries from the bin for good, and says how many.
    ///
    /// # Errors
    /// `store_unavailable`, `store_busy`.
    pub async fn empty_bin(&self, filter: &ServerBinFilter) -> Result<u64> {
        let entries = self.bin(filter).await?;
        for some in entries.chunks(STEP) {
            let mut transaction = self.inner().store.write().await?;
            for entry in some {
                transaction.area_remove(BIN, entry.id.as_bytes()).await?;
            }
            transaction.commit().await?;
        }
        Ok(entries.len() as u64)
    }
}

async fn write_back(
    server: &Inner,
    transaction: &mut dyn ServerTransaction,
    served: &Served,
    entry: &ServerBinEntry,
    current: Fields,
) -> Result<Key> {
    let entity = &served.entity;
    let changed: Fields = known(served, entry)
        .filter(|(index, name, value)| !entity.is_key(*index) && current.value(name) != *value)
        .map(|(_, name, value)| (name.to_owned(), value.clone()))
        .collect();
    if changed.is_empty() {
        return Ok(entry.key.clone());
    }
    let mut wanted = current.clone();
    for (name, value) in changed.iter() {
        wanted.set(name, value.clone());
    }
    check_parents(server, transaction, entity, &changed, Some(&entry.key))
        .await
        .map_err(refused)?;
    validate(server, served, MutationKind::Update, Some(&current), &wanted)?;
    transaction.update(entity, &entry.key, &changed).await?;
    Ok(entry.key.clone())
}

async fn insert_again(
    server: &Inner,
    transaction: &mut dyn ServerTransaction,
    served: &Served,
    entry: &ServerBinEntry,
) -> Result<Key> {
    let entity = &served.entity;
    let values: Fields = known(served, entry)
        .filter(|(index, _, _)| entity.ids == Ids::Client || !entity.is_key(*index))
        .map(|(_, name, value)| (name.to_owned(), value.clone()))
        .collect();
    check_parents(server, transaction, entity, &values, None)
        .await
        .map_err(refused)?;
    validate(server, served, MutationKind::Create, None, &values)?;
    transaction.insert(entity, &values).await
}

/// The entry's values of attributes that are still configured, with their positions.
fn known<'a>(
    served: &'a Served,
    entry: &'a ServerBinEntry,
) -> impl Iterator<Item = (usize, &'a str, &'a onsync_core::Value)> {
    served.attributes.iter().filter_map(|index| {
        let name = served.entity.attributes.get(*index)?.name.as_str();
        entry
            .values
            .has(name)
            .then(|| (*index, name, entry.values.value(name)))
    })
}

fn validate(
    server: &Inner,
    served: &Served,
    kind: MutationKind,
    before: Option<&Fields>,
    after: &Fields,
) -> Result<()> {
    for validator in &server.validators {
        validator
            .validate(&served.entity, kind, before, Some(after))
            .map_err(|rejection| refused(Stop::Refuse(rejection)))?;
    }
    Ok(())
}

fn refused(stop: Stop) -> Error {
    match stop {
        Stop::Refuse(rejection) => Error::rejected(rejection.code, rejection.message),
        Stop::Fail(error) => error,
    }
}

fn missing(id: Uuid) -> Error {
    Error::rejected(
        "bin_entry_missing",
        format!("there is no entry {id} in the bin; it was restored, removed, or has expired: list the bin"),
    )
}

fn incomplete(entry: &ServerBinEntry) -> Error {
    let held: Vec<&str> = entry.values.iter().map(|(name, _)| name).collect();
    Error::rejected(
        "bin_entry_incomplete",
        format!(
            "`{}` {} does not exist any more, and the entry holds only {} of it; insert the record yourself, with these values",
            entry.entity,
            entry.key,
            held.join(", ")
        ),
    )
}

/// Empties the bin of what is older or more than the limits allow, oldest first; says how many entries left.
pub(crate) async fn trim(server: &Inner) -> Result<usize> {
    let limits = &server.limits;
    let now = i64::try_from(server.history.time().as_micros()).unwrap_or(i64::MAX);
    let mut sorter = BinSorter::new(limits.bin_keep, limits.bin_bytes, &limits.bins, now);
    weigh(server, &mut sorter).await?;
    let (mut removed, mut after) = (0, None::<Vec<u8>>);
    loop {
        let mut transaction = server.store.write().await?;
        let entries = transaction.area_scan(BIN, after.as_deref(), STEP).await?;
        after = entries.last().map(|(place, _)| place.clone());
        let mut doomed = Vec::new();
        let mut rest_stays = after.is_none();
        for (place, bytes) in &entries {
            let entry: ServerBinEntry = decode(BIN, bytes)?;
            if sorter.leaves(&entry.entity, entry.at.count(), bytes.len() as u64) {
                doomed.push(place);
            } else if sorter.is_uniform() {
                rest_stays = true;
                break;
            }
        }
        for place in &doomed {
            transaction.area_remove(BIN, place).await?;
        }
        if !doomed.is_empty() {
            removed += doomed.len();
            transaction.commit().await?;
        }
        if rest_stays {
            return Ok(removed);
        }
    }
}

/// Weighs all that the bin holds; whose it is matters only where an entity has limits of its own.
async fn weigh(server: &Inner, sorter: &mut BinSorter<'_>) -> Result<()> {
    let mut snapshot = server.store.read().await?;
    let mut after = None::<Vec<u8>>;
    loop {
        let entries = snapshot.area_scan(BIN, after.as_deref(), STEP).await?;
        for (_, bytes) in &entries {
            let entity = match sorter.is_uniform() {
                true => String::new(),
                false => decode::<ServerBinEntry>(BIN, bytes)?.entity,
            };
            sorter.weigh(&entity, bytes.len() as u64);
        }
        match entries.into_iter().next_back() {
            Some((last, _)) => after = Some(last),
            None => return Ok(()),
        }
    }
}

//! The one place where keys are translated: what the server calls records on one side, local keys on the other.
//!
//! Only entities with `ids = "server"` have a map, and only records made on this device stand in it; everything else has
//! the same key on both sides. A reference is translated through the map of the entity it refers to, also where
//! it is part of a key.

use super::areas::{self, Areas, CreatedRecord, MappedKey};
use onsync_core::mutation::Reference;
use onsync_core::ordered::BTreeSet;
use onsync_core::page::{KeyRange, Page};
use onsync_core::rows::RowSet;
use onsync_core::schema::{EntitySchema, Ids, Schema};
use onsync_core::store::local::LocalTransaction;
use onsync_core::{Key, Result, Row, Value};
use uuid::Uuid;

/// What a local value is called on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ServerValue {
    /// This.
    Known(Value),
    /// The key that the mutation with this id will be given.
    Created(Uuid),
}

/// The keys of one entity: its own map, and the maps its references go through.
pub(super) struct Keys<'a> {
    entity: &'a EntitySchema,
    /// Whose map the attribute at each position goes through; none for most.
    maps: Vec<Option<&'a str>>,
    /// Entities whose map holds anything.
    used: BTreeSet<&'a str>,
}

impl<'a> Keys<'a> {
    pub(super) async fn of(
        tx: &mut dyn LocalTransaction,
        schema: &'a Schema,
        entity: &'a EntitySchema,
    ) -> Result<Self> {
        let mut maps = vec![None; entity.attributes.len()];
        if entity.ids == Ids::Server {
            for index in entity.key_indexes() {
                maps[index] = Some(entity.name.as_str());
            }
        }
        for relation in schema.parents_of(&entity.name) {
            let parent = schema.entity(&relation.parent)?;
            if let (Ids::Server, Some(index)) = (parent.ids, entity.index_of(&relation.attribute)) {
                maps[index] = maps[index].or(Some(parent.name.as_str()));
            }
        }
        let mut used = BTreeSet::new();
        for name in maps.iter().flatten() {
            if !used.contains(name) && !tx.area_scan(&areas::local_keys(name), None, 1).await?.is_empty() {
                used.insert(*name);
            }
        }
        Ok(Self { entity, maps, used })
    }

    /// Whose map the attribute at this position goes through, if that map holds anything.
    fn map(&self, index: usize) -> Option<&'a str> {
        self.maps
            .get(index)
            .copied()
            .flatten()
            .filter(|name| self.used.contains(name))
    }

    /// Whether any key or reference of this entity can differ between device and server.
    pub(super) fn translates(&self) -> bool {
        !self.used.is_empty()
    }

    /// What the server calls the value at this position.
    pub(super) async fn to_server(
        &self,
        tx: &mut dyn LocalTransaction,
        index: usize,
        value: &Value,
    ) -> Result<ServerValue> {
        let known = ServerValue::Known(value.clone());
        let Some(map) = self.map(index) else {
            return Ok(known);
        };
        let local = Key(vec![value.clone()]).to_bytes();
        Ok(
            match tx.load::<MappedKey>(&areas::local_keys(map), &local).await? {
                Some(MappedKey {
                    server: Some(server), ..
                }) => ServerValue::Known(server.0.into_iter().next().unwrap_or_default()),
                Some(MappedKey {
                    created,
                    server: None,
                }) => ServerValue::Created(created),
                None => known,
            },
        )
    }

    /// What the device calls the value at this position.
    async fn to_local(&self, tx: &mut dyn LocalTransaction, index: usize, value: Value) -> Result<Value> {
        let Some(map) = self.map(index).filter(|_| !value.is_null()) else {
            return Ok(value);
        };
        let server = Key(vec![value.clone()]).to_bytes();
        Ok(match tx.load::<Key>(&areas::server_keys(map), &server).await? {
            Some(local) => local.0.into_iter().next().unwrap_or(value),
            None => value,
        })
    }

    /// A local row as the server names things; references it cannot name yet are listed, with null in their place.
    pub(super) async fn row_to_server(
        &self,
        tx: &mut dyn LocalTransaction,
        row: &Row,
        positions: &[usize],
        references: &mut Vec<Reference>,
    ) -> Result<Row> {
        let mut server = row.clone();
        for index in positions
            .iter()
            .copied()
            .filter(|index| self.map(*index).is_some())
        {
            server[index] = match self.to_server(tx, index, &row[index]).await? {
                ServerValue::Known(value) => value,
                ServerValue::Created(created) => {
                    let attribute = self.entity.attributes[index].name.clone();
                    if !references
                        .iter()
                        .any(|reference| reference.attribute == attribute)
                    {
                        references.push(Reference { attribute, created });
                    }
                    Value::Null
                }
            };
        }
        Ok(server)
    }

    /// A whole local row as the server names things; what it cannot name yet is null.
    pub(super) async fn whole_row_to_server(&self, tx: &mut dyn LocalTransaction, row: &Row) -> Result<Row> {
        let all: Vec<usize> = (0..row.len()).collect();
        self.row_to_server(tx, row, &all, &mut Vec::new()).await
    }

    /// A server key as the device names it.
    pub(super) async fn key_to_local(&self, tx: &mut dyn LocalTransaction, key: Key) -> Result<Key> {
        if !self.translates() {
            return Ok(key);
        }
        let mut local = Vec::with_capacity(key.0.len());
        for (index, value) in self.entity.key_indexes().into_iter().zip(key.0) {
            local.push(self.to_local(tx, index, value).await?);
        }
        Ok(Key(local))
    }

    /// A local key as the server names it; none if the server has not told yet.
    async fn key_to_server(&self, tx: &mut dyn LocalTransaction, key: &Key) -> Result<Option<Key>> {
        let mut server = Vec::with_capacity(key.0.len());
        for (index, value) in self.entity.key_indexes().into_iter().zip(&key.0) {
            match self.to_server(tx, index, value).await? {
                ServerValue::Known(value) => server.push(value),
                ServerValue::Created(_) => return Ok(None),
            }
        }
        Ok(Some(Key(server)))
    }

    /// A full server row, by attribute positions, as the device names things.
    pub(super) async fn row_to_local(&self, tx: &mut dyn LocalTransaction, mut row: Row) -> Result<Row> {
        if self.translates() {
            for (index, value) in row.iter_mut().enumerate() {
                *value = self.to_local(tx, index, std::mem::take(value)).await?;
            }
        }
        Ok(row)
    }

    /// Rewrites the rows and keys of a page, whose columns hold these positions, to local keys.
    pub(super) async fn page_to_local(
        &self,
        tx: &mut dyn LocalTransaction,
        page: &mut Page,
        positions: &[usize],
    ) -> Result<()> {
        if !self.translates() {
            return Ok(());
        }
        for (column, index) in positions.iter().copied().enumerate() {
            if self.map(index).is_none() {
                continue;
            }
            for row in 0..page.rows.len() {
                let found = page.rows.value(row, column);
                let local = self.to_local(tx, index, found.clone()).await?;
                if local != found {
                    set(&mut page.rows, row, column, local)?;
                }
            }
        }
        for list in [&mut page.deleted, &mut page.removed] {
            for key in list.iter_mut() {
                *key = self
                    .key_to_local(tx, std::mem::replace(key, Key(Vec::new())))
                    .await?;
            }
        }
        Ok(())
    }

    /// The local keys of visible rows whose *server* key lies in the range.
    pub(super) async fn keys_in(&self, tx: &mut dyn LocalTransaction, range: &KeyRange) -> Result<Vec<Key>> {
        let direct = tx.keys_in(self.entity, range).await?;
        let mapped = self
            .entity
            .key_indexes()
            .into_iter()
            .any(|index| self.map(index).is_some());
        if !mapped {
            return Ok(direct);
        }
        let mut found = BTreeSet::new();
        for key in direct.into_iter().chain(self.mapped_rows(tx).await?) {
            if self
                .key_to_server(tx, &key)
                .await?
                .is_some_and(|server| range.contains(&server))
            {
                found.insert(key);
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The local keys of records that were deleted here, and stood on the server before, whose *server* key lies in the range.
    pub(super) async fn deleted_in(
        &self,
        tx: &mut dyn LocalTransaction,
        range: &KeyRange,
    ) -> Result<Vec<Key>> {
        let all = KeyRange::all();
        let overlays = tx
            .overlays_in(
                self.entity,
                if self.translates() { &all } else { range },
                usize::MAX / 2,
            )
            .await?;
        let keys: Vec<Key> = overlays
            .into_iter()
            .filter(|overlay| overlay.base.is_some())
            .map(|overlay| overlay.key)
            .collect();
        let rows = tx.get(self.entity, &keys).await?;
        let mut deleted = Vec::new();
        for (key, row) in keys.into_iter().zip(rows) {
            if row.is_none()
                && self
                    .key_to_server(tx, &key)
                    .await?
                    .is_some_and(|server| range.contains(&server))
            {
                deleted.push(key);
            }
        }
        Ok(deleted)
    }

    /// Visible rows whose local key, or a part of it, was made on this device.
    async fn mapped_rows(&self, tx: &mut dyn LocalTransaction) -> Result<Vec<Key>> {
        let mut rows = Vec::new();
        for index in self.entity.key_indexes() {
            let Some(map) = self.map(index) else { continue };
            for (local, _) in tx.area_scan(&areas::local_keys(map), None, usize::MAX).await? {
                let value = Key::from_bytes(&local)?.0.into_iter().next().unwrap_or_default();
                let query = onsync_core::query::Query::entity(&self.entity.name).filter(
                    &self.entity.attributes[index].name,
                    onsync_core::query::Comparison::Equal,
                    value,
                );
                rows.extend(
                    tx.query(self.entity, &query)
                        .await?
                        .iter()
                        .map(|row| self.entity.key_of(row)),
                );
            }
        }
        Ok(rows)
    }
}

fn set(rows: &mut RowSet, row: usize, column: usize, value: Value) -> Result<()> {
    match rows.columns_mut().get_mut(column) {
        Some(column) => column.set(row, value),
        None => Ok(()),
    }
}

/// Notes that a create was cut: its record can be referred to by the mutation's id from now on.
pub(super) async fn note_created(
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    key: &Key,
    created: Uuid,
    number: u64,
) -> Result<()> {
    let record = CreatedRecord {
        entity: entity.name.clone(),
        key: key.clone(),
        number,
    };
    tx.store(areas::CREATED, created.as_bytes(), &record).await?;
    tx.store(
        &areas::local_keys(&entity.name),
        &key.to_bytes(),
        &MappedKey {
            created,
            server: None,
        },
    )
    .await
}

/// Notes the key the server issued, and rewrites references that arrived with it before. Knowing it already changes nothing; another one
/// takes the place of one that a server issued which was restored since, and which lost the record.
pub(super) async fn note_issued(
    tx: &mut dyn LocalTransaction,
    schema: &Schema,
    created: Uuid,
    server: &Key,
) -> Result<()> {
    let Some(record) = tx
        .load::<CreatedRecord>(areas::CREATED, created.as_bytes())
        .await?
    else {
        return Ok(());
    };
    let entity = schema.entity(&record.entity)?;
    let area = areas::local_keys(&entity.name);
    let known = tx.load::<MappedKey>(&area, &record.key.to_bytes()).await?;
    match known.and_then(|mapped| mapped.server) {
        Some(known) if known == *server => return Ok(()),
        Some(lost) => {
            tx.area_remove(&areas::server_keys(&entity.name), &lost.to_bytes())
                .await?;
        }
        None => {}
    }
    tx.store(
        &area,
        &record.key.to_bytes(),
        &MappedKey {
            created,
            server: Some(server.clone()),
        },
    )
    .await?;
    tx.store(&areas::server_keys(&entity.name), &server.to_bytes(), &record.key)
        .await?;
    adopt_early_copy(tx, entity, &record.key, server).await?;
    for relation in schema.children_of(&entity.name) {
        if onsync_core::mutant!("references-keep-the-servers-key", false, true) {
            break;
        }
        let child = schema.entity(&relation.child)?;
        rewrite_references(tx, child, &relation.attribute, server, &record.key).await?;
    }
    Ok(())
}

/// A copy of the record that arrived under the server's key before the key was known here leaves: there is one local record.
async fn adopt_early_copy(
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    local: &Key,
    server: &Key,
) -> Result<()> {
    if onsync_core::mutant!("an-early-copy-is-another-record", local == server, true) {
        return Ok(());
    }
    let early = tx
        .get(entity, std::slice::from_ref(server))
        .await?
        .pop()
        .flatten();
    let Some(early) = early else { return Ok(()) };
    let early_overlay = tx
        .overlays(entity, std::slice::from_ref(server))
        .await?
        .pop()
        .flatten();
    tx.remove(entity, std::slice::from_ref(server)).await?;
    tx.remove_overlay(entity, server).await?;
    let mut base = early_overlay
        .and_then(|overlay| overlay.base)
        .unwrap_or_else(|| early.clone());
    let mut visible = tx.get(entity, std::slice::from_ref(local)).await?.pop().flatten();
    for index in 0..entity.attributes.len() {
        if entity.is_key(index) {
            continue;
        }
        if let Some(visible) = visible.as_mut().filter(|_| early[index] != base[index]) {
            visible[index] = early[index].clone();
        }
    }
    for (index, value) in entity.key_indexes().into_iter().zip(&local.0) {
        base[index] = value.clone();
    }
    if let Some(visible) = visible {
        put_row(tx, entity, visible).await?;
    }
    if let Some(mut overlay) = tx
        .overlays(entity, std::slice::from_ref(local))
        .await?
        .pop()
        .flatten()
    {
        overlay.base = Some(base);
        tx.put_overlay(entity, &overlay).await?;
    }
    Ok(())
}

/// Writes one visible row.
pub(super) async fn put_row(tx: &mut dyn LocalTransaction, entity: &EntitySchema, row: Row) -> Result<()> {
    let positions: Vec<usize> = (0..entity.attributes.len()).collect();
    let mut rows = RowSet::new(entity.attributes.iter().map(|attribute| attribute.value_type), 1);
    rows.push(row)?;
    tx.put(entity, &positions, &rows).await
}

/// Rows of `child` that refer to the server's key refer to the local one from now on.
async fn rewrite_references(
    tx: &mut dyn LocalTransaction,
    child: &EntitySchema,
    attribute: &str,
    server: &Key,
    local: &Key,
) -> Result<()> {
    let (Some(index), [from], [to]) = (child.index_of(attribute), server.values(), local.values()) else {
        return Ok(());
    };
    let query = onsync_core::query::Query::entity(&child.name).filter(
        attribute,
        onsync_core::query::Comparison::Equal,
        from.clone(),
    );
    for mut row in tx.query(child, &query).await? {
        let old = child.key_of(&row);
        row[index] = to.clone();
        if let Some(mut overlay) = tx
            .overlays(child, std::slice::from_ref(&old))
            .await?
            .pop()
            .flatten()
        {
            tx.remove_overlay(child, &old).await?;
            if let Some(base) = overlay.base.as_mut().filter(|base| &base[index] == from) {
                base[index] = to.clone();
            }
            overlay.key = child.key_of(&row);
            tx.put_overlay(child, &overlay).await?;
        }
        if child.is_key(index) {
            tx.remove(child, std::slice::from_ref(&old)).await?;
        }
        put_row(tx, child, row).await?;
    }
    Ok(())
}

//! What the records API does inside a transaction: checks, keys, delete rules, the join.

use super::groups::Written;
use onsync_core::ordered::{BTreeMap, BTreeSet};
use onsync_core::page::KeyRange;
use onsync_core::query::{Comparison, Condition, Order, Query};
use onsync_core::rows::RowSet;
use onsync_core::runtime::Runtime;
use onsync_core::schema::{EntitySchema, Ids, OnDelete, Relation, Schema};
use onsync_core::store::local::{LocalTransaction, RecordState};
use onsync_core::value::ValueType;
use onsync_core::{Error, Fields, Key, Result, Row, Value};
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

/// What the functions need beside the transaction.
#[derive(Clone)]
pub(crate) struct Records {
    pub(crate) schema: Arc<Schema>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) max_record_bytes: usize,
    /// Records an atomic group.
    pub(crate) group_limit: usize,
    /// Bytes of such records.
    pub(crate) group_bytes: usize,
    /// What a transaction wrote.
    pub(crate) written: Option<Written>,
}

impl Records {
    pub(crate) async fn create(
        &self,
        tx: &mut dyn LocalTransaction,
        entity: &str,
        fields: &Fields,
    ) -> Result<Key> {
        let entity = self.schema.entity(entity)?;
        let mut row = entity.row(fields)?;
        self.fill_key(entity, &mut row)?;
        self.check_size(entity, &row)?;
        let key = tx.insert(entity, &row).await?;
        self.note(entity, &key);
        Ok(key)
    }

    /// Issues the key of a new record, or refuses one that cannot be.
    fn fill_key(&self, entity: &EntitySchema, row: &mut Row) -> Result<()> {
        let indexes = entity.key_indexes();
        let single = indexes.len() == 1;
        for index in indexes {
            let attribute = &entity.attributes[index];
            let given = !row[index].is_null();
            match (entity.ids, given) {
                (Ids::Client, true) | (Ids::Server, false) => {}
                (Ids::Client, false) if single && attribute.value_type == ValueType::Uuid => {
                    row[index] = Value::Uuid(self.runtime.sortable_uuid());
                }
                (Ids::Client, false) => {
                    return Err(Error::rejected(
                        "missing_key",
                        format!(
                            "a new record of `{}` needs `{}`; only keys of one uuid attribute are made by OnSync",
                            entity.name, attribute.name
                        ),
                    ));
                }
                (Ids::Server, true) => {
                    return Err(Error::rejected(
                        "key_issued_by_server",
                        format!(
                            "keys of `{}` are issued by the server (`ids = \"server\"`); leave `{}` out, a local key is returned",
                            entity.name, attribute.name
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    fn check_size(&self, entity: &EntitySchema, row: &Row) -> Result<()> {
        let size: usize = row.iter().map(Value::size).sum();
        if size <= self.max_record_bytes {
            return Ok(());
        }
        Err(Error::rejected(
            "record_too_large",
            format!(
                "a record of `{}` has {size} bytes, at most {} are synced; make it smaller, or raise limits.max_record_bytes here and \
                 on the server",
                entity.name, self.max_record_bytes
            ),
        ))
    }

    /// Writes the fields that differ; false if there is no such record.
    async fn change(
        &self,
        tx: &mut dyn LocalTransaction,
        entity: &EntitySchema,
        key: &Key,
        fields: &Fields,
    ) -> Result<bool> {
        check_key(entity, key)?;
        let wanted = entity.row(fields)?;
        let Some(mut row) = tx.get(entity, std::slice::from_ref(key)).await?.pop().flatten() else {
            return Ok(false);
        };
        let mut changed = Vec::new();
        for (name, _) in fields.iter() {
            let index = entity.require(name)?;
            if row[index] == wanted[index] {
                continue;
            }
            if entity.is_key(index) {
                return Err(Error::rejected(
                    "key_change_refused",
                    format!(
                        "the key of a record cannot change; delete `{}` {key} and create another record",
                        entity.name
                    ),
                ));
            }
            row[index] = wanted[index].clone();
            changed.push(index);
        }
        if changed.is_empty() {
            return Ok(true);
        }
        self.check_size(entity, &row)?;
        put(tx, entity, &changed, std::iter::once(&row)).await?;
        self.note(entity, key);
        Ok(true)
    }

    pub(crate) async fn update(
        &self,
        tx: &mut dyn LocalTransaction,
        entity: &str,
        key: &Key,
        fields: &Fields,
    ) -> Result<()> {
        let entity = self.schema.entity(entity)?;
        if self.change(tx, entity, key, fields).await? {
            return Ok(());
        }
        Err(Error::rejected(
            "record_missing",
            format!(
                "there is no `{}` with key {key} on this device; create it, or use create_or_update",
                entity.name
            ),
        ))
    }

    pub(crate) async fn create_or_update(
        &self,
        tx: &mut dyn LocalTransaction,
        entity: &str,
        fields: &Fields,
    ) -> Result<Key> {
        let schema = self.schema.entity(entity)?;
        let key = schema.key_of(&schema.row(fields)?);
        if key.values().iter().all(|value| !value.is_null()) && self.change(tx, schema, &key, fields).await? {
            return Ok(key);
        }
        self.create(tx, entity, fields).await
    }

    /// Deletes a record by the delete rules of its relations; false if there is none.
    pub(crate) async fn delete(
        &self,
        tx: &mut dyn LocalTransaction,
        entity: &str,
        key: &Key,
    ) -> Result<bool> {
        let entity = self.schema.entity(entity)?;
        check_key(entity, key)?;
        let there = tx.get(entity, std::slice::from_ref(key)).await?;
        if there.iter().all(Option::is_none) {
            return Ok(false);
        }
        let mut queue = VecDeque::from([(entity, key.clone())]);
        let mut seen: BTreeSet<(String, Key)> = BTreeSet::new();
        let mut doomed = Vec::new();
        while let Some((entity, key)) = queue.pop_front() {
            if !seen.insert((entity.name.clone(), key.clone())) {
                continue;
            }
            for relation in self.schema.children_of(&entity.name) {
                let child = self.schema.entity(&relation.child)?;
                let rows = children(tx, child, relation, &key).await?;
                let rows: Vec<Row> = rows
                    .into_iter()
                    .filter(|row| !seen.contains(&(child.name.clone(), child.key_of(row))))
                    .collect();
                if rows.is_empty() {
                    continue;
                }
                match relation.on_delete {
                    OnDelete::Restrict => return Err(restricted(entity, &key, relation, rows.len())),
                    // The server removes or changes what only it may write.
                    _ if child.refuse_local_writes => {}
                    OnDelete::Cascade => queue.extend(rows.iter().map(|row| (child, child.key_of(row)))),
                    OnDelete::SetNull => {
                        rows.iter().for_each(|row| self.note(child, &child.key_of(row)));
                        clear(tx, child, relation, rows).await?;
                    }
                }
            }
            doomed.push((entity, key));
        }
        // Children go before their parents.
        for (entity, key) in doomed.iter().rev() {
            tx.remove(entity, std::slice::from_ref(key)).await?;
            self.note(entity, key);
        }
        Ok(true)
    }

    pub(crate) async fn get(
        &self,
        tx: &mut dyn LocalTransaction,
        entity: &str,
        keys: &[Key],
    ) -> Result<Vec<Option<Fields>>> {
        let entity = self.schema.entity(entity)?;
        for key in keys {
            check_key(entity, key)?;
        }
        let rows = tx.get(entity, keys).await?;
        Ok(rows
            .into_iter()
            .map(|row| row.map(|row| entity.fields(row)))
            .collect())
    }

    /// Where a record stands; none for one that is clean, or not there at all.
    pub(crate) async fn state(
        &self,
        tx: &mut dyn LocalTransaction,
        entity: &str,
        key: &Key,
    ) -> Result<Option<RecordState>> {
        let entity = self.schema.entity(entity)?;
        check_key(entity, key)?;
        let overlay = tx
            .overlays(entity, std::slice::from_ref(key))
            .await?
            .pop()
            .flatten();
        Ok(overlay
            .filter(|overlay| overlay.is_waiting() || overlay.state != RecordState::Waiting)
            .map(|overlay| overlay.state))
    }

    /// Keys of records with changes the server does not have, by entity, at most `limit` of each.
    pub(crate) async fn waiting(
        &self,
        tx: &mut dyn LocalTransaction,
        limit: usize,
    ) -> Result<Vec<(String, Key, RecordState)>> {
        let mut found = Vec::new();
        for entity in self.schema.entities.iter().filter(|entity| !entity.local) {
            let overlays = tx.overlays_in(entity, &KeyRange::all(), limit).await?;
            let waiting = overlays.into_iter().filter(|overlay| overlay.is_waiting());
            found.extend(waiting.map(|overlay| (entity.name.clone(), overlay.key, overlay.state)));
        }
        Ok(found)
    }

    /// The entities a query reads.
    pub(crate) fn entities_of(&self, query: &Query) -> Result<Vec<String>> {
        let entity = self.schema.entity(&query.entity)?;
        let mut entities = vec![entity.name.clone()];
        if let Some(relation) = self.relation_of(query)? {
            entities.push(relation.parent.clone());
        }
        Ok(entities)
    }

    fn relation_of<'a>(&'a self, query: &'a Query) -> Result<Option<&'a Relation>> {
        let Some(join) = &query.join else {
            return Ok(None);
        };
        let known = || self.schema.parents_of(&query.entity);
        match known().find(|relation| relation.name == join.relation) {
            Some(relation) => Ok(Some(relation)),
            None => Err(Error::rejected(
                "unknown_relation",
                format!(
                    "`{}` has no relation `{}` to join; configured: {}",
                    query.entity,
                    join.relation,
                    onsync_core::error::list_names(known().map(|relation| &relation.name))
                ),
            )),
        }
    }

    pub(crate) async fn query(&self, tx: &mut dyn LocalTransaction, query: &Query) -> Result<Vec<Fields>> {
        let entity = self.schema.entity(&query.entity)?;
        let Some(relation) = self.relation_of(query)? else {
            let rows = tx.query(entity, query).await?;
            return Ok(rows.into_iter().map(|row| entity.fields(row)).collect());
        };
        let prefix = format!("{}.", relation.name);
        let joined = |name: &str| name.starts_with(&prefix);
        // What compares the parent's attributes is done here, after the store has done the rest.
        let (after, before): (Vec<Condition>, Vec<Condition>) = query
            .conditions
            .iter()
            .cloned()
            .partition(|condition| joined(&condition.attribute));
        let late = !after.is_empty() || query.order.iter().any(|(name, _)| joined(name));
        let mut inner = Query {
            conditions: before,
            join: None,
            ..query.clone()
        };
        if late {
            inner.order.clear();
            inner.limit = None;
            inner.offset = 0;
        }
        let rows = tx.query(entity, &inner).await?;
        let mut found = self.with_parents(tx, entity, relation, rows).await?;
        if late {
            check_joined(self.schema.entity(&relation.parent)?, &prefix, query)?;
            found.retain(|fields| after.iter().all(|condition| holds(condition, fields)));
            if !query.order.is_empty() {
                found.sort_by(|a, b| in_order(&query.order, a, b));
            }
            let limit = query.limit.unwrap_or(usize::MAX);
            found = found.into_iter().skip(query.offset).take(limit).collect();
        }
        Ok(found)
    }

    async fn with_parents(
        &self,
        tx: &mut dyn LocalTransaction,
        entity: &EntitySchema,
        relation: &Relation,
        rows: Vec<Row>,
    ) -> Result<Vec<Fields>> {
        let parent = self.schema.entity(&relation.parent)?;
        let reference = entity.require(&relation.attribute)?;
        let keys: BTreeSet<Key> = rows
            .iter()
            .map(|row| &row[reference])
            .filter(|value| !value.is_null())
            .map(|value| Key(vec![value.clone()]))
            .collect();
        let keys: Vec<Key> = keys.into_iter().collect();
        let parents: BTreeMap<Key, Row> = keys
            .iter()
            .cloned()
            .zip(tx.get(parent, &keys).await?)
            .filter_map(|(key, row)| row.map(|row| (key, row)))
            .collect();
        Ok(rows
            .into_iter()
            .map(|row| {
                let found = parents.get(&Key(vec![row[reference].clone()]));
                let mut fields = entity.fields(row);
                for (index, attribute) in parent.attributes.iter().enumerate() {
                    let value = found.map(|row| row[index].clone()).unwrap_or_default();
                    fields.set(format!("{}.{}", relation.name, attribute.name), value);
                }
                fields
            })
            .collect())
    }
}

/// Refuses a key with another shape than the entity's.
fn check_key(entity: &EntitySchema, key: &Key) -> Result<()> {
    let types = entity.key_types();
    if types.len() != key.values().len() {
        return Err(Error::rejected(
            "invalid_key",
            format!(
                "a key of `{}` has {} values ({}), found {}",
                entity.name,
                types.len(),
                entity.key.join(", "),
                key.values().len()
            ),
        ));
    }
    for (value, wanted) in key.values().iter().zip(types) {
        value
            .check(wanted)
            .map_err(|error| error.at(format!("key of {}", entity.name)))?;
    }
    Ok(())
}

/// Writes these attributes of rows that exist.
async fn put<'a>(
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    changed: &[usize],
    rows: impl Iterator<Item = &'a Row>,
) -> Result<()> {
    let mut positions = entity.key_indexes();
    positions.extend(changed.iter().filter(|index| !entity.is_key(**index)));
    let types = positions.iter().map(|index| entity.attributes[*index].value_type);
    let mut set = RowSet::new(types, 1);
    for row in rows {
        set.push(positions.iter().map(|index| row[*index].clone()).collect())?;
    }
    tx.put(entity, &positions, &set).await
}

async fn children(
    tx: &mut dyn LocalTransaction,
    child: &EntitySchema,
    relation: &Relation,
    parent: &Key,
) -> Result<Vec<Row>> {
    let Some(value) = parent.values().first() else {
        return Ok(Vec::new());
    };
    let query = Query::entity(&child.name).filter(&relation.attribute, Comparison::Equal, value.clone());
    tx.query(child, &query).await
}

async fn clear(
    tx: &mut dyn LocalTransaction,
    child: &EntitySchema,
    relation: &Relation,
    mut rows: Vec<Row>,
) -> Result<()> {
    let reference = child.require(&relation.attribute)?;
    for row in &mut rows {
        row[reference] = Value::Null;
    }
    put(tx, child, &[reference], rows.iter()).await
}

fn restricted(entity: &EntitySchema, key: &Key, relation: &Relation, children: usize) -> Error {
    Error::rejected(
        "delete_restricted",
        format!(
            "`{}` {key} still has {children} records of `{}` (relation `{}`, on_delete = \"restrict\"); delete these first",
            entity.name, relation.child, relation.name
        ),
    )
}

fn check_joined(parent: &EntitySchema, prefix: &str, query: &Query) -> Result<()> {
    let names = query.conditions.iter().map(|condition| &condition.attribute);
    for name in names.chain(query.order.iter().map(|(name, _)| name)) {
        if let Some(attribute) = name.strip_prefix(prefix) {
            parent.require(attribute)?;
        }
    }
    Ok(())
}

fn holds(condition: &Condition, fields: &Fields) -> bool {
    condition.holds(fields.value(&condition.attribute))
}

fn in_order(order: &[(String, Order)], a: &Fields, b: &Fields) -> Ordering {
    order
        .iter()
        .map(|(name, order)| {
            let compared = a.value(name).cmp(b.value(name));
            match order {
                Order::Ascending => compared,
                Order::Descending => compared.reverse(),
            }
        })
        .find(|compared| compared.is_ne())
        .unwrap_or(Ordering::Equal)
}

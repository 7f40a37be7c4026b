//! What another program does to the server's database.

use crate::ledger::{Author, Deed, Write};
use crate::plan::Deal;
use crate::shared::Shared;
use crate::values::{Facts, small, unique};
use onsync_core::page::KeyRange;
use onsync_core::runtime::Runtime as _;
use onsync_core::schema::{EntitySchema, Ids, Schema};
use onsync_core::store::server::{Extent, PageLimit, ServerStore, ServerTransaction};
use onsync_core::{Fields, Key, Result, Row, Value};
use onsync_testkit::fakes::Dice;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Keys that other programs choose; half of them are those that devices choose too.
const SPACE: u64 = 12;

/// All rows of an entity on the server.
pub(crate) async fn rows(store: &dyn ServerStore, entity: &EntitySchema) -> Result<Vec<Row>> {
    let attributes: Vec<usize> = (0..entity.attributes.len()).collect();
    let extent = Extent {
        entity,
        attributes: &attributes,
        scope: "",
    };
    let limit = PageLimit {
        rows: 100_000,
        bytes: 1 << 30,
    };
    let found = store
        .read()
        .await?
        .snapshot(&extent, &KeyRange::all(), limit)
        .await?;
    Ok((0..found.rows.len()).map(|row| found.rows.row(row)).collect())
}

/// One transaction of another program.
pub(crate) struct Foreign {
    pub(crate) store: Arc<dyn ServerStore>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) facts: Arc<BTreeMap<String, Facts>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) dice: Dice,
    /// How long it stays open.
    pub(crate) hold: Duration,
}

impl Foreign {
    fn pick<T: Clone>(&mut self, among: &[T]) -> Option<T> {
        let index = usize::try_from(self.dice.below(among.len() as u64)).ok()?;
        among.get(index).cloned()
    }

    fn token(&mut self, entity: &EntitySchema, index: usize) -> Value {
        let number = self.shared.ledger().tick();
        unique(entity.attributes[index].value_type, number, false)
    }

    /// Carries out one deal. Where the database refuses it, nothing happened.
    pub(crate) async fn write(mut self, deal: Deal) -> Result<()> {
        let entities: Vec<EntitySchema> = self
            .schema
            .entities
            .iter()
            .filter(|entity| !entity.local)
            .cloned()
            .collect();
        let Some(entity) = self.pick(&entities) else {
            return Ok(());
        };
        let mut tx = self.store.write().await?;
        let rows = rows(self.store.as_ref(), &entity).await?;
        let row = self.pick(&rows);
        let writes = match (deal, row) {
            (Deal::Delete, Some(row)) => self.delete(tx.as_mut(), &entity, &row).await?,
            (Deal::Update | Deal::Rewire | Deal::Several | Deal::Bad, Some(row)) => {
                self.update(tx.as_mut(), &entity, &row).await?
            }
            _ => self.insert(tx.as_mut(), &entity, &rows).await?,
        };
        if !self.hold.is_zero() {
            self.shared.runtime.sleep(self.hold).await;
        }
        tx.commit().await?;
        for write in &writes {
            self.shared.trace.say(|| format!("another program: {write}"));
        }
        self.shared.ledger().committed(Author::Foreign, writes);
        Ok(())
    }

    async fn insert(
        &mut self,
        tx: &mut dyn ServerTransaction,
        entity: &EntitySchema,
        rows: &[Row],
    ) -> Result<Vec<Write>> {
        let facts = self.facts.get(&entity.name).cloned();
        let Some(facts) = facts else { return Ok(Vec::new()) };
        let mut fields = Fields::new();
        for index in facts.tag.iter().chain(&facts.tokens) {
            let value = self.token(entity, *index);
            fields.set(&entity.attributes[*index].name, value);
        }
        for (index, parent) in &facts.references {
            let parent = self.schema.clone().entity(parent)?.clone();
            let there = self::rows(self.store.as_ref(), &parent).await?;
            let value = self
                .pick(&there)
                .and_then(|row| parent.key_of(&row).0.first().cloned());
            fields.set(&entity.attributes[*index].name, value.unwrap_or_default());
        }
        if entity.ids == Ids::Client {
            for index in entity.key_indexes() {
                let value = small(entity.attributes[index].value_type, self.dice.below(SPACE));
                if !fields.has(&entity.attributes[index].name) {
                    fields.set(&entity.attributes[index].name, value);
                }
            }
            let key = entity.key_of(&entity.row(&fields)?);
            if let Some(row) = rows.iter().find(|row| entity.key_of(row) == key) {
                return self.update(tx, entity, row).await;
            }
        }
        let key = tx.insert(entity, &fields).await?;
        Ok(vec![Write {
            entity: entity.name.clone(),
            key,
            deed: Deed::Insert(fields),
        }])
    }

    async fn update(
        &mut self,
        tx: &mut dyn ServerTransaction,
        entity: &EntitySchema,
        row: &Row,
    ) -> Result<Vec<Write>> {
        let tokens = self.facts.get(&entity.name).map(|facts| facts.tokens.clone());
        let Some(index) = self.pick(&tokens.unwrap_or_default()) else {
            return Ok(Vec::new());
        };
        let value = self.token(entity, index);
        let fields = Fields::new().with(&entity.attributes[index].name, value);
        let key = entity.key_of(row);
        tx.update(entity, &key, &fields).await?;
        Ok(vec![Write {
            entity: entity.name.clone(),
            key,
            deed: Deed::Update(fields),
        }])
    }

    /// Children go first, as a decent program does it.
    async fn delete(
        &mut self,
        tx: &mut dyn ServerTransaction,
        entity: &EntitySchema,
        row: &Row,
    ) -> Result<Vec<Write>> {
        let mut doomed: Vec<(EntitySchema, Row)> = vec![(entity.clone(), row.clone())];
        let mut next = 0;
        while let Some((entity, row)) = doomed.get(next).cloned() {
            next += 1;
            let key = entity.key_of(&row).0.first().cloned().unwrap_or_default();
            for relation in self.schema.children_of(&entity.name) {
                let child = self.schema.entity(&relation.child)?.clone();
                let index = child.require(&relation.attribute)?;
                for row in rows(self.store.as_ref(), &child).await? {
                    if row[index] == key {
                        doomed.push((child.clone(), row));
                    }
                }
            }
        }
        let mut writes = Vec::new();
        for (entity, row) in doomed.iter().rev() {
            let key: Key = entity.key_of(row);
            tx.delete(entity, &key).await?;
            writes.push(Write {
                entity: entity.name.clone(),
                key,
                deed: Deed::Delete(entity.fields(row.clone())),
            });
        }
        Ok(writes)
    }
}

//! What the people at the devices do.

use crate::ledger::{Told, Wish, shown};
use crate::plan::Deal;
use crate::shared::Shared;
use crate::values::{Facts, small, unique};
use onsync_core::conflict::Resolution;
use onsync_core::query::Query;
use onsync_core::schema::{EntitySchema, Ids, OnDelete, Schema};
use onsync_core::{Error, Fields, Key, Result, Row, Value};
use onsync_engine::App;
use onsync_testkit::fakes::Dice;
use std::collections::BTreeMap;

/// Keys of records that devices name themselves come from so many.
const SPACE: u64 = 6;

/// One device's app and what it takes to edit with it.
pub(crate) struct Editor<'a> {
    pub(crate) app: &'a App,
    pub(crate) device: usize,
    pub(crate) schema: &'a Schema,
    pub(crate) facts: &'a BTreeMap<String, Facts>,
    pub(crate) shared: &'a Shared,
    pub(crate) dice: Dice,
    pub(crate) name: &'a str,
}

/// A write that is prepared: for the app, and for the ledger.
struct Prepared {
    entity: String,
    key: Key,
    identity: Option<Key>,
    fields: Fields,
    creates: bool,
}

/// What the app was told, by what came back.
fn told<T>(result: &Result<T>) -> Told {
    match result {
        Ok(_) => Told::Accepted,
        Err(error) => match error.code() {
            "killed" | "store_unavailable" | "transaction_over" | "app_closed" => Told::Nothing,
            _ => Told::Refused,
        },
    }
}

impl Editor<'_> {
    fn pick<'b, T>(&mut self, among: &'b [T]) -> Option<&'b T> {
        let index = usize::try_from(self.dice.below(among.len() as u64)).ok()?;
        among.get(index)
    }

    async fn rows(&self, entity: &str) -> Result<Vec<Row>> {
        let schema = self.schema.entity(entity)?;
        let found = self.app.query(Query::entity(entity)).await?;
        found.iter().map(|fields| schema.row(fields)).collect()
    }

    fn facts(&self, entity: &str) -> Facts {
        self.facts.get(entity).cloned().unwrap_or_default()
    }

    fn token(&mut self, entity: &EntitySchema, index: usize, bad: bool) -> Value {
        let number = self.shared.ledger().tick();
        unique(entity.attributes[index].value_type, number, bad)
    }

    async fn parent(&mut self, parent: &str) -> Result<Value> {
        let entity = self.schema.entity(parent)?;
        let rows = self.rows(parent).await?;
        if self.dice.chance(150) {
            return Ok(Value::Null);
        }
        let row = self.pick(&rows);
        Ok(row
            .and_then(|row| entity.key_of(row).0.first().cloned())
            .unwrap_or_default())
    }

    /// Carries out one deal.
    pub(crate) async fn edit(&mut self, deal: Deal) -> Result<()> {
        let names: Vec<String> = self
            .schema
            .entities
            .iter()
            .filter(|entity| !entity.local)
            .map(|entity| entity.name.clone())
            .collect();
        let Some(name) = self.pick(&names).cloned() else {
            return Ok(());
        };
        match deal {
            Deal::Create => self.create(&name, false).await,
            Deal::Update => self.update(&name, false).await,
            Deal::Bad if self.dice.chance(500) => self.create(&name, true).await,
            Deal::Bad => self.update(&name, true).await,
            Deal::Rewire => self.rewire(&name).await,
            Deal::Delete => self.delete(&name).await,
            Deal::Family => self.family().await,
            Deal::Several => self.several(&name).await,
        }
    }

    /// A new record's values; the parent is given or picked.
    async fn new_record(&mut self, name: &str, bad: bool, parent: Option<&Key>) -> Result<Prepared> {
        let schema = self.schema;
        let entity = schema.entity(name)?;
        let facts = self.facts(name);
        let mut fields = Fields::new();
        for (index, referred) in &facts.references {
            let value = match parent.and_then(|key| key.0.first()) {
                Some(value) => value.clone(),
                None => self.parent(referred).await?,
            };
            fields.set(&entity.attributes[*index].name, value);
        }
        let bad_at = facts.tokens.last().copied().filter(|_| bad);
        for index in facts.tag.iter().chain(&facts.tokens).copied() {
            let value = self.token(entity, index, bad_at == Some(index));
            fields.set(&entity.attributes[index].name, value);
        }
        if entity.ids == Ids::Client {
            for index in entity.key_indexes() {
                if facts.references.iter().any(|(reference, _)| *reference == index) {
                    continue;
                }
                let value = small(entity.attributes[index].value_type, self.dice.below(SPACE));
                fields.set(&entity.attributes[index].name, value);
            }
        }
        let row = entity.row(&fields)?;
        let key = entity.key_of(&row);
        Ok(Prepared {
            entity: name.to_owned(),
            identity: facts.identity(entity, &row),
            key,
            fields,
            creates: true,
        })
    }

    /// Notes a prepared write in the ledger, before it is made.
    fn note(&self, prepared: &Prepared) -> usize {
        let mut ledger = self.shared.ledger();
        let edit = ledger.edit(
            self.device,
            &prepared.entity,
            prepared.key.clone(),
            prepared.identity.clone(),
            Wish::Write(prepared.fields.clone()),
        );
        let Ok(entity) = self.schema.entity(&prepared.entity) else {
            return edit;
        };
        let facts = self.facts(&prepared.entity);
        let tokens = facts.tag.iter().chain(&facts.tokens);
        let names = tokens.map(|index| entity.attributes[*index].name.as_str());
        let values = names.map(|name| prepared.fields.value(name).clone());
        ledger.makes(edit, values.filter(|value| !value.is_null()));
        edit
    }

    fn tell(&self, edits: &[usize], told: Told, what: impl FnOnce() -> String) {
        if told == Told::Accepted {
            self.shared.reach().writes += 1;
        }
        let mut ledger = self.shared.ledger();
        for edit in edits {
            if let Some(edit) = ledger.edits.get_mut(*edit) {
                edit.told = told;
            }
        }
        self.shared
            .trace
            .say(|| format!("{}: {}: {told:?}", self.name, what()));
    }

    fn name_key(&self, edit: usize, key: &Key) {
        if let Some(edit) = self.shared.ledger().edits.get_mut(edit) {
            edit.key = key.clone();
        }
    }

    async fn create(&mut self, name: &str, bad: bool) -> Result<()> {
        let prepared = self.new_record(name, bad, None).await?;
        let edit = self.note(&prepared);
        let overwrites = self.dice.chance(200) && self.schema.entity(name)?.ids == Ids::Client;
        let result = if overwrites {
            self.app.create_or_update(name, prepared.fields.clone()).await
        } else {
            self.app.create(name, prepared.fields.clone()).await
        };
        if let Ok(key) = &result {
            self.name_key(edit, key);
        }
        let what = || format!("creates {name} {result:?} {}", shown(&prepared.fields));
        self.tell(&[edit], told(&result), what);
        Ok(())
    }

    async fn change(&mut self, name: &str, row: &Row, bad: bool) -> Result<Option<Prepared>> {
        let schema = self.schema;
        let entity = schema.entity(name)?;
        let facts = self.facts(name);
        let mut fields = Fields::new();
        for _ in 0..=self.dice.below(2) {
            if let Some(index) = self.pick(&facts.tokens).copied() {
                let value = self.token(entity, index, bad);
                fields.set(&entity.attributes[index].name, value);
            }
        }
        Ok((!fields.is_empty()).then(|| Prepared {
            entity: name.to_owned(),
            key: entity.key_of(row),
            identity: facts.identity(entity, row),
            fields,
            creates: false,
        }))
    }

    async fn update(&mut self, name: &str, bad: bool) -> Result<()> {
        let rows = self.rows(name).await?;
        let Some(row) = self.pick(&rows).cloned() else {
            return self.create(name, bad).await;
        };
        let Some(prepared) = self.change(name, &row, bad).await? else {
            return Ok(());
        };
        self.apply(prepared).await
    }

    async fn apply(&mut self, prepared: Prepared) -> Result<()> {
        let edit = self.note(&prepared);
        let (name, key, fields) = (&prepared.entity, prepared.key.clone(), prepared.fields.clone());
        let result = self.app.update(name, key, fields).await;
        let what = || format!("updates {name} {} {}", prepared.key, shown(&prepared.fields));
        self.tell(&[edit], told(&result), what);
        Ok(())
    }

    async fn rewire(&mut self, name: &str) -> Result<()> {
        let facts = self.facts(name);
        let schema = self.schema;
        let entity = schema.entity(name)?;
        let rows = self.rows(name).await?;
        let reference = facts
            .references
            .iter()
            .find(|(index, _)| !entity.is_key(*index))
            .cloned();
        let (Some((index, parent)), Some(row)) = (reference, self.pick(&rows).cloned()) else {
            return self.update(name, false).await;
        };
        let value = self.parent(&parent).await?;
        self.apply(Prepared {
            entity: name.to_owned(),
            key: entity.key_of(&row),
            identity: facts.identity(entity, &row),
            fields: Fields::new().with(&entity.attributes[index].name, value),
            creates: false,
        })
        .await
    }

    /// A record and everything that goes with it by its relations' rules.
    async fn doomed(&self, name: &str, row: &Row) -> Result<Vec<(String, Row)>> {
        let mut found = vec![(name.to_owned(), row.clone())];
        let mut next = 0;
        while let Some((name, row)) = found.get(next).cloned() {
            next += 1;
            let Some(key) = self.schema.entity(&name)?.key_of(&row).0.first().cloned() else {
                continue;
            };
            for relation in self.schema.children_of(&name) {
                if relation.on_delete != OnDelete::Cascade {
                    continue;
                }
                let child = self.schema.entity(&relation.child)?;
                let index = child.require(&relation.attribute)?;
                let rows = self.rows(&child.name).await?;
                let rows = rows.into_iter().filter(|row| row[index] == key);
                found.extend(rows.map(|row| (child.name.clone(), row)));
                if found.len() > 200 {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    async fn delete(&mut self, name: &str) -> Result<()> {
        let rows = self.rows(name).await?;
        let Some(row) = self.pick(&rows).cloned() else {
            return Ok(());
        };
        let mut edits = Vec::new();
        for (name, row) in self.doomed(name, &row).await? {
            let entity = self.schema.entity(&name)?;
            let identity = self.facts(&name).identity(entity, &row);
            let key = entity.key_of(&row);
            let tag = self.facts(&name).tag_of(&row);
            let perhaps_unsent = tag.is_none() && self.app.record_state(&name, key.clone()).await?.is_some();
            let mut ledger = self.shared.ledger();
            let edit = ledger.edit(self.device, &name, key, identity, Wish::Delete);
            if let Some(edit) = ledger.edits.get_mut(edit) {
                edit.tag = tag;
                edit.perhaps_unsent = perhaps_unsent;
            }
            edits.push(edit);
        }
        let key = self.schema.entity(name)?.key_of(&row);
        let result = self.app.delete(name, key.clone()).await;
        let told = match &result {
            Ok(false) => Told::Refused,
            other => told(other),
        };
        self.tell(&edits, told, || format!("deletes {name} {key}"));
        Ok(())
    }

    /// A record and two that refer to it.
    async fn family(&mut self) -> Result<()> {
        let Some(relation) = self.pick(&self.schema.relations).cloned() else {
            let names: Vec<String> = self
                .schema
                .entities
                .iter()
                .map(|entity| entity.name.clone())
                .collect();
            return match self.pick(&names).cloned() {
                Some(name) => self.create(&name, false).await,
                None => Ok(()),
            };
        };
        let parent = self.new_record(&relation.parent, false, None).await?;
        let mut children = Vec::new();
        for _ in 0..2 {
            children.push(
                self.new_record(&relation.child, false, Some(&Key(vec![Value::Null])))
                    .await?,
            );
        }
        let mut edits = vec![self.note(&parent)];
        edits.extend(children.iter().map(|child| self.note(child)));
        let (entity, fields) = (parent.entity.clone(), parent.fields.clone());
        let written: Vec<Fields> = children.iter().map(|child| child.fields.clone()).collect();
        let result = self
            .app
            .transaction(async |tx| {
                let key = tx.create(&entity, fields.clone()).await?;
                let mut keys = vec![key.clone()];
                for fields in &written {
                    let value = key.0.first().cloned().unwrap_or_default();
                    let fields = fields.clone().with(&relation.attribute, value);
                    keys.push(tx.create(&relation.child, fields).await?);
                }
                Ok::<_, Error>(keys)
            })
            .await;
        if let Ok(keys) = &result {
            for (edit, key) in edits.iter().zip(keys) {
                self.name_key(*edit, key);
            }
        }
        let what = || format!("creates a family {result:?} {}", shown(&parent.fields));
        self.tell(&edits, told(&result), what);
        Ok(())
    }

    async fn several(&mut self, name: &str) -> Result<()> {
        let rows = self.rows(name).await?;
        let mut prepared = Vec::new();
        for row in rows.iter().take(3) {
            prepared.extend(self.change(name, row, false).await?);
        }
        prepared.push(self.new_record(name, false, None).await?);
        let edits: Vec<usize> = prepared.iter().map(|one| self.note(one)).collect();
        let result = self
            .app
            .transaction(async |tx| {
                let mut keys = Vec::new();
                for one in &prepared {
                    if one.creates {
                        keys.push(tx.create(&one.entity, one.fields.clone()).await?);
                    } else {
                        tx.update(&one.entity, one.key.clone(), one.fields.clone())
                            .await?;
                        keys.push(one.key.clone());
                    }
                }
                Ok::<_, Error>(keys)
            })
            .await;
        if let Ok(keys) = &result {
            for (edit, key) in edits.iter().zip(keys) {
                self.name_key(*edit, key);
            }
        }
        let what = || {
            let all: Vec<String> = prepared.iter().map(|one| shown(&one.fields)).collect();
            format!("writes several {name} {result:?} {}", all.join(" "))
        };
        self.tell(&edits, told(&result), what);
        Ok(())
    }
}

/// A person decides every conflict that a device shows, one way or the other.
pub(crate) async fn resolve(
    app: &App,
    device: usize,
    shared: &Shared,
    name: &str,
    mut dice: Dice,
) -> Result<()> {
    for conflict in app.conflicts(None, usize::MAX).await? {
        let (entity, key) = (conflict.entity, conflict.key);
        let mine = app.get(&entity, key.clone()).await?;
        let keeps = dice.chance(500);
        // Before it is done: a process that dies in between may have done it.
        if keeps {
            let values = mine
                .iter()
                .flat_map(|mine| mine.iter().map(|(_, value)| value.clone()));
            shared.ledger().keeps(values);
        } else {
            shared.ledger().yields(device, &entity, &key);
        }
        let resolution = if keeps {
            Resolution::KeepMine
        } else {
            Resolution::TakeTheirs
        };
        let result = app
            .resolve_conflict(&entity, key.clone(), resolution.clone())
            .await;
        if keeps {
            let now = result.as_ref().ok();
            shared.ledger().is_kept(device, &entity, &key, now);
        }
        shared.trace.say(|| {
            format!(
                "{name}: resolves {:?} of {entity} {key} by {resolution:?}: {result:?}",
                conflict.kind
            )
        });
    }
    Ok(())
}

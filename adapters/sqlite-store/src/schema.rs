//! Tables, views, indexes and triggers of a schema: made, extended, verified and healed when a store is opened.

use crate::error::{self, SqlResult as _};
use crate::overlay::WAITING;
use crate::sql::{Shape, base_name, quote, view_name};
use crate::tables::{base_table, view, visible_table, wants_sequence};
use crate::triggers::triggers;
use crate::values::{collation, declared};
use crate::verify::{foreign_triggers, unique_indexes};
use onsync_core::Result;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::store::local::{FIRST_LOCAL_INTEGER, Opened};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use std::collections::BTreeMap;

/// Numbered migrations of the framework's own tables.
const MIGRATIONS: [&str; 1] = [include_str!("../migrations/001_init.sql")];

/// Brings the database to the schema, in one transaction.
pub(crate) fn prepare(connection: &Connection, schema: &Schema, opened: &mut Opened) -> Result<()> {
    check_names(schema)?;
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
        .doing("starting to prepare the tables")?;
    opened.created |= migrate(&transaction)?;
    let mut preparation = Preparation {
        recorded: recorded(&transaction)?,
        connection: &transaction,
        opened,
    };
    for entity in &schema.entities {
        preparation
            .entity(entity, schema)
            .map_err(|error| error.at(format!("entities.{}", entity.name)))?;
    }
    transaction.commit().doing("storing the tables")
}

fn check_names(schema: &Schema) -> Result<()> {
    let mut taken = BTreeMap::new();
    for entity in &schema.entities {
        let lower = entity.name.to_lowercase();
        if lower.starts_with("sqlite_") || lower == "new" || lower == "old" {
            return Err(error::schema(format!(
                "`{}` is a name that SQLite keeps for itself; give the entity another",
                entity.name
            )));
        }
        for name in [entity.name.clone(), view_name(&entity.name)] {
            if let Some(other) = taken.insert(name.to_lowercase(), entity.name.clone()) {
                return Err(error::schema(format!(
                    "`{other}` and `{}` both need a table or view named `{name}`; rename one of the entities",
                    entity.name
                )));
            }
        }
    }
    Ok(())
}

/// Runs the migrations that have not run; says whether the database had none of our tables before.
fn migrate(connection: &Connection) -> Result<bool> {
    let doing = "preparing the framework's tables";
    let newest = MIGRATIONS.len() as u32;
    let created = kind_of(connection, "_onsync_schema")?.is_none();
    let version: u32 = if created {
        0
    } else {
        connection
            .query_row("SELECT version FROM _onsync_schema", [], |row| row.get(0))
            .doing(doing)?
    };
    if version > newest {
        return Err(error::schema(format!(
            "the store has version {version}, this build knows {newest}; it was made by a newer OnSync: update the app"
        )));
    }
    for (number, migration) in (1u32..).zip(MIGRATIONS).filter(|(number, _)| *number > version) {
        connection.execute_batch(migration).doing(doing)?;
        connection
            .execute("UPDATE _onsync_schema SET version = ?1", [number])
            .doing(doing)?;
    }
    Ok(created)
}

fn recorded(connection: &Connection) -> Result<BTreeMap<String, String>> {
    let doing = "reading what was made before";
    connection
        .prepare("SELECT name, sql FROM _onsync_object")
        .doing(doing)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .doing(doing)?
        .collect::<rusqlite::Result<_>>()
        .doing(doing)
}

/// Type and text of what has this name, in any case.
fn kind_of(connection: &Connection, name: &str) -> Result<Option<(String, String)>> {
    connection
        .query_row(
            "SELECT type, coalesce(sql, '') FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE",
            [name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()
        .doing("reading the database's schema")
}

struct Preparation<'a> {
    connection: &'a Connection,
    /// What was made here, as it was made.
    recorded: BTreeMap<String, String>,
    opened: &'a mut Opened,
}

impl Preparation<'_> {
    fn entity(&mut self, entity: &EntitySchema, schema: &Schema) -> Result<()> {
        let shape = Shape::of(entity);
        self.table(&shape, &entity.name, &visible_table(&shape), false)?;
        self.attributes(entity)?;
        if wants_sequence(entity) {
            self.seed_keys(entity)?;
        }
        self.indexes(&shape, schema)?;
        if !entity.local {
            self.table(&shape, &base_name(&entity.name), &base_table(&shape), true)?;
            self.waiting_index(&shape)?;
            self.view(&shape)?;
        }
        self.triggers(entity)
    }

    fn run(&self, sql: &str) -> Result<()> {
        self.connection.execute_batch(sql).doing("preparing a table")
    }

    fn record(&mut self, entity: &str, name: &str, sql: &str) -> Result<()> {
        if self.recorded.get(name).is_some_and(|known| known == sql) {
            return Ok(());
        }
        self.connection
            .execute(
                "INSERT OR REPLACE INTO _onsync_object (name, entity, sql) VALUES (?1, ?2, ?3)",
                params![name, entity, sql],
            )
            .doing("recording what was made")?;
        self.recorded.insert(name.to_owned(), sql.to_owned());
        Ok(())
    }

    fn table(&mut self, shape: &Shape<'_>, name: &str, sql: &str, base: bool) -> Result<()> {
        let entity = shape.entity;
        let known = self.recorded.contains_key(name);
        match kind_of(self.connection, name)? {
            None => {
                self.run(sql)?;
                if known {
                    self.opened.warnings.push(format!(
                        "the table `{name}` was missing and has been made anew; the records are fetched again, unsent changes in it are lost"
                    ));
                    self.extended(entity);
                }
            }
            Some((kind, _)) if kind != "table" => {
                return Err(error::schema(format!(
                    "wanted to make a table `{name}`, found a {kind} of that name; rename it, or the entity"
                )));
            }
            Some(_) if !known && !entity.local => {
                return Err(error::schema(format!(
                    "wanted to make a table `{name}`, found one that OnSync did not make; rename it, rename the entity, or use another store file"
                )));
            }
            Some((_, found)) => {
                self.compare(shape, name, base)?;
                if !base && wants_sequence(entity) && !found.to_ascii_uppercase().contains("AUTOINCREMENT") {
                    return Err(error::schema(format!(
                        "`{name}` was made for `ids = \"client\"` and has no range for keys made here; keep `ids`, or use another store file"
                    )));
                }
            }
        }
        self.record(&entity.name, name, sql)
    }

    fn extended(&mut self, entity: &EntitySchema) {
        if !entity.local && !self.opened.extended.contains(&entity.name) {
            self.opened.extended.push(entity.name.clone());
        }
    }

    /// Compares an existing table with the entity and adds attributes that are new.
    fn compare(&mut self, shape: &Shape<'_>, name: &str, base: bool) -> Result<()> {
        let doing = "reading the columns of a table";
        let mut columns = BTreeMap::new();
        let mut key: Vec<(i64, String)> = Vec::new();
        let mut list = self
            .connection
            .prepare(&format!("PRAGMA table_xinfo({})", quote(name)))
            .doing(doing)?;
        let mut rows = list.query([]).doing(doing)?;
        while let Some(row) = rows.next().doing(doing)? {
            let column: String = row.get::<_, String>(1).doing(doing)?.to_lowercase();
            let place: i64 = row.get(5).doing(doing)?;
            if place > 0 {
                key.push((place, column.clone()));
            }
            columns.insert(column, row.get::<_, String>(2).doing(doing)?);
        }
        key.sort();
        let wanted: Vec<String> = shape.entity.key.iter().map(|name| name.to_lowercase()).collect();
        if !key.iter().map(|(_, column)| column).eq(&wanted) {
            return Err(error::schema(format!(
                "the table `{name}` has another key than {}; a key cannot change: use another entity name or store file",
                wanted.join(", ")
            )));
        }
        for attribute in &shape.entity.attributes {
            let wanted = declared(attribute.value_type);
            match columns.get(&attribute.name.to_lowercase()) {
                Some(found) if found.eq_ignore_ascii_case(wanted) => {}
                Some(found) => {
                    return Err(error::schema(format!(
                        "wanted the column `{}` of `{name}` as {wanted} for {}, found {found}; name the attribute differently, or use another store file",
                        attribute.name, attribute.value_type
                    )));
                }
                None => {
                    self.run(&format!(
                        "ALTER TABLE {} ADD COLUMN {} {wanted}{}",
                        quote(name),
                        quote(&attribute.name),
                        collation(attribute.value_type)
                    ))?;
                    if !base {
                        self.extended(shape.entity);
                    }
                }
            }
        }
        Ok(())
    }

    /// Compares the attributes' types with those of the last time; one that was left out meanwhile is new again.
    fn attributes(&mut self, entity: &EntitySchema) -> Result<()> {
        let doing = "reading the attributes of the last time";
        let known: BTreeMap<String, (String, bool)> = self
            .connection
            .prepare("SELECT name, type, configured FROM _onsync_attribute WHERE entity = ?1")
            .doing(doing)?
            .query_map([&entity.name], |row| {
                Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
            })
            .doing(doing)?
            .collect::<rusqlite::Result<_>>()
            .doing(doing)?;
        for attribute in &entity.attributes {
            let wanted = attribute.value_type;
            match known.get(&attribute.name) {
                Some((found, _)) if found != wanted.as_str() => {
                    return Err(error::schema(format!(
                        "wanted `{}` as {wanted}, found it stored as {found}; keep the type, or name the attribute differently",
                        attribute.name
                    )));
                }
                Some((_, configured)) if !configured => self.extended(entity),
                _ => {}
            }
        }
        let same =
            known.len() == entity.attributes.len() && known.values().all(|(_, configured)| *configured);
        if same {
            return Ok(());
        }
        self.connection
            .execute(
                "UPDATE _onsync_attribute SET configured = 0 WHERE entity = ?1",
                [&entity.name],
            )
            .doing(doing)?;
        for attribute in &entity.attributes {
            self.connection
                .execute(
                    "INSERT OR REPLACE INTO _onsync_attribute (entity, name, type, configured) VALUES (?1, ?2, ?3, 1)",
                    params![entity.name, attribute.name, attribute.value_type.as_str()],
                )
                .doing(doing)?;
        }
        Ok(())
    }

    /// Keys that the table makes by itself begin where the server's cannot be.
    fn seed_keys(&self, entity: &EntitySchema) -> Result<()> {
        let doing = "setting the first local key";
        let last = FIRST_LOCAL_INTEGER - 1;
        self.connection
            .execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, ?2 \
                 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
                params![entity.name, last],
            )
            .doing(doing)?;
        self.connection
            .execute(
                "UPDATE sqlite_sequence SET seq = ?2 WHERE name = ?1 AND seq < ?2",
                params![entity.name, last],
            )
            .doing(doing)?;
        Ok(())
    }

    fn indexes(&self, shape: &Shape<'_>, schema: &Schema) -> Result<()> {
        let references = schema
            .parents_of(&shape.entity.name)
            .map(|relation| vec![relation.attribute.clone()]);
        for attributes in shape.entity.indexes.iter().cloned().chain(references) {
            let columns: Vec<String> = attributes.iter().map(|name| quote(name)).collect();
            let name = format!("_onsync_index_{}({})", shape.entity.name, attributes.join(","));
            self.run(&format!(
                "CREATE INDEX IF NOT EXISTS {} ON {} ({})",
                quote(&name),
                shape.table,
                columns.join(", ")
            ))?;
        }
        Ok(())
    }

    /// What waits is found without looking at what is held: a thousand open conflicts cost a sync nothing.
    fn waiting_index(&self, shape: &Shape<'_>) -> Result<()> {
        self.run(&format!(
            "CREATE INDEX IF NOT EXISTS {} ON {} ({}) WHERE {WAITING}",
            quote(&format!("_onsync_waiting_{}", shape.entity.name)),
            shape.base,
            shape.key_list()
        ))
    }

    fn view(&mut self, shape: &Shape<'_>) -> Result<()> {
        let name = view_name(&shape.entity.name);
        let sql = view(shape, &name);
        match kind_of(self.connection, &name)? {
            Some((_, found)) if found == sql => {}
            Some((kind, _)) if kind == "view" && self.recorded.contains_key(&name) => {
                self.run(&format!("DROP VIEW {}; {sql}", quote(&name)))?;
            }
            Some((kind, _)) => {
                return Err(error::schema(format!(
                    "wanted to make a view `{name}`, found a {kind} of that name; rename it, or the entity"
                )));
            }
            None => self.run(&sql)?,
        }
        self.record(&shape.entity.name, &name, &sql)
    }

    fn triggers(&mut self, entity: &EntitySchema) -> Result<()> {
        let unique = if entity.local {
            Vec::new()
        } else {
            self.warn_of_foreign(entity)?
        };
        let wanted = triggers(entity, &unique);
        for trigger in &wanted {
            let found = kind_of(self.connection, &trigger.name)?.map(|(_, sql)| sql);
            let recorded = self.recorded.get(&trigger.name);
            if found.as_ref() != Some(&trigger.sql) {
                if recorded.is_some() && found.as_ref() != recorded {
                    self.opened.warnings.push(format!(
                        "the trigger `{}` that tracks changes of `{}` was {}; it has been put back, changes made by SQL meanwhile are not known and not sent",
                        trigger.name,
                        entity.name,
                        if found.is_some() { "changed" } else { "missing" }
                    ));
                }
                self.run(&format!(
                    "DROP TRIGGER IF EXISTS {}; {}",
                    quote(&trigger.name),
                    trigger.sql
                ))?;
            }
            self.record(&entity.name, &trigger.name, &trigger.sql)?;
        }
        self.drop_unwanted(entity, |name| wanted.iter().any(|trigger| trigger.name == name))
    }

    fn drop_unwanted(&mut self, entity: &EntitySchema, wanted: impl Fn(&str) -> bool) -> Result<()> {
        let ours = ["before_insert", "after_insert", "before_update", "before_delete"];
        for event in ours {
            let name = format!("_onsync_{event}_{}", entity.name);
            if !wanted(&name) && self.recorded.remove(&name).is_some() {
                self.run(&format!("DROP TRIGGER IF EXISTS {}", quote(&name)))?;
                self.connection
                    .execute("DELETE FROM _onsync_object WHERE name = ?1", [&name])
                    .doing("recording what was dropped")?;
            }
        }
        Ok(())
    }

    fn warn_of_foreign(&mut self, entity: &EntitySchema) -> Result<Vec<crate::verify::UniqueIndex>> {
        let unique = unique_indexes(self.connection, &entity.name)?;
        for index in &unique {
            let how = if index.has_expression {
                "; it is on an expression, so a record that another program displaces through it with OR REPLACE is not seen as deleted"
            } else {
                ""
            };
            self.opened.warnings.push(format!(
                "the unique index `{}` on `{}` can stall a sync, when records swap a value or the server has two alike; make it a plain index{how}",
                index.name, entity.name
            ));
        }
        for name in foreign_triggers(self.connection, &entity.name)? {
            self.opened.warnings.push(format!(
                "the trigger `{name}` on `{}` does not run for records that arrive from the server",
                entity.name
            ));
        }
        Ok(unique)
    }
}

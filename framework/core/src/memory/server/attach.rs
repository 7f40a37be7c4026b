//! Attaching: tables and columns of a schema are found, or made, and tracked from then on.

use super::state::State;
use super::table::{Column, Table};
use crate::error::{Error, Result};
use crate::ordered::BTreeSet;
use crate::schema::{EntitySchema, Schema};
use crate::store::server::Attached;
use crate::value::{Value, ValueType};
use std::sync::Arc;

impl State {
    /// Makes the tables of a schema ready; `create` says whether missing tables and columns are made.
    pub(super) fn attach(&mut self, schema: &Schema, create: bool) -> Result<Attached> {
        let mut attached = Attached::default();
        let mut untracked = BTreeSet::new();
        for entity in schema.entities.iter().filter(|entity| !entity.local) {
            self.fit(entity, create)
                .map_err(|error| error.at(format!("entities.{}", entity.name)))?;
            if !self.table(&entity.source)?.tracking.installed {
                untracked.insert(entity.source.clone());
            }
            if untracked.contains(&entity.source) {
                attached.reset.push(entity.name.clone());
            }
        }
        for name in untracked {
            let position = self.position + 1;
            let tracking = &mut self.table_mut(&name)?.tracking;
            tracking.installed = true;
            if tracking.ever {
                // Nobody knows what was written meanwhile: every checkpoint given out before is below this.
                tracking.horizon = position;
                self.position = position;
            } else {
                tracking.ever = true;
            }
        }
        Ok(attached)
    }

    /// Finds or makes an entity's table and columns.
    fn fit(&mut self, entity: &EntitySchema, create: bool) -> Result<()> {
        let columns = columns(entity);
        let key = entity.key.iter().filter_map(|name| entity.index_of(name));
        let key: Vec<&str> = key
            .map(|index| entity.attributes[index].column.as_str())
            .collect();
        if create && !self.tables.contains_key(entity.source.as_str()) {
            let places = key
                .iter()
                .filter_map(|name| columns.iter().position(|column| column.name == *name));
            let table = Table::new(&entity.source, columns.clone(), places.collect());
            Arc::make_mut(&mut self.tables).insert(entity.source.as_str().into(), Arc::new(table));
        }
        let table = self.table(&entity.source)?;
        let found: Vec<&str> = table
            .key
            .iter()
            .map(|place| table.columns[*place].name.as_str())
            .collect();
        if found != key {
            return Err(Error::unsupported(
                "key_missing",
                format!(
                    "table `{}` has the key {found:?}, the configuration says {key:?}; configure the key the table has",
                    entity.source
                ),
            ));
        }
        for column in columns {
            let table = self.table(&entity.source)?;
            match table.column(&column.name).map(|place| &table.columns[place]) {
                Some(found) if found.value_type != column.value_type => {
                    return Err(Error::unsupported(
                        "column_type",
                        format!(
                            "column `{}` of table `{}` is {}, the configuration says {}; configure the type it has",
                            column.name, entity.source, found.value_type, column.value_type
                        ),
                    ));
                }
                Some(_) => {}
                None if create => self.table_mut(&entity.source)?.add_column(column),
                None => table
                    .require(&column.name)
                    .map(|_| ())
                    .map_err(|error| Error::unsupported("column_missing", error.message().to_owned()))?,
            }
        }
        Ok(())
    }
}

/// The columns an entity needs: those of its attributes and the one that marks deletions.
fn columns(entity: &EntitySchema) -> Vec<Column> {
    let travelling = entity.attributes.iter().filter(|attribute| !attribute.local);
    let mut columns: Vec<Column> = travelling
        .map(|attribute| Column {
            name: attribute.column.clone(),
            value_type: attribute.value_type,
            default: Value::Null,
        })
        .collect();
    if let Some(soft) = &entity.soft_delete {
        // As tables that mark deletions do: a new row is there.
        let default = match &soft.value {
            Value::Boolean(deleted) => Value::Boolean(!deleted),
            _ => Value::Null,
        };
        match columns.iter_mut().find(|column| column.name == soft.column) {
            Some(column) => column.default = default,
            None => columns.push(Column {
                name: soft.column.clone(),
                value_type: soft.value.value_type().unwrap_or(ValueType::Boolean),
                default,
            }),
        }
    }
    columns
}

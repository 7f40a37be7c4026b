//! Entities on tables: attributes to columns and back, rows that count as deleted.

use super::state::State;
use super::table::Table;
use crate::error::{Error, Result};
use crate::record::{Fields, Row};
use crate::schema::EntitySchema;
use crate::value::{Value, ValueType};

/// An entity and its table.
pub(super) struct Access<'a> {
    pub(super) entity: &'a EntitySchema,
    pub(super) table: &'a Table,
}

impl<'a> Access<'a> {
    pub(super) fn new(state: &'a State, entity: &'a EntitySchema) -> Result<Self> {
        let table = state
            .table(&entity.source)
            .map_err(|error| error.at(&entity.name))?;
        if entity.local || !table.tracking.ever {
            return Err(Error::unsupported(
                "table_missing",
                format!(
                    "table `{}` has not been attached; call `attach` first",
                    entity.source
                ),
            )
            .at(&entity.name));
        }
        Ok(Self { entity, table })
    }

    /// The column of the attribute at a place, and its type.
    pub(super) fn column(&self, attribute: usize) -> Result<(usize, ValueType)> {
        let found = self.entity.attributes.get(attribute).filter(|found| !found.local);
        let Some(found) = found else {
            return Err(Error::rejected(
                "unknown_attribute",
                format!("there is no attribute at position {attribute} that travels"),
            )
            .at(&self.entity.name));
        };
        let place = self
            .table
            .require(&found.column)
            .map_err(|error| error.at(&self.entity.name))?;
        Ok((place, found.value_type))
    }

    /// Whether a row counts as deleted.
    pub(super) fn is_deleted(&self, row: &Row) -> bool {
        self.entity.soft_delete.as_ref().is_some_and(|soft| {
            let place = self.table.column(&soft.column);
            place.is_some_and(|place| row[place] == soft.value)
        })
    }

    /// The values of a row in these attributes.
    pub(super) fn values(&self, row: &Row, attributes: &[usize]) -> Result<Row> {
        let mut values = Row::with_capacity(attributes.len());
        for attribute in attributes {
            let (place, wanted) = self.column(*attribute)?;
            let value = &row[place];
            value.check(wanted).map_err(|error| {
                Error::corrupt(
                    "stored_value_invalid",
                    format!("{}; correct the row, or configure another type", error.message()),
                )
                .at(format!(
                    "{}.{} of the row {}",
                    self.table.name,
                    self.table.columns[place].name,
                    self.table.key_of(row)
                ))
            })?;
            values.push(value.clone());
        }
        Ok(values)
    }

    /// Columns and values for fields given by attribute.
    pub(super) fn assignments(&self, fields: &Fields) -> Result<Vec<(usize, Value)>> {
        let mut assignments = Vec::with_capacity(fields.len());
        for (name, value) in fields.iter() {
            let (place, wanted) = self.column(self.entity.require(name)?)?;
            value
                .check(wanted)
                .map_err(|error| error.at(format!("{}.{name}", self.entity.name)))?;
            assignments.push((place, value.clone()));
        }
        Ok(assignments)
    }
}

//! How one entity is read from and written to its table, settled at attach.

use crate::catalog::{Affinity, Column, Table};
use crate::error::not_attached;
use crate::key_function;
use crate::sql;
use crate::types::form::UuidForm;
use crate::types::{Form, read, write};
use onsync_core::schema::EntitySchema;
use onsync_core::{Error, Key, Result, Value, ValueType};
use rusqlite::types::{Value as Stored, ValueRef};
use std::collections::HashMap;
use std::sync::Arc;

/// One attribute and its column.
#[derive(Clone, Debug)]
pub(crate) struct AttributePlan {
    /// the attribute's name
    pub(crate) name: String,
    pub(crate) value_type: ValueType,
    /// the column's name as the table spells it
    pub(crate) column: String,
    pub(crate) form: Form,
    /// whether the database computes it
    pub(crate) generated: bool,
    pub(crate) real_numbers: bool,
    /// whether texts that are equal under the column's collation may differ
    pub(crate) loose_text: bool,
    /// whether a key column holds values in several forms
    pub(crate) mixed: bool,
}

impl AttributePlan {
    pub(crate) fn new(name: &str, value_type: ValueType, column: &Column, form: Form) -> Self {
        Self {
            name: name.to_owned(),
            value_type,
            column: column.name.clone(),
            form,
            generated: column.generated,
            real_numbers: column.affinity == Affinity::Real,
            loose_text: !column.collation.eq_ignore_ascii_case("BINARY"),
            mixed: false,
        }
    }

    /// The stored form of a value.
    pub(crate) fn encode(&self, value: &Value) -> Result<Stored> {
        value
            .check(self.value_type)
            .and_then(|()| write::encode(value, self.form, self.real_numbers))
            .map_err(|error| error.at(self.name.clone()))
    }

    pub(crate) fn decode(&self, stored: ValueRef<'_>) -> Result<Value, read::Invalid> {
        read::decode(self.value_type, self.form.unit(), stored)
    }

    pub(crate) fn conforms(&self, value: &Value, stored: ValueRef<'_>) -> bool {
        !self.form.is_converted() || read::conforms(self.form, self.real_numbers, value, stored)
    }

    /// A condition that is true for rows with this value, and its parameters. `at` numbers the first parameter.
    fn equals(&self, value: &Value, at: usize) -> Result<(String, Vec<Stored>)> {
        let column = sql::name(&self.column);
        Ok(match value {
            Value::Uuid(uuid) => {
                let forms: Vec<Stored> = UuidForm::ALL
                    .into_iter()
                    .map(|form| write::uuid(*uuid, form))
                    .collect();
                let places = sql::join((at..at + forms.len()).map(|at| format!("?{at}")), ", ");
                (format!("{column} IN ({places})"), forms)
            }
            value if self.mixed => (
                format!("{} = ?{at}", key_function::call([self])),
                vec![Stored::Blob(onsync_core::value::canonical_bytes(
                    std::slice::from_ref(value),
                ))],
            ),
            Value::Text(_) if self.loose_text => (
                format!("{column} = ?{at} AND {column} = ?{at} COLLATE BINARY"),
                vec![self.encode(value)?],
            ),
            value => (format!("{column} = ?{at}"), vec![self.encode(value)?]),
        })
    }
}

/// One entity.
#[derive(Clone, Debug)]
pub(crate) struct EntityPlan {
    pub(crate) name: String,
    /// the table's name as the database spells it
    pub(crate) table: String,
    /// aligned with the entity's attributes; none for attributes that never travel
    pub(crate) attributes: Vec<Option<AttributePlan>>,
    /// in the order of the entity's key
    pub(crate) key: Vec<AttributePlan>,
    /// whether the table's own order of keys is that of canonical bytes
    pub(crate) native_order: bool,
    /// a condition that is true for rows that are there for devices
    pub(crate) present: Option<String>,
    /// sets the mark of a soft delete: column and stored value
    pub(crate) soft_delete: Option<(String, Stored)>,
    /// the table's change table
    pub(crate) changes: String,
    /// for each key attribute, its column in the change table
    pub(crate) change_keys: Vec<String>,
}

impl EntityPlan {
    /// The attribute at a position of the entity's list.
    pub(crate) fn attribute(&self, index: usize) -> Result<&AttributePlan> {
        self.attributes
            .get(index)
            .and_then(Option::as_ref)
            .ok_or_else(|| {
                Error::fatal(
                    "unknown_attribute",
                    format!(
                        "entity `{}` has no attribute at position {index} that travels; ask for attributes of the attached schema",
                        self.name
                    ),
                )
            })
    }

    /// The condition for one record, numbered from `at`, and its parameters.
    pub(crate) fn key_condition(&self, key: &Key, at: usize) -> Result<(String, Vec<Stored>)> {
        if key.values().len() != self.key.len() {
            return Err(Error::rejected(
                "invalid_key",
                format!(
                    "entity `{}` has a key of {} values, found {}",
                    self.name,
                    self.key.len(),
                    key.values().len()
                ),
            ));
        }
        let mut conditions = Vec::new();
        let mut parameters = Vec::new();
        for (attribute, value) in self.key.iter().zip(key.values()) {
            let (condition, more) = attribute.equals(value, at + parameters.len())?;
            conditions.push(condition);
            parameters.extend(more);
        }
        Ok((sql::join(conditions, " AND "), parameters))
    }

    /// `AND` with the condition for rows that are there, or nothing.
    pub(crate) fn and_present(&self) -> String {
        self.present
            .as_ref()
            .map_or_else(String::new, |present| format!(" AND {present}"))
    }

    /// The expression whose value orders rows: canonical bytes of the key.
    pub(crate) fn order_expression(&self) -> String {
        key_function::call(&self.key)
    }

    /// The error for a stored value that is not of its type.
    pub(crate) fn invalid(&self, attribute: &AttributePlan, key: &str, found: read::Invalid) -> Error {
        Error::corrupt(
            "stored_value_invalid",
            format!(
                "wanted {} in column `{}` of table `{}`, found {} that is none, in the row with key {key}; correct the \
                 stored value, or declare the attribute as text",
                attribute.value_type,
                attribute.column,
                self.table,
                match found.0 {
                    rusqlite::types::Type::Null => "a null",
                    rusqlite::types::Type::Integer => "an integer",
                    rusqlite::types::Type::Real => "a real",
                    rusqlite::types::Type::Text => "a text",
                    rusqlite::types::Type::Blob => "a blob",
                }
            ),
        )
    }
}

/// All entities, as they are at one version of the database's schema.
#[derive(Debug)]
pub(crate) struct Plans {
    /// SQLite's counter of schema changes
    pub(crate) version: i64,
    pub(crate) entities: HashMap<String, Arc<EntityPlan>>,
}

impl Plans {
    pub(crate) fn entity(&self, entity: &EntitySchema) -> Result<&Arc<EntityPlan>> {
        self.entities
            .get(&entity.name)
            .ok_or_else(|| not_attached(&entity.name))
    }
}

/// The name of a table's change table.
pub(crate) fn change_table(table: &Table) -> String {
    format!("_onsync_changes_{}", table.name)
}

//! How one entity is read from and written to its table, settled at attach.

use crate::catalog::{Affinity, Column, Table};
use crate::error::not_attached;
use crate::key_function;
use crate::sql;
use crate::types::form::UuidForm;
use crate::types::{Form, read, write};
use onsync_core::schema::EntitySchema;
use onsync_core::{Error, Fields, Key, Result, Value, ValueType};
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
    pub(crate) affinity: Affinity,
    pub(crate) real_numbers: bool,
    /// whether the column makes a number of a text that looks like one
    pub(crate) makes_numbers: bool,
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
            affinity: column.affinity,
            real_numbers: column.affinity == Affinity::Real,
            makes_numbers: matches!(
                column.affinity,
                Affinity::Integer | Affinity::Real | Affinity::Numeric
            ),
            loose_text: !column.collation.eq_ignore_ascii_case("BINARY"),
            mixed: false,
        }
    }

    /// The stored form of a value.
    pub(crate) fn encode(&self, value: &Value) -> Result<Stored> {
        value
            .check(self.value_type)
            .and_then(|()| write::encode(value, self.form, self.real_numbers))
            .and_then(|stored| match &stored {
                Stored::Text(text) if self.makes_numbers && write::is_beyond_reals(text) => {
                    Err(Error::rejected(
                        "invalid_value",
                        format!(
                            "column `{}` keeps numbers, and this one is too large for it; use a smaller one, or a TEXT column",
                            self.column
                        ),
                    ))
                }
                _ => Ok(stored),
            })
            .map_err(|error| error.at(self.name.clone()))
    }

    pub(crate) fn decode(&self, stored: ValueRef<'_>) -> Result<Value, read::Invalid> {
        read::decode(self.value_type, self.form.unit(), stored)
    }

    /// Whether the column keeps this value exactly as it is written, so that it is read back as the same.
    pub(crate) fn keeps(&self, value: &Value) -> Result<bool> {
        let stored = self.encode(value)?;
        let unconverted = match (self.affinity, &stored) {
            (_, Stored::Null | Stored::Blob(_)) | (Affinity::Blob { .. }, _) => true,
            (Affinity::Integer | Affinity::Numeric, Stored::Integer(_))
            | (Affinity::Real, Stored::Real(_))
            | (Affinity::Text, Stored::Text(_)) => true,
            (_, Stored::Integer(_) | Stored::Real(_) | Stored::Text(_)) => false,
        };
        let same = || {
            self.decode(ValueRef::from(&stored))
                .is_ok_and(|read| read == *value)
        };
        Ok(unconverted && !self.generated && same())
    }

    pub(crate) fn conforms(&self, value: &Value, stored: ValueRef<'_>) -> bool {
        !self.form.is_converted() || read::conforms(self.form, self.real_numbers, value, stored)
    }

    /// A condition that is true for rows with one value of this attribute, whose parameters are numbered from `at`, and how
    /// many those are.
    fn condition(&self, at: usize) -> (String, usize) {
        let column = sql::name(&self.column);
        if self.value_type == ValueType::Uuid {
            let count = UuidForm::ALL.len();
            let places = sql::join((at..at + count).map(|at| format!("?{at}")), ", ");
            (format!("{column} IN ({places})"), count)
        } else if self.mixed {
            (format!("{} = ?{at}", key_function::call([self])), 1)
        } else if self.value_type == ValueType::Text && self.loose_text {
            (format!("{column} = ?{at} AND {column} = ?{at} COLLATE BINARY"), 1)
        } else {
            (format!("{column} = ?{at}"), 1)
        }
    }

    /// The parameters of [`condition`](Self::condition) for a value.
    fn add_parameters(&self, value: &Value, parameters: &mut Vec<Stored>) -> Result<()> {
        match value {
            Value::Uuid(uuid) if self.value_type == ValueType::Uuid => {
                parameters.extend(UuidForm::ALL.into_iter().map(|form| write::uuid(*uuid, form)));
            }
            // Nothing is equal to a null.
            Value::Null if self.value_type == ValueType::Uuid => {
                parameters.extend(UuidForm::ALL.map(|_| Stored::Null));
            }
            value if self.mixed => parameters.push(Stored::Blob(onsync_core::value::canonical_bytes(
                std::slice::from_ref(value),
            ))),
            value => parameters.push(self.encode(value)?),
        }
        Ok(())
    }
}

/// The mark of a soft delete.
#[derive(Clone, Debug)]
pub(crate) struct SoftMark {
    pub(crate) column: String,
    /// the stored value that means deleted
    pub(crate) deleted: Stored,
    /// an expression for a value that does not
    pub(crate) alive: String,
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
    /// how rows are marked as deleted
    pub(crate) soft_delete: Option<SoftMark>,
    /// whether nothing in the database makes anything else of a row than what is written: no trigger but OnSync's, no column that
    /// is computed
    pub(crate) plain: bool,
    /// the table's change table
    pub(crate) changes: String,
    /// for each key attribute, its column in the change table
    pub(crate) change_keys: Vec<String>,
    /// the key of a new row as SQL, where the database would give that of a deleted one again
    pub(crate) next_key: Option<String>,
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

    /// Whether an update with these values leaves a row as it was but for exactly these values.
    pub(crate) fn keeps(&self, entity: &EntitySchema, fields: &Fields) -> Result<bool> {
        if !self.plain {
            return Ok(false);
        }
        for (name, value) in fields.iter() {
            let attribute = self.attribute(entity.require(name)?)?;
            let marks = self
                .soft_delete
                .as_ref()
                .is_some_and(|mark| mark.column.eq_ignore_ascii_case(&attribute.column));
            if marks || !attribute.keeps(value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many parameters [`key_condition`](Self::key_condition) has.
    pub(crate) fn key_parameter_count(&self) -> usize {
        self.key.iter().map(|attribute| attribute.condition(1).1).sum()
    }

    /// The condition for one record, numbered from 1.
    pub(crate) fn key_condition(&self) -> String {
        let mut at = 1;
        let conditions = self.key.iter().map(|attribute| {
            let (condition, count) = attribute.condition(at);
            at += count;
            condition
        });
        sql::join(conditions, " AND ")
    }

    /// Refuses a key of more or fewer values than the entity's have.
    pub(crate) fn check_key(&self, key: &Key) -> Result<()> {
        if key.values().len() == self.key.len() {
            return Ok(());
        }
        Err(Error::rejected(
            "invalid_key",
            format!(
                "entity `{}` has a key of {} values, found {}",
                self.name,
                self.key.len(),
                key.values().len()
            ),
        ))
    }

    /// The parameters of [`key_condition`](Self::key_condition) for a key.
    pub(crate) fn key_parameters(&self, key: &Key) -> Result<Vec<Stored>> {
        self.check_key(key)?;
        let mut parameters = Vec::with_capacity(self.key.len() + 4);
        for (attribute, value) in self.key.iter().zip(key.values()) {
            attribute.add_parameters(value, &mut parameters)?;
        }
        Ok(parameters)
    }

    /// The condition for records that hold one value in an attribute, numbered from 1, and how many parameters it has.
    pub(crate) fn value_condition(&self, attribute: usize) -> Result<(String, usize)> {
        Ok(self.attribute(attribute)?.condition(1))
    }

    /// The parameters of [`value_condition`](Self::value_condition) for a value.
    pub(crate) fn value_parameters(&self, attribute: usize, value: &Value) -> Result<Vec<Stored>> {
        let mut parameters = Vec::with_capacity(5);
        self.attribute(attribute)?
            .add_parameters(value, &mut parameters)?;
        Ok(parameters)
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

//! The statements that read and write one record, as SQL. A transaction makes each text once, however many records follow.

use crate::plan::EntityPlan;
use crate::sql;
use onsync_core::Result;
use std::sync::Arc;

/// What a statement does with one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Selects `1`, then the attributes. The parameters are the key's.
    Get,
    /// Selects the keys of records that hold one value in the one attribute. The parameters are the value's, then how many.
    Referring,
    /// Writes the attributes over a row that counts as deleted, which is there again. The parameters are the key's, then the values.
    Revive,
    /// Inserts the attributes and returns the key. The parameters are the values.
    Insert,
    /// Sets the attributes, or only looks for the record where there are none. The parameters are the key's, then the values.
    Update,
    /// Deletes, or marks as deleted. The parameters are the key's, then the mark.
    Delete,
}

#[derive(Debug)]
struct Entry {
    action: Action,
    entity: String,
    attributes: Vec<usize>,
    text: Arc<str>,
}

/// Texts made so far, the newest last.
#[derive(Debug, Default)]
pub(crate) struct Texts(Vec<Entry>);

/// Texts kept; a transaction that needs more begins anew.
const KEPT: usize = 32;

impl Texts {
    /// The statement for an action on these attributes.
    pub(crate) fn of(&mut self, action: Action, plan: &EntityPlan, attributes: &[usize]) -> Result<Arc<str>> {
        let known = self.0.iter().find(|entry| {
            entry.action == action && entry.attributes == attributes && entry.entity == plan.name
        });
        if let Some(known) = known {
            return Ok(known.text.clone());
        }
        if self.0.len() >= KEPT {
            self.0.clear();
        }
        let text: Arc<str> = write(action, plan, attributes)?.into();
        self.0.push(Entry {
            action,
            entity: plan.name.clone(),
            attributes: attributes.to_vec(),
            text: text.clone(),
        });
        Ok(text)
    }
}

fn write(action: Action, plan: &EntityPlan, attributes: &[usize]) -> Result<String> {
    let table = sql::name(&plan.table);
    let condition = format!("{}{}", plan.key_condition(), plan.and_present());
    // The parameters behind those of the key.
    let first = plan.key_parameter_count() + 1;
    let mut columns = Vec::with_capacity(attributes.len());
    for index in attributes {
        columns.push(sql::name(&plan.attribute(*index)?.column));
    }
    let keys = plan.key.iter().map(|attribute| sql::name(&attribute.column));
    // ABORT takes precedence over what the table's own constraints say, so that no other row is replaced.
    Ok(match action {
        Action::Get => {
            let selected = std::iter::once("1").chain(columns.iter().map(String::as_str));
            format!(
                "SELECT {} FROM {table} WHERE {condition}",
                sql::join(selected, ", ")
            )
        }
        Action::Referring => {
            let (holds, count) = plan.value_condition(attributes.first().copied().unwrap_or(usize::MAX))?;
            format!(
                "SELECT {} FROM {table} WHERE {holds}{} LIMIT ?{}",
                sql::join(keys, ", "),
                plan.and_present(),
                count + 1
            )
        }
        Action::Revive => {
            let alive = plan.soft_delete.iter().filter_map(|mark| {
                let column = sql::name(&mark.column);
                let given = columns.contains(&column);
                (!given).then(|| format!("{column} = {}", mark.alive))
            });
            let set = columns
                .iter()
                .zip(first..)
                .map(|(column, place)| format!("{column} = ?{place}"));
            format!(
                "UPDATE OR ABORT {table} SET {} WHERE {} AND NOT {}",
                sql::join(alive.chain(set), ", "),
                plan.key_condition(),
                plan.present.as_deref().unwrap_or("1")
            )
        }
        Action::Insert => {
            let mut places: Vec<String> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
            if let (Some(next), Some(key)) = (&plan.next_key, plan.key.first()) {
                columns.push(sql::name(&key.column));
                places.push(next.clone());
            }
            let what = if columns.is_empty() {
                "DEFAULT VALUES".to_owned()
            } else {
                format!(
                    "({}) VALUES ({})",
                    sql::join(&columns, ", "),
                    sql::join(&places, ", ")
                )
            };
            format!(
                "INSERT OR ABORT INTO {table} {what} RETURNING {}",
                sql::join(keys, ", ")
            )
        }
        Action::Update if columns.is_empty() => format!("SELECT 1 FROM {table} WHERE {condition}"),
        Action::Update => {
            let set = columns
                .iter()
                .zip(first..)
                .map(|(column, place)| format!("{column} = ?{place}"));
            format!(
                "UPDATE OR ABORT {table} SET {} WHERE {condition}",
                sql::join(set, ", ")
            )
        }
        Action::Delete => match &plan.soft_delete {
            Some(mark) => format!(
                "UPDATE OR ABORT {table} SET {} = ?{first} WHERE {condition}",
                sql::name(&mark.column)
            ),
            None => format!("DELETE FROM {table} WHERE {condition}"),
        },
    })
}

//! Rows as a page's columns: read straight from SQLite into the page, no row in between.

use crate::plan::{AttributePlan, EntityPlan};
use crate::types::read;
use onsync_core::rows::{Column, RowSet};
use onsync_core::store::server::PageLimit;
use onsync_core::{Error, Key, Result, Value};
use rusqlite::Row;

/// A page being filled. The selected columns are the asked attributes, then those key attributes that were not asked for.
pub(crate) struct PageBuilder<'a> {
    plan: &'a EntityPlan,
    selected: Vec<&'a AttributePlan>,
    /// the number of asked attributes
    asked: usize,
    columns: Vec<Column>,
    /// for each key attribute, its place among the selected
    key_at: Vec<usize>,
    /// key attributes whose form must be checked, by place
    checked: Vec<usize>,
    rows: usize,
    bytes: usize,
    last_size: usize,
}

impl<'a> PageBuilder<'a> {
    pub(crate) fn new(plan: &'a EntityPlan, attributes: &[usize], capacity: usize) -> Result<Self> {
        let mut selected = Vec::with_capacity(attributes.len() + 1);
        for index in attributes {
            selected.push(plan.attribute(*index)?);
        }
        let asked = selected.len();
        let mut key_at = Vec::with_capacity(plan.key.len());
        for key in &plan.key {
            let found = selected.iter().position(|attribute| attribute.name == key.name);
            key_at.push(found.unwrap_or(selected.len()));
            if found.is_none() {
                selected.push(key);
            }
        }
        Ok(Self {
            columns: selected
                .iter()
                .map(|attribute| Column::new(attribute.value_type, capacity))
                .collect(),
            checked: key_at
                .iter()
                .copied()
                .filter(|at| {
                    plan.native_order && selected.get(*at).is_some_and(|key| key.form.is_converted())
                })
                .collect(),
            plan,
            selected,
            asked,
            key_at,
            rows: 0,
            bytes: 0,
            last_size: 0,
        })
    }

    /// The columns to select, of the table under this alias.
    pub(crate) fn select(&self, alias: &str) -> String {
        let columns = self
            .selected
            .iter()
            .map(|attribute| format!("{alias}.{}", crate::sql::name(&attribute.column)));
        crate::sql::join(columns, ", ")
    }

    /// Appends a row whose selected columns begin at `from`.
    pub(crate) fn push(&mut self, row: &Row<'_>, from: usize) -> Result<()> {
        let mut size = 0;
        for (at, (column, attribute)) in self.columns.iter_mut().zip(&self.selected).enumerate() {
            let stored = row
                .get_ref(from + at)
                .map_err(|error| crate::error::from_sqlite(error, "reading a row"))?;
            match read::push(column, attribute.form.unit(), stored) {
                Ok(more) if at < self.asked => size += more,
                Ok(_) => {}
                Err(found) => return Err(self.plan.invalid(attribute, &self.describe_key(row, from), found)),
            }
        }
        for at in &self.checked {
            let stored = row
                .get_ref(from + at)
                .map_err(|error| crate::error::from_sqlite(error, "reading a row"))?;
            if !self.selected[*at].conforms(&self.columns[*at].value(self.rows), stored) {
                return Err(form_changed(self.plan));
            }
        }
        self.rows += 1;
        self.bytes += size;
        self.last_size = size;
        Ok(())
    }

    fn describe_key(&self, row: &Row<'_>, from: usize) -> String {
        let parts = self.key_at.iter().map(|at| {
            let stored = row.get_ref(from + at).ok();
            let value = stored.and_then(|stored| self.selected.get(*at)?.decode(stored).ok());
            value.map_or_else(|| "(unreadable)".to_owned(), |value| value.to_string())
        });
        crate::sql::join(parts, ", ")
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// Bytes so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the last row back.
    pub(crate) fn pop(&mut self) {
        self.rows = self.rows.saturating_sub(1);
        self.bytes -= self.last_size;
        self.last_size = 0;
        let mut keep = vec![true; self.rows];
        keep.push(false);
        for column in &mut self.columns {
            column.retain(&keep);
        }
    }

    /// The key of the last row.
    pub(crate) fn last_key(&self) -> Option<Key> {
        let last = self.rows.checked_sub(1)?;
        Some(Key(self
            .key_at
            .iter()
            .filter_map(|at| self.columns.get(*at))
            .map(|column| column.value(last))
            .collect()))
    }

    /// Whether more than the limit allows is in it.
    pub(crate) fn is_over(&self, limit: PageLimit) -> bool {
        self.rows > 1 && self.bytes > limit.bytes
    }

    pub(crate) fn finish(mut self) -> Result<RowSet> {
        self.columns.truncate(self.asked);
        RowSet::from_columns(self.columns)
    }
}

/// Reads a key that stands in a row from column `from` on.
pub(crate) fn read_key(plan: &EntityPlan, row: &Row<'_>, from: usize) -> Result<Key> {
    let mut values: Vec<Value> = Vec::with_capacity(plan.key.len());
    for (at, attribute) in plan.key.iter().enumerate() {
        let stored = row
            .get_ref(from + at)
            .map_err(|error| crate::error::from_sqlite(error, "reading a key"))?;
        values.push(
            attribute
                .decode(stored)
                .map_err(|found| plan.invalid(attribute, "(unreadable)", found))?,
        );
    }
    Ok(Key(values))
}

/// A key is stored in another form than the others, so that the table's order is not that of keys any more.
pub(crate) const FORM_CHANGED: &str = "key_form_changed";

fn form_changed(plan: &EntityPlan) -> Error {
    Error::transient(
        FORM_CHANGED,
        format!(
            "table `{}` has keys in another form than its first rows; the store looks at it again, devices fetch again",
            plan.table
        ),
    )
}

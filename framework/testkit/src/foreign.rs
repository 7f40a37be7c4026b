//! Writes by other programs: what somebody does to a table without OnSync.

use onsync_core::platform::{MaybeSend, MaybeSync};
use onsync_core::{Fields, Result, Value, portable_async};

/// One statement of another program. Tables and columns are those of the database.
#[derive(Clone, Debug)]
pub enum ForeignWrite {
    /// `INSERT`
    Insert {
        /// the table
        table: String,
        /// columns and values
        values: Fields,
    },
    /// `UPDATE … SET values WHERE …`; without condition every row
    Update {
        /// the table
        table: String,
        /// columns that all equal these values
        filter: Fields,
        /// columns and new values
        values: Fields,
    },
    /// `UPDATE OR REPLACE …`: as [`ForeignWrite::Update`], rows in the way of a unique constraint are deleted
    UpdateOrReplace {
        /// the table
        table: String,
        /// columns that all equal these values
        filter: Fields,
        /// columns and new values
        values: Fields,
    },
    /// `INSERT … ON CONFLICT (key) DO UPDATE SET` everything but the key
    Upsert {
        /// the table
        table: String,
        /// the key columns
        key: Vec<String>,
        /// columns and values
        values: Fields,
    },
    /// `INSERT OR REPLACE`: rows in the way of a key or another unique constraint are deleted
    Replace {
        /// the table
        table: String,
        /// columns and values
        values: Fields,
    },
    /// `DELETE … WHERE …`
    Delete {
        /// the table
        table: String,
        /// columns that all equal these values
        filter: Fields,
    },
    /// `DELETE` without a condition, or `TRUNCATE`
    DeleteAll {
        /// the table
        table: String,
    },
    /// `UPDATE … SET` key columns
    ChangeKey {
        /// the table
        table: String,
        /// the key columns and their values now
        from: Fields,
        /// the key columns and their new values
        to: Fields,
    },
}

impl ForeignWrite {
    /// The table it is about.
    pub fn table(&self) -> &str {
        match self {
            Self::Insert { table, .. }
            | Self::Update { table, .. }
            | Self::UpdateOrReplace { table, .. }
            | Self::Upsert { table, .. }
            | Self::Replace { table, .. }
            | Self::Delete { table, .. }
            | Self::DeleteAll { table }
            | Self::ChangeKey { table, .. } => table,
        }
    }
}

/// Another program on the same database.
#[portable_async]
pub trait ForeignProgram: MaybeSend + MaybeSync {
    /// Does these statements in one transaction of its own and commits.
    ///
    /// # Errors
    /// Those of the database; nothing is done then.
    async fn write(&self, writes: &[ForeignWrite]) -> Result<()>;

    /// Makes a unique index on one column, as an app's own migration might.
    ///
    /// # Errors
    /// Those of the database.
    async fn unique(&self, table: &str, column: &str) -> Result<()>;
}

impl ForeignWrite {
    /// The statement in SQLite's words, with `?1`, `?2`, … for the values that follow.
    pub fn sql(&self) -> (String, Vec<Value>) {
        let mut sql = Sql::default();
        let table = quoted(self.table());
        match self {
            Self::Insert { values, .. } => sql.insert("INSERT", &table, values),
            Self::Replace { values, .. } => sql.insert("INSERT OR REPLACE", &table, values),
            Self::Update { filter, values, .. } => sql.update("UPDATE", &table, filter, values),
            Self::UpdateOrReplace { filter, values, .. } => {
                sql.update("UPDATE OR REPLACE", &table, filter, values);
            }
            Self::ChangeKey { from, to, .. } => sql.update("UPDATE", &table, from, to),
            Self::Upsert { key, values, .. } => {
                sql.insert("INSERT", &table, values);
                let names: Vec<String> = key.iter().map(|name| quoted(name)).collect();
                let others = values
                    .iter()
                    .filter(|(name, _)| !key.iter().any(|part| part == name));
                let sets: Vec<String> = others
                    .map(|(name, _)| format!("{0} = excluded.{0}", quoted(name)))
                    .collect();
                sql.text += &format!(
                    " ON CONFLICT ({}) DO UPDATE SET {}",
                    names.join(", "),
                    sets.join(", ")
                );
            }
            Self::Delete { filter, .. } => {
                sql.text += &format!("DELETE FROM {table}");
                sql.condition(filter);
            }
            Self::DeleteAll { .. } => sql.text += &format!("DELETE FROM {table}"),
        }
        (sql.text, sql.values)
    }
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

#[derive(Default)]
struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    fn value(&mut self, value: &Value) -> String {
        self.values.push(value.clone());
        format!("?{}", self.values.len())
    }

    fn insert(&mut self, verb: &str, table: &str, values: &Fields) {
        let names: Vec<String> = values.iter().map(|(name, _)| quoted(name)).collect();
        let places: Vec<String> = values.iter().map(|(_, value)| self.value(value)).collect();
        self.text += &format!(
            "{verb} INTO {table} ({}) VALUES ({})",
            names.join(", "),
            places.join(", ")
        );
    }

    fn update(&mut self, verb: &str, table: &str, filter: &Fields, values: &Fields) {
        let sets: Vec<String> = values
            .iter()
            .map(|(name, value)| format!("{} = {}", quoted(name), self.value(value)))
            .collect();
        self.text += &format!("{verb} {table} SET {}", sets.join(", "));
        self.condition(filter);
    }

    fn condition(&mut self, filter: &Fields) {
        let parts: Vec<String> = filter
            .iter()
            .map(|(name, value)| format!("{} = {}", quoted(name), self.value(value)))
            .collect();
        if !parts.is_empty() {
            self.text += &format!(" WHERE {}", parts.join(" AND "));
        }
    }
}

//! Writes by other programs: what somebody does to a table without OnSync.

use onsync_core::platform::{MaybeSend, MaybeSync};
use onsync_core::{Fields, Result, portable_async};

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

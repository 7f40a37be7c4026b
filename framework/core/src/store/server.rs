//! The server store seam: an existing database, read by position and written in locked transactions.
//!
//! A server store knows the app's own tables, a *position* that grows with every commit that touches them (whoever wrote), and
//! ordered *areas* of bytes for the server's receipts, instances, marks and keys. What these mean is the business of
//! `onsync-server`.

use crate::error::Result;
use crate::page::KeyRange;
use crate::platform::{MaybeSend, MaybeSync};
use crate::record::{Fields, Key};
use crate::rows::RowSet;
use crate::schema::{EntitySchema, Schema};
use crate::value::Value;
use onsync_macros::portable_async;

/// Which part of an entity an answer reads.
#[derive(Clone, Debug)]
pub struct Extent<'a> {
    /// The entity.
    pub entity: &'a EntitySchema,
    /// Positions of the attributes to read, in the order of the device's column list.
    pub attributes: &'a [usize],
    /// The scope value; empty for an entity without scope.
    pub scope: &'a str,
}

/// How much one page may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// rows, at least 1
    pub rows: usize,
    /// bytes of values; a page holds at least one row
    pub bytes: usize,
}

/// A piece of a snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotRows {
    /// Records aligned with the extent's attributes, in key order.
    pub rows: RowSet,
    /// The key of the last row, if rows remain behind it.
    pub more_after: Option<Key>,
}

/// A piece of a delta.
#[derive(Clone, Debug)]
pub struct DeltaRows {
    /// Records that changed and are in scope now.
    pub rows: RowSet,
    /// Keys that changed and do not exist any more (or count as deleted).
    pub deleted: Vec<Key>,
    /// Keys that changed, exist, and are not in this scope any more.
    pub removed: Vec<Key>,
    /// All changes up to this position are in this piece or in earlier ones.
    pub up_to: u64,
    /// Whether changes remain.
    pub more: bool,
}

/// What `attach` found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// Things an operator should know, one sentence each.
    pub warnings: Vec<String>,
    /// Entities whose tracking was missing or incomplete and was installed: their devices fetch again.
    pub reset: Vec<String>,
}

/// A server database.
///
/// # Contract
/// - `attach` changes no column, constraint or row of an application table; doing it again changes nothing.
/// - Every committed insert, update and delete of a configured table, by whatever program and statement, gives each
///   touched key (displaced ones included) a position greater than every position handed out before.
/// - A change that commits after a snapshot was begun is not seen by it, and has a position greater than the
///   snapshot's.
/// - One writer at a time per record: what a transaction read under `get` is unchanged when it commits.
#[portable_async]
pub trait ServerStore: MaybeSend + MaybeSync {
    /// Makes the tables of a schema ready: checks tables, columns and types; installs or repairs change tracking.
    ///
    /// # Errors
    /// `store_unavailable`; `table_missing`, `column_missing`, `column_type`, `key_missing`, each naming table and column,
    /// what was found and what to do.
    async fn attach(&self, schema: &Schema) -> Result<Attached>;

    /// A consistent view of the database now. Held only while one page is read.
    ///
    /// # Errors
    /// `store_unavailable`, `store_busy`.
    async fn read(&self) -> Result<Box<dyn ServerSnapshot>>;

    /// A transaction that may write.
    ///
    /// # Errors
    /// `store_unavailable`, `store_busy`.
    async fn write(&self) -> Result<Box<dyn ServerTransaction>>;

    /// Forgets deletions at and below a position, and raises the horizon of each entity that lost one at least to the last one
    /// lost. Returns how many changes it forgot. What is there stays, and a delta from above the horizon lacks nothing.
    ///
    /// # Errors
    /// `store_unavailable`, `store_busy`.
    async fn prune(&self, up_to: u64) -> Result<u64>;
}

/// One consistent view.
///
/// # Contract
/// - Everything read comes from one committed state.
/// - Values come as the entity's declared types; a stored value that is not of its type is an error
///   (`stored_value_invalid`) naming table, key and column.
#[portable_async]
pub trait ServerSnapshot: MaybeSend {
    /// The position of this view: every committed change is at or below it.
    async fn position(&mut self) -> Result<u64>;

    /// The newest position at which the entity's table changed; 0 if it never did.
    async fn newest(&mut self, entity: &EntitySchema) -> Result<u64>;

    /// The position at and below which deletions of this entity may be forgotten: checkpoints below it must fetch again.
    async fn horizon(&mut self, entity: &EntitySchema) -> Result<u64>;

    /// Records in key order within the range, as many as the limit allows. Rows that count as deleted are left out.
    async fn snapshot(
        &mut self,
        extent: &Extent<'_>,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<SnapshotRows>;

    /// Changes with a position above `after`, in order of position, as many as the limit allows. Each key comes once,
    /// with what is there now.
    async fn delta(&mut self, extent: &Extent<'_>, after: u64, limit: PageLimit) -> Result<DeltaRows>;

    /// How many records the extent holds, if that is cheap to tell.
    async fn count(&mut self, extent: &Extent<'_>) -> Result<Option<u64>>;

    /// The bytes stored under a key of an area.
    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Keys and bytes of an area in byte order, behind `after` if given, at most `limit`.
    async fn area_scan(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>>;
}

/// One writing transaction. Dropping it without `commit` undoes everything.
///
/// # Contract
/// - Reads see the transaction's own writes.
/// - `savepoint` … `undo` takes back everything since, also after a failed statement.
/// - A statement refused by the database's own constraints is an error of kind rejected, code `constraint_violated`, and leaves the
///   transaction usable after `undo`.
#[portable_async]
pub trait ServerTransaction: MaybeSend {
    /// The record over these attributes, locked; none if there is none or it counts as deleted.
    async fn get(&mut self, entity: &EntitySchema, attributes: &[usize], key: &Key)
    -> Result<Option<Fields>>;

    /// Keys of the records that hold this value in the attribute at this position, at most `limit`, in any order. Rows that count as
    /// deleted are left out, and nothing holds null.
    async fn referring(
        &mut self,
        entity: &EntitySchema,
        attribute: usize,
        value: &Value,
        limit: usize,
    ) -> Result<Vec<Key>>;

    /// Inserts a record. For `ids = "server"` the key attribute is absent and the database issues it. A row with that key that
    /// counts as deleted is there again: the fields are written over it, attributes that are not given keep their values.
    /// Returns the record's key.
    async fn insert(&mut self, entity: &EntitySchema, fields: &Fields) -> Result<Key>;

    /// Whether an [`update`](Self::update) with these fields is certain to leave the record as it was but for exactly these values,
    /// so that it need not be read again: no trigger of the app, computed column, or type or default of a column makes anything
    /// else of them, and the record does not count as deleted with them.
    ///
    /// Provided: nothing is certain.
    async fn stores_exactly(&mut self, entity: &EntitySchema, fields: &Fields) -> Result<bool> {
        let _ = (entity, fields);
        Ok(false)
    }

    /// Writes these attributes of an existing record.
    async fn update(&mut self, entity: &EntitySchema, key: &Key, fields: &Fields) -> Result<()>;

    /// Deletes a record, or marks it as deleted where the entity says how.
    async fn delete(&mut self, entity: &EntitySchema, key: &Key) -> Result<()>;

    /// The position this transaction's writes will have, so far: every earlier commit is below or at it.
    async fn position(&mut self) -> Result<u64>;

    /// Marks a point to go back to. Points do not nest: a new one replaces the last.
    async fn savepoint(&mut self) -> Result<()>;

    /// Takes back everything since the last savepoint.
    async fn undo(&mut self) -> Result<()>;

    /// The bytes stored under a key of an area, locked until the end of the transaction.
    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Stores bytes under a key of an area that must be new: false, and nothing stored, if it exists. A second sender of the same
    /// key waits here until the first has committed or rolled back.
    async fn area_insert(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<bool>;

    /// As [`area_insert`](Self::area_insert) for each of these keys, in this order: says of each whether it was new.
    ///
    /// Provided; a store that can do it in fewer steps overrides it.
    async fn area_insert_all(&mut self, area: &str, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<bool>> {
        let mut new = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            new.push(self.area_insert(area, key, value).await?);
        }
        Ok(new)
    }

    /// Stores bytes under a key of an area.
    async fn area_put(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<()>;

    /// Removes a key of an area; none there is no error.
    async fn area_remove(&mut self, area: &str, key: &[u8]) -> Result<()>;

    /// As [`area_remove`](Self::area_remove) for each of these keys.
    ///
    /// Provided; a store that can do it in fewer steps overrides it.
    async fn area_remove_all(&mut self, area: &str, keys: &[Vec<u8>]) -> Result<()> {
        for key in keys {
            self.area_remove(area, key).await?;
        }
        Ok(())
    }

    /// Keys and bytes of an area in byte order, behind `after` if given, at most `limit`.
    async fn area_scan(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>>;

    /// Makes everything visible at once.
    ///
    /// # Errors
    /// `constraint_violated` for constraints checked at the end; nothing is visible then.
    async fn commit(self: Box<Self>) -> Result<()>;
}

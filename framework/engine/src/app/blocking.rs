//! The same methods for threads that may block. They work without a runtime and inside one.

use super::{App, Transaction};
use crate::runtime::block_on;
use crate::session::{LogoutPolicy, Unsent};
use crate::sync::{BinEntry, BinFilter, DiscardedRecord, OpenConflict, RejectedChange};
use onsync_core::conflict::Resolution;
use onsync_core::handler::Parameters;
use onsync_core::query::Query;
use onsync_core::store::local::RecordState;
use onsync_core::transport::CredentialsProvider;
use onsync_core::{Entity, Fields, Key, Result};
use std::marker::PhantomData;
use std::sync::Arc;
use uuid::Uuid;

use crate::lifecycle::Outcome;

/// Blocking twins of [`App`]'s methods.
#[derive(Clone)]
pub struct Blocking {
    app: App,
}

macro_rules! twins {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $output:ty;)*) => { $(
        #[doc = concat!("[`App::", stringify!($name), "`], on this thread.\n\n# Errors\nAs there.")]
        pub fn $name(&self, $($argument: $kind),*) -> Result<$output> {
            block_on(self.app.$name($($argument),*))
        }
    )* };
}

impl Blocking {
    pub(super) fn new(app: App) -> Self {
        Self { app }
    }

    twins! {
        create(entity: &str, fields: Fields) -> Key;
        create_many(entity: &str, many: Vec<Fields>) -> Vec<Key>;
        update(entity: &str, key: impl Into<Key>, fields: Fields) -> ();
        update_many(entity: &str, many: Vec<(Key, Fields)>) -> ();
        create_or_update(entity: &str, fields: Fields) -> Key;
        create_or_update_many(entity: &str, many: Vec<Fields>) -> Vec<Key>;
        delete(entity: &str, key: impl Into<Key>) -> bool;
        delete_many(entity: &str, keys: Vec<Key>) -> usize;
        get(entity: &str, key: impl Into<Key>) -> Option<Fields>;
        get_many(entity: &str, keys: Vec<Key>) -> Vec<Option<Fields>>;
        query(query: Query) -> Vec<Fields>;
        record_state(entity: &str, key: impl Into<Key>) -> Option<RecordState>;
        waiting(limit: usize) -> Vec<(String, Key, RecordState)>;
        rejected(limit: usize) -> Vec<RejectedChange>;
        rejected_change(number: u64) -> RejectedChange;
        retry_rejected(number: u64) -> bool;
        discard_rejected(number: u64) -> Vec<DiscardedRecord>;
        show_discard(number: u64) -> Vec<DiscardedRecord>;
        bin(filter: impl Into<BinFilter>) -> Vec<BinEntry>;
        bin_entry(id: Uuid) -> BinEntry;
        restore(id: Uuid) -> Key;
        empty_bin(filter: impl Into<BinFilter>) -> u64;
        conflicts(entity: Option<&str>, limit: usize) -> Vec<OpenConflict>;
        conflict(entity: &str, key: impl Into<Key>) -> Option<OpenConflict>;
        resolve_conflict(entity: &str, key: impl Into<Key>, resolution: Resolution) -> Key;
        login(user: &str, credentials: Arc<dyn CredentialsProvider>) -> ();
        logout(policy: LogoutPolicy) -> Unsent;
    }

    /// Asks for a sync and waits for its end.
    ///
    /// # Errors
    /// As [`App::on_sync`]; how the run ended is the outcome.
    pub fn on_sync(&self, context: &str, parameters: &Parameters) -> Result<Outcome> {
        Ok(self.app.on_sync(context, parameters)?.wait())
    }

    /// As [`App::transaction`].
    ///
    /// # Errors
    /// As there.
    pub fn transaction<T>(&self, work: impl FnOnce(&mut BlockingTransaction<'_>) -> Result<T>) -> Result<T> {
        block_on(
            self.app
                .transaction(async |tx| work(&mut BlockingTransaction { tx })),
        )
    }

    /// The records of a Rust type.
    pub fn records<E: Entity>(&self) -> BlockingRecords<'_, E> {
        BlockingRecords {
            app: &self.app,
            entity: PhantomData,
        }
    }
}

/// Blocking twin of [`Transaction`].
pub struct BlockingTransaction<'a> {
    tx: &'a mut Transaction,
}

macro_rules! transaction_twins {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $output:ty;)*) => { $(
        #[doc = concat!("[`Transaction::", stringify!($name), "`], on this thread.\n\n# Errors\nAs there.")]
        pub fn $name(&mut self, $($argument: $kind),*) -> Result<$output> {
            block_on(self.tx.$name($($argument),*))
        }
    )* };
}

impl BlockingTransaction<'_> {
    transaction_twins! {
        create(entity: &str, fields: Fields) -> Key;
        update(entity: &str, key: impl Into<Key>, fields: Fields) -> ();
        create_or_update(entity: &str, fields: Fields) -> Key;
        delete(entity: &str, key: impl Into<Key>) -> bool;
        get(entity: &str, key: impl Into<Key>) -> Option<Fields>;
        query(query: Query) -> Vec<Fields>;
        resolve_conflict(entity: &str, key: impl Into<Key>, resolution: Resolution) -> Key;
    }
}

/// Blocking twin of [`TypedRecords`](super::TypedRecords).
pub struct BlockingRecords<'a, E> {
    app: &'a App,
    entity: PhantomData<fn() -> E>,
}

macro_rules! typed_twins {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $output:ty;)*) => { $(
        #[doc = concat!("[`TypedRecords::", stringify!($name), "`](super::TypedRecords::", stringify!($name), "), on this thread.\n\n# Errors\nAs there.")]
        pub fn $name(&self, $($argument: $kind),*) -> Result<$output> {
            block_on(self.app.records::<E>().$name($($argument),*))
        }
    )* };
}

impl<E: Entity> BlockingRecords<'_, E> {
    typed_twins! {
        create(record: E) -> Key;
        create_many(records: Vec<E>) -> Vec<Key>;
        update(key: impl Into<Key>, fields: Fields) -> ();
        save(record: E) -> Key;
        save_many(records: Vec<E>) -> Vec<Key>;
        delete(key: impl Into<Key>) -> bool;
        get(key: impl Into<Key>) -> Option<E>;
        all() -> Vec<E>;
        query(narrow: impl FnOnce(Query) -> Query) -> Vec<E>;
    }
}

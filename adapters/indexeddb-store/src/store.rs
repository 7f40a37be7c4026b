//! [`IndexedDbStore`]: the store of one tab or worker.

use crate::channel::Channel;
use crate::database::Database;
use crate::kept::{Kept, commits};
use crate::layout::META;
use crate::locks::{self, Held, Want};
use crate::options::IndexedDbStoreOptions;
use crate::persistence;
use crate::request::Mode;
use crate::transaction::IndexedDbTransaction;
use onsync_core::ordered::BTreeMap;
use onsync_core::page::KeyRange;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::store::check;
use onsync_core::store::local::{
    Access, CommitListener, FIRST_LOCAL_INTEGER, LocalStore, LocalTransaction, Opened, SyncLock,
};
use onsync_core::{Error, Result, portable_async};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// What the transactions of one handle share.
pub(crate) struct Shared {
    entities: RefCell<BTreeMap<String, Rc<EntitySchema>>>,
    next_integers: RefCell<BTreeMap<String, i64>>,
    commits: Cell<u64>,
    channel: RefCell<Option<Channel>>,
}

impl Shared {
    /// The entity as the store was opened with it.
    pub(crate) fn known(&self, given: &EntitySchema) -> Result<Rc<EntitySchema>> {
        let entities = self.entities.borrow();
        let Some(opened) = entities.get(&given.name) else {
            return Err(Error::rejected(
                "unknown_entity",
                format!(
                    "there is no entity `{}`; configured: {}",
                    given.name,
                    entities.keys().cloned().collect::<Vec<_>>().join(", ")
                ),
            ));
        };
        check::same_entity(opened, given)?;
        Ok(opened.clone())
    }

    pub(crate) fn next_integer(&self, entity: &str) -> i64 {
        let next = self.next_integers.borrow().get(entity).copied();
        next.unwrap_or(FIRST_LOCAL_INTEGER)
    }

    pub(crate) fn set_next_integer(&self, entity: &str, next: i64) {
        self.next_integers.borrow_mut().insert(entity.to_owned(), next);
    }

    pub(crate) fn committed(&self) {
        self.commits.set(self.commits.get() + 1);
        if let Some(channel) = &*self.channel.borrow() {
            channel.committed();
        }
    }
}

/// The device store on IndexedDB. See the [crate](crate).
///
/// Each value is one handle on the database, as each tab and worker has one: what another handle commits is foreign to it.
pub struct IndexedDbStore {
    options: IndexedDbStoreOptions,
    database: Rc<Database>,
    shared: Rc<Shared>,
}

impl IndexedDbStore {
    /// A store on the database of that name. Nothing is touched before `open`.
    pub fn new(options: IndexedDbStoreOptions) -> Self {
        Self {
            database: Rc::new(Database::new(&options.name)),
            options,
            shared: Rc::new(Shared {
                entities: RefCell::default(),
                next_integers: RefCell::default(),
                commits: Cell::new(0),
                channel: RefCell::default(),
            }),
        }
    }

    fn lock_name(&self, what: &str) -> String {
        format!("onsync:{}:{what}", self.options.name)
    }

    /// Whether there are edits that no server has.
    async fn has_unsent(&self, schema: &Schema) -> Result<bool> {
        let mut reader = self.begin(Access::Read).await?;
        for entity in schema.entities.iter().filter(|entity| !entity.local) {
            if !reader.overlays_in(entity, &KeyRange::all(), 1).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

struct Lock {
    _held: Held,
}

impl SyncLock for Lock {}

#[portable_async]
impl LocalStore for IndexedDbStore {
    async fn open(&self, schema: &Schema) -> Result<Opened> {
        locks::check()?;
        let mut opened = self.database.open(schema).await?;
        let entities = schema
            .entities
            .iter()
            .map(|entity| (entity.name.clone(), Rc::new(entity.clone())));
        *self.shared.entities.borrow_mut() = entities.collect();
        if self.options.persist && !persistence::ask().await && self.has_unsent(schema).await? {
            opened.warnings.push(persistence::WARNING.to_owned());
        }
        Ok(opened)
    }

    async fn begin(&self, access: Access) -> Result<Box<dyn LocalTransaction>> {
        let kept = if access == Access::Read {
            Kept::reader(self.database.clone())
        } else {
            let turn = locks::request(&self.lock_name("writer"), Want::Exclusive).await?;
            let turn = turn.ok_or_else(|| {
                Error::transient("store_busy", "the browser gave no turn to write; do it again")
            })?;
            Kept::writer(self.database.clone(), turn)
        };
        // The layout may have changed in another tab: read it before the app is at work.
        self.database.connection().await?;
        Ok(Box::new(IndexedDbTransaction::new(
            self.shared.clone(),
            kept,
            access,
        )))
    }

    async fn try_lock(&self) -> Result<Option<Box<dyn SyncLock>>> {
        let held = locks::try_request(&self.lock_name("sync")).await?;
        Ok(held.map(|held| -> Box<dyn SyncLock> { Box::new(Lock { _held: held }) }))
    }

    async fn foreign_commits(&self) -> Result<u64> {
        // Own commits first: one that ends meanwhile is not taken for foreign.
        let own = self.shared.commits.get();
        let (_connection, raw) = self.database.begin(&[META], Mode::Read).await?;
        Ok(commits(&raw)
            .await?
            .saturating_sub(own.max(self.shared.commits.get())))
    }

    fn tell_foreign_commits(&self, listener: Arc<dyn CommitListener>) -> bool {
        let channel = Channel::open(&self.options.name, listener);
        let told = channel.is_some();
        *self.shared.channel.borrow_mut() = channel;
        told
    }
}

//! A store that tells of commits by other tabs: live queries give them at once, no second passes.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync_core::memory::local::MemoryStore;
use onsync_core::portable_async;
use onsync_core::query::Query;
use onsync_core::runtime::Runtime;
use onsync_core::schema::{Attribute, EntitySchema, Schema};
use onsync_core::store::local::{Access, CommitListener, LocalStore, LocalTransaction, Opened, SyncLock};
use onsync_core::{Result, ValueType};
use onsync_engine::OnSyncBuilder;
use onsync_testkit::fakes::{ManualRuntime, MemoryTransport};
use std::sync::{Arc, Mutex};

/// A store of this tab; the other tab has a clone of the inner one.
struct Telling {
    inner: MemoryStore,
    listener: Mutex<Option<Arc<dyn CommitListener>>>,
}

#[portable_async]
impl LocalStore for Telling {
    async fn open(&self, schema: &Schema) -> Result<Opened> {
        self.inner.open(schema).await
    }

    async fn begin(&self, access: Access) -> Result<Box<dyn LocalTransaction>> {
        self.inner.begin(access).await
    }

    async fn try_lock(&self) -> Result<Option<Box<dyn SyncLock>>> {
        self.inner.try_lock().await
    }

    async fn foreign_commits(&self) -> Result<u64> {
        self.inner.foreign_commits().await
    }

    fn tell_foreign_commits(&self, listener: Arc<dyn CommitListener>) -> bool {
        *self.listener.lock().unwrap() = Some(listener);
        true
    }
}

#[test]
fn what_another_tab_commits_is_seen_without_a_wait() {
    let runtime = ManualRuntime::new(1);
    let disk = MemoryStore::new(1);
    let other_tab = disk.clone();
    let entity = EntitySchema::new(
        "Note",
        "none",
        &["id"],
        vec![Attribute::new("id", ValueType::Integer)],
    );
    let mut local = entity;
    local.local = true;
    let schema = Schema {
        entities: vec![local.clone()],
        relations: vec![],
    };
    let store = Arc::new(Telling {
        inner: disk,
        listener: Mutex::default(),
    });
    let building = OnSyncBuilder::by_hand(schema)
        .unwrap()
        .store(store.clone())
        .transport(Arc::new(MemoryTransport::to_nobody()))
        .runtime(Arc::new(runtime.clone()))
        .build();
    let app = runtime.run(building).unwrap().unwrap();
    let mut live = app.watch(Query::entity("Note")).unwrap();
    assert_eq!(runtime.run(live.next()).unwrap().unwrap().len(), 0);
    let seen: Arc<Mutex<Option<usize>>> = Arc::default();
    let sees = seen.clone();
    runtime.spawn(Box::pin(async move {
        let notes = live.next().await.unwrap();
        *sees.lock().unwrap() = Some(notes.len());
    }));
    runtime.run_until_idle();
    let committed: Result<()> = runtime
        .run(async {
            let mut tx = other_tab.begin(Access::App).await?;
            tx.insert(&local, &vec![7i64.into()]).await?;
            tx.commit().await
        })
        .unwrap();
    committed.unwrap();
    runtime.run_until_idle();
    assert_eq!(
        *seen.lock().unwrap(),
        None,
        "nobody was told, and no time has passed"
    );
    store.listener.lock().unwrap().clone().unwrap().committed();
    runtime.run_until_idle();
    assert_eq!(*seen.lock().unwrap(), Some(1));
}

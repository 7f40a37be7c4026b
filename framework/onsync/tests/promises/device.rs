//! One device of a scenario: what its app does, what its syncs do, and what its store holds.

use crate::world::World;
use onsync_core::conflict::{ConflictResolver, Resolution};
use onsync_core::handler::{Summary, SyncDirection};
use onsync_core::page::KeyRange;
use onsync_core::query::Query;
use onsync_core::rows::RowSet;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::store::local::{Access, LocalStore, Overlay};
use onsync_core::{Fields, Key, Result, Row};
use onsync_engine::sync::{Fence, OpenConflict, Step, StepBudget, Syncer};
use onsync_testkit::fakes::{Lossy, ManualRuntime};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One device.
pub(crate) struct Device {
    pub(crate) world: ManualRuntime,
    pub(crate) store: Arc<dyn LocalStore>,
    pub(crate) lossy: Arc<Lossy>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) syncer: Syncer,
}

impl Device {
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.world
            .run(future)
            .expect("the device waits for something that never happens")
    }

    pub(crate) fn step(&self, direction: SyncDirection) -> Step {
        let entities = self.schema.parents_first().unwrap();
        Step {
            context: "test".into(),
            entities,
            direction,
            time_out: None,
            budget: StepBudget::default(),
        }
    }

    pub(crate) async fn take_over(&self) -> Result<Fence> {
        self.syncer.take_over().await
    }

    pub(crate) fn try_sync(&self) -> Result<Summary> {
        self.try_sync_in(SyncDirection::Both)
    }

    pub(crate) fn try_sync_in(&self, direction: SyncDirection) -> Result<Summary> {
        self.run(async {
            let fence = self.take_over().await?;
            self.syncer.run(fence, &self.step(direction), &|_| {}).await
        })
    }

    pub(crate) fn sync(&self) -> Summary {
        self.try_sync().unwrap()
    }

    pub(crate) fn entity(&self, name: &str) -> &EntitySchema {
        self.schema.entity(name).unwrap()
    }

    /// The app inserts a record and gets its key.
    pub(crate) fn try_create(&self, entity: &str, fields: &Fields) -> Result<Key> {
        self.run(async {
            let entity = self.entity(entity);
            let mut tx = self.store.begin(Access::App).await?;
            let key = tx.insert(entity, &entity.row(fields)?).await?;
            tx.commit().await?;
            Ok(key)
        })
    }

    pub(crate) fn create(&self, entity: &str, fields: &Fields) -> Key {
        self.try_create(entity, fields).unwrap()
    }

    /// The app changes attributes of a record.
    pub(crate) fn update(&self, entity: &str, key: impl Into<Key>, changes: &Fields) {
        self.try_update(entity, key, changes).unwrap();
    }

    pub(crate) fn try_update(&self, entity: &str, key: impl Into<Key>, changes: &Fields) -> Result<()> {
        let key = key.into();
        self.run(async {
            let entity = self.entity(entity);
            let mut tx = self.store.begin(Access::App).await?;
            let mut row = tx
                .get(entity, std::slice::from_ref(&key))
                .await?
                .remove(0)
                .expect("a record");
            for (name, value) in changes.iter() {
                row[entity.require(name)?] = value.clone();
            }
            let positions: Vec<usize> = (0..entity.attributes.len()).collect();
            let mut rows = RowSet::new(entity.attributes.iter().map(|attribute| attribute.value_type), 1);
            rows.push(row)?;
            tx.put(entity, &positions, &rows).await?;
            tx.commit().await
        })
    }

    pub(crate) fn delete(&self, entity: &str, key: impl Into<Key>) {
        let key = key.into();
        self.run(async {
            let mut tx = self.store.begin(Access::App).await.unwrap();
            tx.remove(self.entity(entity), std::slice::from_ref(&key))
                .await
                .unwrap();
            tx.commit().await.unwrap();
        });
    }

    pub(crate) fn get(&self, entity: &str, key: impl Into<Key>) -> Option<Fields> {
        let key = key.into();
        self.run(async {
            let entity = self.entity(entity);
            let mut tx = self.store.begin(Access::Read).await.unwrap();
            let row = tx
                .get(entity, std::slice::from_ref(&key))
                .await
                .unwrap()
                .remove(0);
            row.map(|row| entity.fields(row))
        })
    }

    pub(crate) fn contents(&self, entity: &str) -> BTreeMap<Key, Row> {
        self.run(async {
            let entity = self.entity(entity);
            let mut tx = self.store.begin(Access::Read).await.unwrap();
            let rows = tx.query(entity, &Query::entity(&entity.name)).await.unwrap();
            rows.into_iter().map(|row| (entity.key_of(&row), row)).collect()
        })
    }

    pub(crate) fn overlays(&self, entity: &str) -> Vec<Overlay> {
        self.run(async {
            let mut tx = self.store.begin(Access::Read).await.unwrap();
            tx.overlays_in(self.entity(entity), &KeyRange::all(), usize::MAX / 2)
                .await
                .unwrap()
        })
    }

    pub(crate) fn conflicts(&self) -> Vec<OpenConflict> {
        self.run(self.syncer.conflicts(None, usize::MAX)).unwrap()
    }

    pub(crate) fn resolve(&self, entity: &str, key: impl Into<Key>, resolution: Resolution) -> Key {
        self.try_resolve(entity, key, resolution).unwrap()
    }

    pub(crate) fn try_resolve(
        &self,
        entity: &str,
        key: impl Into<Key>,
        resolution: Resolution,
    ) -> Result<Key> {
        self.run(self.syncer.resolve_conflict(entity, &key.into(), &resolution))
    }

    /// Lets the entity's conflicts be decided by this resolver.
    pub(crate) fn decided_by(mut self, entity: &str, resolver: impl ConflictResolver + 'static) -> Self {
        let mut resolvers = (*self.syncer.resolvers).clone();
        resolvers.insert(entity.to_owned(), Arc::new(resolver));
        self.syncer.resolvers = Arc::new(resolvers);
        self
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.run(self.syncer.pending()).unwrap().waiting
    }
}

/// Device and server hold the same, and nothing waits.
#[track_caller]
pub(crate) fn assert_equal(world: &World, device: &Device) {
    for entity in &world.schema.entities {
        assert_eq!(
            device.contents(&entity.name),
            world.contents(&entity.name),
            "{} differs",
            entity.name
        );
        assert_eq!(device.overlays(&entity.name), [], "{} has overlays", entity.name);
    }
}

//! What an app writes as an atomic group succeeds or fails as one on the server too.
#![cfg(feature = "patterns")]
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync_core::conflict::Resolution;
use onsync_core::memory::local::MemoryStore;
use onsync_core::memory::server::MemoryServerStore;
use onsync_core::schema::{Attribute, EntitySchema, OnPendingConflicts, Schema};
use onsync_core::store::local::LocalStore;
use onsync_core::{Fields, Result, ValueType};
use onsync_engine::config::ContextSettings;
use onsync_engine::{App, OnSyncBuilder};
use onsync_pattern_read_write_conflict_detection::ConflictDetection;
use onsync_pattern_read_write_last_write_wins::LastWriteWins;
use onsync_server::{NoAuthentication, Server};
use onsync_sqlite_store::{SqliteStore, SqliteStoreOptions};
use onsync_testkit::fakes::InProcess;
use std::sync::Arc;

const PATTERN: &str = "read-write-last-write-wins";
const DETECTION: &str = "read-write-conflict-detection";

fn schema() -> Schema {
    let entity = |name: &str, pattern: &str| {
        let attributes = [("id", ValueType::Integer), ("code", ValueType::Text)];
        let attributes = attributes.map(|(name, value_type)| Attribute::new(name, value_type));
        EntitySchema {
            on_pending_conflicts: OnPendingConflicts::Continue,
            ..EntitySchema::new(name, pattern, &["id"], attributes.to_vec())
        }
    };
    Schema {
        entities: vec![
            entity("Order", PATTERN),
            entity("Stock", PATTERN),
            entity("Plan", DETECTION),
        ],
        relations: Vec::new(),
    }
}

struct World {
    server: MemoryServerStore,
    app: App,
    _folder: tempfile::TempDir,
}

/// The code of a stock is unique on the server, and `taken` is.
async fn world(sqlite: bool, limit: usize) -> World {
    let store = MemoryServerStore::new(1);
    let mut patterns: onsync_core::registry::Registry<Arc<dyn onsync_core::pattern::SyncPattern>> =
        onsync_core::registry::Registry::new("pattern");
    patterns.register(PATTERN, Arc::new(LastWriteWins)).unwrap();
    patterns.register(DETECTION, Arc::new(ConflictDetection)).unwrap();
    let server = Server::builder()
        .schema(schema())
        .patterns(patterns)
        .store(Arc::new(store.clone()))
        .authenticator(NoAuthentication)
        .build()
        .await
        .unwrap();
    store.add_unique("Stock", &["code"]).await.unwrap();
    let taken = record(99, "taken");
    store
        .foreign_write(|tables| tables.insert("Stock", &taken))
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let local: Arc<dyn LocalStore> = match sqlite {
        true => Arc::new(SqliteStore::new(
            folder.path().join("app.sqlite"),
            SqliteStoreOptions::default(),
        )),
        false => Arc::new(MemoryStore::new(7)),
    };
    let mut builder = OnSyncBuilder::by_hand(schema())
        .unwrap()
        .pattern(LastWriteWins)
        .unwrap()
        .pattern(ConflictDetection)
        .unwrap();
    builder.config_mut().limits.group_limit = limit;
    for round in 0..9 {
        builder
            .config_mut()
            .contexts
            .insert(format!("{round}"), ContextSettings::default());
    }
    let app = builder
        .store(local)
        .transport(Arc::new(InProcess::new(Arc::new(server))))
        .build()
        .await
        .unwrap();
    World {
        server: store,
        app,
        _folder: folder,
    }
}

fn record(id: i64, code: &str) -> Fields {
    Fields::new().with("id", id).with("code", code)
}

impl World {
    /// Writes orders and stocks in one transaction, as a group or not.
    async fn write(&self, atomic: bool, records: &[(&'static str, i64, &'static str)]) -> Result<()> {
        let records = records.to_vec();
        self.app
            .transaction(async |tx| {
                for (entity, id, code) in records {
                    tx.create_or_update(entity, record(id, code)).await?;
                }
                if atomic {
                    tx.atomic_group();
                }
                Ok(())
            })
            .await
    }

    async fn sync(&self, round: usize) {
        let handle = self.app.on_sync(&round.to_string(), &Default::default()).unwrap();
        handle.outcome().await.into_result().unwrap();
    }

    /// Orders and stocks on the server, without the one that was there.
    fn stored(&self) -> (usize, usize) {
        let count = |table| self.server.contents(table).unwrap().len();
        (count("Order"), count("Stock") - 1)
    }

    async fn listed(&self) -> Vec<(String, String)> {
        let listed = self.app.rejected(10).await.unwrap();
        let mut listed: Vec<_> = listed
            .into_iter()
            .map(|one| (one.entry.entity, one.entry.rejection.code))
            .collect();
        listed.sort();
        listed
    }
}

fn list(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    let entries = entries.iter();
    entries
        .map(|(entity, code)| ((*entity).to_owned(), (*code).to_owned()))
        .collect()
}

#[tokio::test]
async fn a_group_is_applied_wholly_or_not_at_all_and_goes_again_as_one() {
    for sqlite in [false, true] {
        let world = world(sqlite, 100).await;
        world
            .write(true, &[("Order", 1, "a"), ("Stock", 1, "taken")])
            .await
            .unwrap();
        world
            .write(false, &[("Order", 2, "b"), ("Stock", 2, "free")])
            .await
            .unwrap();
        world.sync(0).await;
        assert_eq!(world.stored(), (1, 1));
        let wanted = list(&[("Order", "group_failed"), ("Stock", "constraint_violated")]);
        assert_eq!(world.listed().await, wanted);
        world.write(false, &[("Stock", 1, "put right")]).await.unwrap();
        world.sync(1).await;
        assert_eq!((world.stored(), world.listed().await), ((2, 2), list(&[])));
    }
}

#[tokio::test]
async fn without_a_group_each_change_stands_for_itself() {
    let world = world(false, 100).await;
    world
        .write(false, &[("Order", 1, "a"), ("Stock", 1, "taken")])
        .await
        .unwrap();
    world.sync(0).await;
    assert_eq!(world.stored(), (1, 0));
    assert_eq!(world.listed().await, list(&[("Stock", "constraint_violated")]));
}

#[tokio::test]
async fn a_member_edited_again_stays_in_its_group() {
    for sqlite in [false, true] {
        let world = world(sqlite, 100).await;
        world
            .write(true, &[("Order", 1, "a"), ("Stock", 1, "free")])
            .await
            .unwrap();
        world.write(false, &[("Stock", 1, "taken")]).await.unwrap();
        world.sync(0).await;
        assert_eq!(world.stored(), (0, 0));
    }
}

#[tokio::test]
async fn groups_with_a_record_in_common_are_one() {
    for sqlite in [false, true] {
        let world = world(sqlite, 100).await;
        world
            .write(true, &[("Order", 1, "a"), ("Order", 2, "b")])
            .await
            .unwrap();
        world
            .write(true, &[("Order", 2, "c"), ("Stock", 1, "taken")])
            .await
            .unwrap();
        world.sync(0).await;
        assert_eq!(world.stored(), (0, 0));
        world.write(false, &[("Stock", 1, "put right")]).await.unwrap();
        world.sync(1).await;
        assert_eq!((world.stored(), world.listed().await), ((2, 1), list(&[])));
        // What was sent is of no group any more.
        world
            .write(false, &[("Order", 1, "d"), ("Stock", 1, "taken")])
            .await
            .unwrap();
        world.sync(2).await;
        assert_eq!(world.listed().await, list(&[("Stock", "constraint_violated")]));
    }
}

#[tokio::test]
async fn a_group_over_the_limit_is_refused_when_it_is_saved() {
    let world = world(false, 2).await;
    let three = [("Order", 1, "a"), ("Order", 2, "b"), ("Order", 3, "c")];
    let error = world.write(true, &three).await.unwrap_err();
    assert_eq!(error.code(), "group_too_large");
    assert_eq!(
        world.app.get("Order", 1i64).await.unwrap(),
        None,
        "nothing of it was saved"
    );
    // Together with a group that is there it would be too large.
    world.write(true, &three[..2]).await.unwrap();
    let other = [("Order", 2, "changed"), ("Order", 3, "c")];
    let error = world.write(true, &other).await.unwrap_err();
    assert_eq!(error.code(), "group_too_large");
    world.write(false, &three).await.unwrap();
    world.sync(0).await;
    assert_eq!(world.stored(), (3, 0));
}

/// The server applies nothing of the group; once the conflict is decided, all of it is sent again.
#[tokio::test]
async fn a_conflict_of_one_member_undoes_the_group_and_its_resolution_sends_it_again() {
    for sqlite in [false, true] {
        let world = world(sqlite, 100).await;
        world.write(false, &[("Plan", 1, "base")]).await.unwrap();
        world.sync(0).await;
        let theirs = Fields::new().with("code", "theirs");
        world
            .server
            .foreign_write(|tables| tables.update("Plan", &1i64.into(), &theirs))
            .await
            .unwrap();
        world
            .write(true, &[("Plan", 1, "mine"), ("Order", 1, "a")])
            .await
            .unwrap();
        world.sync(1).await;
        assert_eq!(world.stored(), (0, 0));
        assert_eq!(world.listed().await, list(&[("Order", "group_failed")]));
        world.sync(2).await;
        assert_eq!(world.stored(), (0, 0), "the group waits for the conflict");
        world
            .app
            .resolve_conflict("Plan", 1i64, Resolution::KeepMine)
            .await
            .unwrap();
        world.sync(3).await;
        assert_eq!((world.stored(), world.listed().await), ((1, 0), list(&[])));
        let plan = world.server.contents("Plan").unwrap();
        assert_eq!(plan[0].1.value("code"), &"mine".into());
    }
}

/// Taking the server's side leaves nothing of the culprit to send: the others go without it.
#[tokio::test]
async fn a_conflict_that_is_given_up_lets_the_others_go() {
    let world = world(false, 100).await;
    world.write(false, &[("Plan", 1, "base")]).await.unwrap();
    world.sync(0).await;
    let theirs = Fields::new().with("code", "theirs");
    world
        .server
        .foreign_write(|tables| tables.update("Plan", &1i64.into(), &theirs))
        .await
        .unwrap();
    world
        .write(true, &[("Plan", 1, "mine"), ("Order", 1, "a")])
        .await
        .unwrap();
    world.sync(1).await;
    world
        .app
        .resolve_conflict("Plan", 1i64, Resolution::TakeTheirs)
        .await
        .unwrap();
    world.sync(2).await;
    assert_eq!((world.stored(), world.listed().await), ((1, 0), list(&[])));
}

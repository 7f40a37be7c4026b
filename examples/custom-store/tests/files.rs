//! What the suite cannot see: the file, and writers in two processes at a time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use onsync_core::schema::{Attribute, EntitySchema, Schema};
use onsync_core::store::local::{Access, LocalStore};
use onsync_core::{Value, ValueType};
use onsync_example_custom_store::SnapshotStore;

fn schema() -> Schema {
    let attributes = vec![Attribute::new("id", ValueType::Integer)];
    Schema {
        entities: vec![EntitySchema::new("Note", "any", &["id"], attributes)],
        relations: Vec::new(),
    }
}

async fn count(store: &SnapshotStore) -> u64 {
    let mut reader = store.begin(Access::Read).await.unwrap();
    reader.count(&schema().entities[0]).await.unwrap()
}

#[tokio::test]
async fn a_file_that_is_no_database_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.snapshot");
    for content in [
        "",
        "not a snapshot, but long enough",
        "snapsho1\0\0\0\0\0\0\0\x07\x01",
    ] {
        std::fs::write(&path, content).unwrap();
        let store = SnapshotStore::new(&path);
        let opened = store.open(&schema()).await.unwrap();
        let aside = opened.set_aside.unwrap();
        assert_eq!(std::fs::read_to_string(aside).unwrap(), content);
        assert_eq!(count(&store).await, 0);
        drop(store);
        let opened = SnapshotStore::new(&path).open(&schema()).await.unwrap();
        assert_eq!((opened.set_aside, opened.created), (None, false));
    }
}

#[tokio::test]
async fn writers_of_two_handles_take_turns_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.snapshot");
    let write = |from: i64| {
        let store = SnapshotStore::new(&path);
        async move {
            store.open(&schema()).await.unwrap();
            for id in from..from + 10 {
                let mut writer = store.begin(Access::App).await.unwrap();
                tokio::task::yield_now().await;
                let row = vec![Value::Integer(id)];
                writer.insert(&schema().entities[0], &row).await.unwrap();
                writer.commit().await.unwrap();
            }
            store
        }
    };
    let (first, second) = tokio::join!(write(0), write(100));
    assert_eq!((count(&first).await, count(&second).await), (20, 20));
}

#[tokio::test]
async fn a_failed_commit_leaves_the_state_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.snapshot");
    let store = SnapshotStore::new(&path);
    store.open(&schema()).await.unwrap();
    let mut writer = store.begin(Access::App).await.unwrap();
    writer
        .insert(&schema().entities[0], &vec![Value::Integer(1)])
        .await
        .unwrap();
    // A folder in the place of the coming file: it cannot be written.
    let in_the_way = folder.path().join("app.snapshot.new");
    std::fs::create_dir(&in_the_way).unwrap();
    assert_eq!(writer.commit().await.unwrap_err().code(), "store_unavailable");
    assert_eq!(count(&store).await, 0);
    std::fs::remove_dir(&in_the_way).unwrap();
    let mut writer = store.begin(Access::App).await.unwrap();
    writer
        .insert(&schema().entities[0], &vec![Value::Integer(2)])
        .await
        .unwrap();
    writer.commit().await.unwrap();
    assert_eq!(count(&store).await, 1);
}

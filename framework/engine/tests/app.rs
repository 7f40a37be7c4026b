//! The handle of an app: records, transactions, live queries, blocking twins, and where it may be used.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync_core::handler::Parameters;
use onsync_core::memory::local::MemoryStore;
use onsync_core::mutation::Mutation;
use onsync_core::page::PageKind;
use onsync_core::pattern::{
    Action, Change, Direction, DirtyRecord, Incoming, Progress, Selection, ServerView, SyncPattern, Verdict,
};
use onsync_core::query::{Comparison, Order, Query};
use onsync_core::store::local::RecordState;
use onsync_core::transport::{Answer, Exchange, Transport};
use onsync_core::wire::Health;
use onsync_core::{Entity, Error, ErrorKind, Fields, Key, Result, Value, portable_async};
use onsync_engine::config::Config;
use onsync_engine::{App, OnSyncBuilder, Outcome, Registries};
use std::sync::Arc;

struct Unreachable;

#[portable_async]
impl Transport for Unreachable {
    async fn exchange(&self, _exchange: Exchange) -> Result<Box<dyn Answer>> {
        Err(Error::offline("server_unreachable", "no server in this test"))
    }

    async fn health(&self) -> Result<Health> {
        Err(Error::offline("server_unreachable", "no server in this test"))
    }
}

struct Plain(&'static str, Direction);

impl SyncPattern for Plain {
    fn name(&self) -> &'static str {
        self.0
    }

    fn direction(&self) -> Direction {
        self.1
    }

    fn request(&self, dirty: &DirtyRecord<'_>) -> Option<Change> {
        dirty.difference()
    }

    fn plan(&self, _dirty: &DirtyRecord<'_>, _incoming: Incoming<'_>, _kind: &PageKind) -> Action {
        Action::Accept
    }

    fn select(&self, _progress: Option<Progress>) -> Selection {
        Selection::Full
    }

    fn decide(&self, _view: &ServerView<'_>, _mutation: &Mutation) -> Verdict {
        Verdict::Nothing
    }
}

const CONFIG: &str = r#"
[retry]
retry_synchronizations = false
[limits]
max_record_bytes = 100
[entities.Artist]
pattern = "both-ways"
attributes = { id = "uuid", name = "text" }
[entities.Album]
pattern = "both-ways"
ids = "server"
attributes = { id = "integer", title = "text", artist = "uuid", after = "integer" }
[entities.Genre]
pattern = "down"
attributes = { id = "integer", name = "text" }
[relations.artist]
child = "Album"
attribute = "artist"
parent = "Artist"
[relations.after]
child = "Album"
attribute = "after"
parent = "Album"
on_delete = "set-null"
"#;

fn registries() -> Registries {
    let mut registries = Registries::new();
    registries
        .pattern(Plain("both-ways", Direction::ReadWrite))
        .unwrap();
    registries.pattern(Plain("down", Direction::ReadOnly)).unwrap();
    registries
        .store("sqlite", |_| Ok(Arc::new(MemoryStore::new(1))))
        .unwrap();
    registries
        .transport("http", |_| Ok(Arc::new(Unreachable)))
        .unwrap();
    registries
}

fn open(config: &str) -> App {
    OnSyncBuilder::new(Config::from_text(config).unwrap(), registries())
        .build_blocking()
        .unwrap()
}

fn artist(name: &str) -> Fields {
    Fields::new().with("name", name)
}

#[derive(Debug, PartialEq, Entity)]
struct Artist {
    id: Option<uuid::Uuid>,
    name: String,
}

fn code<T>(result: Result<T>) -> String {
    result
        .err()
        .map(|error| error.code().to_owned())
        .unwrap_or_default()
}

#[test]
fn records_are_created_changed_read_and_deleted() {
    let app = open(CONFIG).blocking();
    let key = app.create("Artist", artist("Ada")).unwrap();
    assert!(matches!(key.values(), [Value::Uuid(id)] if id.get_version_num() == 7));
    app.update("Artist", key.clone(), artist("Bea")).unwrap();
    let found = app.get("Artist", key.clone()).unwrap().unwrap();
    assert_eq!(found.get::<String>("name").unwrap(), "Bea");
    assert_eq!(
        app.record_state("Artist", key.clone()).unwrap(),
        Some(RecordState::Waiting)
    );
    assert_eq!(
        app.create_or_update("Artist", found.with("name", "Cleo"))
            .unwrap(),
        key
    );
    assert_eq!(app.waiting(10).unwrap().len(), 1);
    let keys = app.create_many("Artist", vec![artist("D"), artist("E")]).unwrap();
    assert_eq!(
        app.query(Query::entity("Artist").order_by("name", Order::Descending))
            .unwrap()
            .len(),
        3
    );
    assert_eq!(app.delete_many("Artist", keys).unwrap(), 2);
    assert!(app.delete("Artist", key.clone()).unwrap());
    assert!(!app.delete("Artist", key.clone()).unwrap());
    assert_eq!(code(app.update("Artist", key, artist("F"))), "record_missing");
}

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    let app = open(CONFIG).blocking();
    assert_eq!(
        code(app.create("Artist", Fields::new().with("nam", "x"))),
        "unknown_attribute"
    );
    assert_eq!(
        code(app.create("Artist", Fields::new().with("name", 1i64))),
        "invalid_value"
    );
    assert_eq!(code(app.create("Artists", Fields::new())), "unknown_entity");
    assert_eq!(
        code(app.create("Artist", artist(&"x".repeat(200)))),
        "record_too_large"
    );
    assert_eq!(
        code(app.create("Genre", Fields::new().with("id", 1i64))),
        "read_only_entity"
    );
    assert_eq!(code(app.create("Genre", Fields::new())), "missing_key");
    assert_eq!(
        code(app.create("Album", Fields::new().with("id", 5i64))),
        "key_issued_by_server"
    );
    assert_eq!(code(app.get("Artist", Key(vec![]))), "invalid_key");
    let key = app.create("Artist", artist("Ada")).unwrap();
    let other = Fields::new().with("id", uuid::Uuid::nil());
    assert_eq!(code(app.update("Artist", key, other)), "key_change_refused");
    assert_eq!(
        code(app.create_many("Artist", vec![artist("ok"), artist(&"x".repeat(200))])),
        "record_too_large"
    );
    assert_eq!(app.query(Query::entity("Artist")).unwrap().len(), 1);
}

#[test]
fn typed_records_are_structs() {
    let app = open(CONFIG);
    let blocking = app.blocking();
    let artists = blocking.records::<Artist>();
    let key = artists
        .create(Artist {
            id: None,
            name: "Ada".into(),
        })
        .unwrap();
    let mut ada = artists.get(key.clone()).unwrap().unwrap();
    ada.name = "Ada L.".into();
    assert_eq!(artists.save(ada).unwrap(), key);
    let found = artists
        .query(|query| query.filter("name", Comparison::Contains, "l."))
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, "Ada L.");
}

#[test]
fn a_to_one_join_brings_the_parent_along() {
    let app = open(CONFIG).blocking();
    for (name, title) in [("Ada", "Z"), ("Bea", "Y"), ("Cleo", "X")] {
        let artist = app.create("Artist", artist(name)).unwrap();
        let album = Fields::new()
            .with("title", title)
            .with("artist", artist.values()[0].clone());
        app.create("Album", album).unwrap();
    }
    app.create("Album", Fields::new().with("title", "no artist"))
        .unwrap();
    let query = Query::entity("Album")
        .join("artist")
        .filter("artist.name", Comparison::NotEqual, "Bea")
        .filter("title", Comparison::NotEqual, "no artist")
        .order_by("artist.name", Order::Descending)
        .limit(1);
    let found = app.query(query.clone()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].get::<String>("artist.name").unwrap(), "Cleo");
    assert_eq!(found[0].get::<String>("title").unwrap(), "X");
    assert_eq!(
        app.query(query.clone().offset(1)).unwrap()[0]
            .get::<String>("title")
            .unwrap(),
        "Z"
    );
    assert_eq!(
        code(app.query(Query::entity("Album").join("genre"))),
        "unknown_relation"
    );
    assert_eq!(
        code(app.query(query.filter("artist.age", Comparison::Equal, 1i64))),
        "unknown_attribute"
    );
}

#[test]
fn delete_rules_hold_on_the_device() {
    let app = open(CONFIG).blocking();
    let artist = app.create("Artist", artist("Ada")).unwrap();
    let first = app
        .create("Album", Fields::new().with("artist", artist.values()[0].clone()))
        .unwrap();
    let second = app
        .create("Album", Fields::new().with("after", first.values()[0].clone()))
        .unwrap();
    assert_eq!(code(app.delete("Artist", artist.clone())), "delete_restricted");
    assert!(app.delete("Album", first).unwrap());
    assert!(
        app.get("Album", second)
            .unwrap()
            .unwrap()
            .value("after")
            .is_null()
    );
    assert!(app.delete("Artist", artist).unwrap());

    let app = open(&CONFIG.replace("set-null", "cascade")).blocking();
    let first = app.create("Album", Fields::new()).unwrap();
    let second = app
        .create("Album", Fields::new().with("after", first.values()[0].clone()))
        .unwrap();
    app.update(
        "Album",
        first.clone(),
        Fields::new().with("after", second.values()[0].clone()),
    )
    .unwrap();
    assert!(app.delete("Album", first).unwrap());
    assert!(app.query(Query::entity("Album")).unwrap().is_empty());
}

#[test]
fn a_transaction_is_whole_or_nothing() {
    let app = open(CONFIG).blocking();
    let key = app
        .transaction(|tx| {
            let key = tx.create("Artist", artist("Ada"))?;
            assert!(tx.get("Artist", key.clone())?.is_some());
            Ok(key)
        })
        .unwrap();
    let failed: Result<()> = app.transaction(|tx| {
        tx.delete("Artist", key.clone())?;
        tx.create("Artist", artist("Bea"))?;
        Err(Error::rejected("changed_my_mind", "no"))
    });
    assert_eq!(code(failed), "changed_my_mind");
    let found = app.query(Query::entity("Artist")).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].get::<String>("name").unwrap(), "Ada");
}

#[tokio::test(flavor = "current_thread")]
async fn everything_works_inside_somebody_else_s_runtime() {
    let app = OnSyncBuilder::new(Config::from_text(CONFIG).unwrap(), registries())
        .build()
        .await
        .unwrap();
    let name = "Ada".to_owned();
    let task_app = app.clone();
    let task = tokio::spawn(async move {
        task_app
            .transaction(async |tx| tx.create("Artist", artist(&name)).await)
            .await
    });
    let key = task.await.unwrap().unwrap();
    assert!(app.get("Artist", key.clone()).await.unwrap().is_some());
    // A blocking twin on a thread that drives a runtime, and the last handle dropped there.
    assert!(app.blocking().get("Artist", key).unwrap().is_some());
    drop(app);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_gives_up_tears_nothing() {
    let app = OnSyncBuilder::new(Config::from_text(CONFIG).unwrap(), registries())
        .build()
        .await
        .unwrap();
    for round in 0..50 {
        let many = (0..10)
            .map(|number| artist(&format!("{round}.{number}")))
            .collect();
        let write = std::pin::pin!(app.create_many("Artist", many));
        let _ = futures_util::poll!(write);
    }
    let open = app.transaction(async |tx| {
        tx.create("Artist", artist("never")).await?;
        std::future::pending::<Result<()>>().await
    });
    let _ = tokio::time::timeout(std::time::Duration::from_millis(20), open).await;
    // The writes that were begun stand in line before this one.
    app.create("Artist", artist("last")).await.unwrap();
    let found = app.query(Query::entity("Artist")).await.unwrap();
    assert_eq!(found.len() % 10, 1, "{} records", found.len());
    assert!(
        found
            .iter()
            .all(|fields| fields.get::<String>("name").unwrap() != "never")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_query_gives_a_snapshot_after_each_change_of_its_result() {
    let app = OnSyncBuilder::new(Config::from_text(CONFIG).unwrap(), registries())
        .build()
        .await
        .unwrap();
    let mut live = app
        .watch(Query::entity("Artist").filter("name", Comparison::NotEqual, "hidden"))
        .unwrap();
    assert!(live.next().await.unwrap().is_empty());
    app.create("Album", Fields::new()).await.unwrap();
    app.create("Artist", artist("hidden")).await.unwrap();
    app.create("Artist", artist("Ada")).await.unwrap();
    assert_eq!(live.next().await.unwrap().len(), 1);
    let key = app.create("Artist", artist("Bea")).await.unwrap();
    assert_eq!(live.next().await.unwrap().len(), 2);
    app.delete("Artist", key).await.unwrap();
    assert_eq!(live.next().await.unwrap().len(), 1);
    assert_eq!(
        app.watch(Query::entity("Nothing")).err().unwrap().code(),
        "unknown_entity"
    );
}

#[test]
fn a_sync_without_a_server_says_so_and_the_status_counts_what_waits() {
    let app = open(CONFIG);
    app.blocking().create("Artist", artist("Ada")).unwrap();
    let outcome = app.blocking().on_sync("", &Parameters::new()).unwrap();
    assert!(matches!(outcome, Outcome::Failed(error) if error.kind() == ErrorKind::Offline));
    let status = app.status();
    assert_eq!(
        (status.waiting, status.is_offline(), status.up_to_date_as_of),
        (1, true, None)
    );
    assert!(status.message().ends_with("· 1 change waiting"), "{status}");
    let mut parameters = Parameters::new();
    parameters.insert("account".into(), Value::Integer(42));
    assert_eq!(code(app.on_sync("", &parameters).map(drop)), "not_yet_supported");
}

#[test]
fn building_refuses_what_nobody_registered_or_a_later_version_brings() {
    let build = |text: &str| {
        let config = Config::from_text(text).unwrap();
        OnSyncBuilder::new(config, registries())
            .build_blocking()
            .err()
            .unwrap()
    };
    let entity = |more: &str| {
        format!("[entities.A]\npattern = \"both-ways\"\nattributes = {{ id = \"uuid\" }}\n{more}")
    };
    let error = build(&entity("").replace("both-ways", "both-way"));
    assert_eq!(
        error.to_string(),
        "onsync.toml:2: entities.A.pattern: did you mean `both-ways`? unknown pattern `both-way`; available: `both-ways`, `down`"
    );
    assert_eq!(
        build(&entity("[store]\nkind = \"x\"")).place(),
        Some("onsync.toml:5: store.kind")
    );
    assert_eq!(
        build(&entity("[transport]\nkind = \"x\"")).code(),
        "unknown_plugin"
    );
    assert_eq!(build(&entity("resolver = \"x\"")).code(), "unknown_plugin");
    assert_eq!(
        build(&entity("offline_edits = \"refuse\"")).code(),
        "not_yet_supported"
    );
    let network = build(&entity("[network]\nkind = \"os+probe\""));
    assert_eq!(
        (network.code(), network.place()),
        ("unknown_plugin", Some("onsync.toml:5: network.kind"))
    );
}

#[test]
fn handles_go_everywhere() {
    fn anywhere<T: Clone + Send + Sync + 'static>() {}
    anywhere::<App>();
    anywhere::<onsync_engine::Blocking>();
}

#[tokio::test]
async fn a_write_through_the_app_within_its_transaction_is_refused() {
    let app = OnSyncBuilder::new(Config::from_text(CONFIG).unwrap(), registries())
        .build()
        .await
        .unwrap();
    let inner = app.clone();
    let refused = app
        .transaction(async |tx| {
            tx.create("Artist", artist("kept together")).await?;
            inner.create("Artist", artist("would wait for ever")).await
        })
        .await;
    assert_eq!(code(refused), "transaction_within_itself");
    assert!(app.query(Query::entity("Artist")).await.unwrap().is_empty());
    app.create("Artist", artist("afterwards")).await.unwrap();
}

#[test]
fn listeners_that_block_hold_up_nobody() {
    let app = open(CONFIG);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    // More of them than there are background threads.
    let blocking: Vec<_> = (0..8)
        .map(|_| {
            let held = held.clone();
            app.on_event(move |_, _| {
                let _ = held.lock().unwrap().recv();
            })
        })
        .collect();
    for number in 0..5 {
        app.blocking()
            .create("Artist", artist(&format!("{number}")))
            .unwrap();
        let outcome = app.blocking().on_sync("", &Parameters::new()).unwrap();
        assert!(matches!(outcome, Outcome::Failed(error) if error.kind() == ErrorKind::Offline));
    }
    assert_eq!(app.blocking().waiting(10).unwrap().len(), 5);
    drop(release);
    drop(blocking);
}

//! Rejected changes and the bin as an app uses them: live lists, filters, refusals, and how long the bin keeps what it holds.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync_core::memory::local::MemoryStore;
use onsync_core::mutation::{BinReason, Mutation, MutationKind, Rejection};
use onsync_core::page::{KeyRange, PageKind};
use onsync_core::pattern::{
    Action, Change, Direction, DirtyRecord, Incoming, Progress, Selection, ServerView, SyncPattern, Verdict,
};
use onsync_core::runtime::Runtime as _;
use onsync_core::store::local::{Access, LocalStore, RecordState};
use onsync_core::transport::{Answer, Exchange, Transport};
use onsync_core::value::Timestamp;
use onsync_core::wire::{AnswerFrame, Health, Welcome};
use onsync_core::{Error, Fields, Key, Result, portable_async};
use onsync_engine::config::Config;
use onsync_engine::sync::{BinEntry, BinFilter, RejectedEntry};
use onsync_engine::{App, BackgroundRuntime, OnSyncBuilder, Outcome, Registries};
use std::sync::Arc;
use uuid::Uuid;

/// A server that has nothing to say.
struct Silent;

struct Nothing(Vec<AnswerFrame>);

#[portable_async]
impl Answer for Nothing {
    async fn next(&mut self) -> Result<Option<AnswerFrame>> {
        Ok(self.0.pop())
    }

    fn bytes(&self) -> u64 {
        0
    }
}

#[portable_async]
impl Transport for Silent {
    async fn exchange(&self, _exchange: Exchange) -> Result<Box<dyn Answer>> {
        let welcome = AnswerFrame::Welcome(Welcome::new());
        Ok(Box::new(Nothing(vec![AnswerFrame::End {}, welcome])))
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
[entities.Artist]
pattern = "both-ways"
attributes = { id = "integer", name = "text", city = "text" }
[entities.Genre]
pattern = "down"
attributes = { id = "integer", name = "text" }
local_edits = "keep"
"#;

/// An app, and its store from behind.
fn open(config: &str) -> (App, MemoryStore) {
    let store = MemoryStore::new(1);
    let mut registries = Registries::new();
    registries
        .pattern(Plain("both-ways", Direction::ReadWrite))
        .unwrap();
    registries.pattern(Plain("down", Direction::ReadOnly)).unwrap();
    let app = OnSyncBuilder::new(Config::from_text(config).unwrap(), registries)
        .store(Arc::new(store.clone()))
        .transport(Arc::new(Silent))
        .build_blocking()
        .unwrap();
    (app, store)
}

fn artist(id: i64, name: &str) -> Fields {
    Fields::new()
        .with("id", id)
        .with("name", name)
        .with("city", "Oslo")
}

fn entry(entity: &str, id: i64, reason: BinReason, at: i64, values: Fields) -> BinEntry {
    BinEntry {
        id: uuid::Builder::from_unix_timestamp_millis(u64::try_from(at / 1000).unwrap(), &[7; 10])
            .into_uuid(),
        at: Timestamp::from_count(at).unwrap(),
        entity: entity.to_owned(),
        key: Key::one(id),
        reason,
        values,
    }
}

/// Puts something into an area, as a sync would.
async fn put(store: &MemoryStore, area: &str, key: &[u8], value: &impl serde::Serialize) {
    let mut tx = store.begin(Access::Sync { durable: true }).await.unwrap();
    let bytes = rmp_serde::to_vec_named(value).unwrap();
    tx.area_put(area, key, &bytes).await.unwrap();
    tx.commit().await.unwrap();
}

fn code<T>(result: Result<T>) -> String {
    result
        .err()
        .map(|error| error.code().to_owned())
        .unwrap_or_default()
}

#[tokio::test]
async fn the_bin_is_filtered_restored_and_emptied() {
    let (app, store) = open(CONFIG);
    app.create("Artist", artist(1, "Ada")).await.unwrap();
    let mut live = app.watch_bin(BinFilter::all()).unwrap();
    assert_eq!(live.next().await.unwrap(), []);
    let entries = [
        entry("Artist", 1, BinReason::Discarded, 1_000_000, artist(1, "Bea")),
        entry("Artist", 2, BinReason::Gone, 2_000_000, artist(2, "Cleo")),
        entry("Artist", 3, BinReason::LeftScope, 3_000_000, artist(3, "Dora")),
        entry(
            "Artist",
            4,
            BinReason::Gone,
            4_000_000,
            Fields::new().with("name", "Eve"),
        ),
        entry(
            "Genre",
            1,
            BinReason::ReadOnly,
            5_000_000,
            Fields::new().with("id", 1i64).with("name", "x"),
        ),
    ];
    for entry in &entries {
        put(&store, "bin", entry.id.as_bytes(), entry).await;
    }
    let ids = |found: Vec<BinEntry>| -> Vec<i64> {
        found.iter().map(|entry| entry.at.count() / 1_000_000).collect()
    };
    assert_eq!(ids(app.bin(BinFilter::all()).await.unwrap()), [1, 2, 3, 4, 5]);
    assert_eq!(ids(app.bin(2).await.unwrap()), [1, 2]);
    let gone = BinFilter::all().reason(BinReason::Gone);
    assert_eq!(ids(app.bin(gone.clone()).await.unwrap()), [2, 4]);
    let since = BinFilter::all().entity("Artist").since(entries[2].at);
    assert_eq!(ids(app.bin(since).await.unwrap()), [3, 4]);
    assert_eq!(app.bin_entry(entries[1].id).await.unwrap(), entries[1]);

    // Only what differs is written; what is not here any more is created.
    assert_eq!(app.restore(entries[0].id).await.unwrap(), Key::one(1i64));
    let found = app.get("Artist", 1i64).await.unwrap().unwrap();
    assert_eq!(found, artist(1, "Bea"));
    assert_eq!(app.restore(entries[1].id).await.unwrap(), Key::one(2i64));
    assert_eq!(
        app.record_state("Artist", 2i64).await.unwrap(),
        Some(RecordState::Waiting)
    );
    // What cannot be, says why and stays.
    assert_eq!(code(app.restore(entries[2].id).await), "left_scope");
    assert_eq!(code(app.restore(entries[3].id).await), "bin_entry_incomplete");
    assert_eq!(code(app.restore(entries[4].id).await), "read_only_entity");
    assert_eq!(code(app.restore(Uuid::nil()).await), "bin_entry_missing");
    assert_eq!(code(app.bin_entry(entries[0].id).await), "bin_entry_missing");
    assert_eq!(ids(live.next().await.unwrap()), [3, 4, 5]);
    // A record that is here again takes its values back.
    app.create("Artist", artist(3, "new")).await.unwrap();
    app.restore(entries[2].id).await.unwrap();
    assert_eq!(app.get("Artist", 3i64).await.unwrap().unwrap(), artist(3, "Dora"));
    assert_eq!(app.empty_bin(gone).await.unwrap(), 1);
    assert_eq!(app.blocking().empty_bin(BinFilter::all()).unwrap(), 1);
    assert_eq!(ids(live.next().await.unwrap()), Vec::<i64>::new());
}

#[tokio::test]
async fn rejected_changes_are_live_and_end_as_the_app_says() {
    let (app, store) = open(CONFIG);
    app.create("Artist", artist(1, "Ada")).await.unwrap();
    app.create("Artist", artist(2, "Bea")).await.unwrap();
    let mut live = app.watch_rejected(10).unwrap();
    assert_eq!(live.next().await.unwrap(), []);
    let schema = app.schema().clone();
    let entity = schema.entity("Artist").unwrap();
    for (number, area) in [(1u64, "rejected"), (2, "unknown")] {
        let listed = RejectedEntry {
            cause: None,
            number,
            entity: "Artist".to_owned(),
            key: Key::one(i64::try_from(number).unwrap()),
            kind: MutationKind::Create,
            values: artist(1, "Ada"),
            rejection: Rejection {
                code: "constraint_violated".to_owned(),
                message: "no".to_owned(),
            },
            at: None,
        };
        put(&store, area, &number.to_be_bytes(), &listed).await;
        let mut tx = store.begin(Access::Sync { durable: true }).await.unwrap();
        for mut overlay in tx.overlays_in(entity, &KeyRange::all(), 10).await.unwrap() {
            overlay.acknowledged_to = overlay.edit;
            overlay.state = RecordState::Rejected;
            tx.put_overlay(entity, &overlay).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
    let listed = app.rejected(10).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(
        listed
            .iter()
            .map(|change| change.may_have_been_applied)
            .collect::<Vec<_>>(),
        [false, true]
    );
    assert!(!listed[0].fixed);
    app.update("Artist", 1i64, Fields::new().with("name", "fixed"))
        .await
        .unwrap();
    assert!(app.rejected_change(1).await.unwrap().fixed);
    assert_eq!(live.next().await.unwrap().len(), 2);
    assert_eq!(app.waiting(10).await.unwrap().len(), 1);
    assert!(app.retry_rejected(2).await.unwrap());
    assert_eq!(app.waiting(10).await.unwrap().len(), 2);
    assert_eq!(app.show_discard(1).await.unwrap().len(), 1);
    assert_eq!(app.blocking().discard_rejected(1).unwrap().len(), 1);
    assert!(app.get("Artist", 1i64).await.unwrap().is_none());
    assert_eq!(app.bin(10).await.unwrap()[0].values, artist(1, "fixed"));
    for refused in [
        code(app.rejected_change(1).await),
        code(app.retry_rejected(1).await),
        code(app.discard_rejected(1).await),
        code(app.show_discard(1).await),
    ] {
        assert_eq!(refused, "rejected_entry_missing");
    }
    assert_eq!(live.next().await.unwrap(), []);
}

/// What is left in the bin after a sync, of entries of one hour, one day and ten days ago.
async fn left(limits: &str) -> usize {
    let (app, store) = open(&format!("{CONFIG}\n[bin]\n{limits}\n"));
    let now = BackgroundRuntime::start().unwrap().now().count();
    for hours in [240, 24, 1] {
        let at = now - hours * 3_600_000_000;
        let entry = entry("Artist", 1, BinReason::Discarded, at, artist(1, "lost"));
        put(&store, "bin", entry.id.as_bytes(), &entry).await;
    }
    let outcome = app.on_sync("", &Default::default()).unwrap().outcome().await;
    assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
    app.bin(10).await.unwrap().len()
}

#[tokio::test]
async fn the_bin_keeps_what_the_configuration_says() {
    assert_eq!(left("keep = \"30 days\"").await, 3);
    assert_eq!(left("keep = \"2 days\"").await, 2);
    assert_eq!(left("keep = \"2h\"").await, 1);
    let of_its_own = |limit: &str| format!("keep = \"2 days\"\n[entities.Artist.bin]\n{limit}");
    assert_eq!(left(&of_its_own("keep = \"2h\"")).await, 1);
    assert_eq!(left(&of_its_own("keep = \"90 days\"")).await, 3);
    assert_eq!(left(&of_its_own("max_bytes = 1")).await, 0);
}

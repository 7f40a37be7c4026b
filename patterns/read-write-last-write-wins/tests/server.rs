//! The published table, end to end on a real server over the memory store: two devices, one database.
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync_core::memory::server::MemoryServerStore;
use onsync_core::mutation::{Mutation, MutationKind, Outcome};
use onsync_core::pattern::SyncPattern;
use onsync_core::record::RecordName;
use onsync_core::registry::Registry;
use onsync_core::schema::{Attribute, EntitySchema, Schema};
use onsync_core::wire::{AnswerFrame, EntityRequest, Hello, RequestFrame};
use onsync_core::{Fields, Key, Row, Value, ValueType};
use onsync_pattern_read_write_last_write_wins::{LastWriteWins, NAME};
use onsync_server::{NoAuthentication, Server, SyncService as _};
use std::sync::Arc;
use uuid::Uuid;

fn entity() -> EntitySchema {
    let attributes = [
        ("id", ValueType::Integer),
        ("name", ValueType::Text),
        ("city", ValueType::Text),
    ];
    let attributes = attributes.map(|(name, value_type)| Attribute::new(name, value_type));
    EntitySchema::new("Company", NAME, &["id"], attributes.to_vec())
}

async fn server() -> (MemoryServerStore, Server) {
    let store = MemoryServerStore::new(1);
    let mut patterns: Registry<Arc<dyn SyncPattern>> = Registry::new("pattern");
    patterns.register(NAME, Arc::new(LastWriteWins)).unwrap();
    let server = Server::builder()
        .schema(Schema {
            entities: vec![entity()],
            relations: Vec::new(),
        })
        .patterns(patterns)
        .store(Arc::new(store.clone()))
        .authenticator(NoAuthentication)
        .build()
        .await
        .unwrap();
    (store, server)
}

/// Sends one mutation of record 1 and pulls; the outcome and the rows that came.
async fn sync(server: &Server, id: u128, kind: MutationKind, values: &Fields) -> (Outcome, Vec<Row>, usize) {
    let mutation = Mutation {
        id: Uuid::from_u128(id),
        number: u64::try_from(id).unwrap(),
        entity: "Company".to_owned(),
        record: RecordName::Key(Key::one(1i64)),
        kind,
        values: values.clone(),
        base: Fields::new(),
        base_version: None,
        references: Vec::new(),
        group: None,
    };
    let frames = vec![
        RequestFrame::Hello(Hello::new(Uuid::from_u128(1), 0)),
        RequestFrame::Entity(EntityRequest {
            entity: "Company".to_owned(),
            pattern: NAME.to_owned(),
            columns: entity().columns(),
            scope: String::new(),
            pull: true,
            checkpoint: None,
            page_rows: 10,
            page_bytes: 1 << 20,
        }),
        RequestFrame::Mutation(mutation),
        RequestFrame::End {},
    ];
    let mut answer = server.sync(None, frames).await.unwrap();
    let (mut outcome, mut rows, mut pages) = (None, Vec::new(), 0);
    while let Some(frame) = answer.next().await.unwrap() {
        match frame {
            AnswerFrame::Outcome(frame) => outcome = Some(frame.outcome),
            AnswerFrame::Page(page) => {
                pages += 1;
                rows.extend(page.rows.iter());
            }
            _ => {}
        }
    }
    (outcome.unwrap(), rows, pages)
}

fn named(name: &str) -> Fields {
    Fields::new().with("name", name)
}

fn row(name: &str, city: Value) -> Row {
    vec![Value::Integer(1), Value::Text(name.to_owned()), city]
}

#[tokio::test]
async fn the_table() {
    use MutationKind::{Create, Delete, Update};
    let applied = "applied";
    let cases = [
        (Create, false, applied, Some("mine")),
        (Create, true, applied, Some("mine")),
        (Update, false, "gone", None),
        (Update, true, applied, Some("mine")),
        (Delete, false, applied, None),
        (Delete, true, applied, None),
    ];
    for (kind, there, wanted, left) in cases {
        let (store, server) = server().await;
        if there {
            let theirs = named("theirs").with("id", 1i64).with("city", "Oslo");
            store
                .foreign_write(|tables| tables.insert("Company", &theirs))
                .await
                .unwrap();
        }
        let values = match kind {
            Create => named("mine").with("id", 1i64),
            Update => named("mine"),
            Delete => Fields::new(),
        };
        let (outcome, rows, pages) = sync(&server, 1, kind, &values).await;
        assert_eq!((outcome.as_str(), pages), (wanted, 1), "{kind:?}, there: {there}");
        let city = if there {
            Value::Text("Oslo".to_owned())
        } else {
            Value::Null
        };
        let left: Vec<Row> = left.into_iter().map(|name| row(name, city.clone())).collect();
        assert_eq!(rows, left, "{kind:?}, there: {there}");
        // The answer was lost: the same again changes nothing.
        let (again, rows, _) = sync(&server, 1, kind, &values).await;
        assert_eq!((again.as_str(), rows), (wanted, left), "{kind:?}, there: {there}");
    }
}

#[tokio::test]
async fn the_last_accepted_push_wins_per_attribute_and_a_delete_ends_it() {
    let (_, server) = server().await;
    let city = |city: &str| Fields::new().with("city", city);
    sync(&server, 1, MutationKind::Create, &named("Acme").with("id", 1i64)).await;
    sync(&server, 2, MutationKind::Update, &city("Oslo")).await;
    sync(&server, 3, MutationKind::Update, &named("Acme Ltd")).await;
    let (_, rows, _) = sync(&server, 4, MutationKind::Update, &city("Bergen")).await;
    assert_eq!(rows, [row("Acme Ltd", Value::Text("Bergen".to_owned()))]);
    sync(&server, 5, MutationKind::Delete, &Fields::new()).await;
    let (late, rows, _) = sync(&server, 6, MutationKind::Update, &named("late")).await;
    assert_eq!((late, rows.len()), (Outcome::Gone, 0));
    // Made again by somebody: a new record, with nothing of the old one.
    let (_, rows, _) = sync(&server, 7, MutationKind::Create, &named("New").with("id", 1i64)).await;
    assert_eq!(rows, [row("New", Value::Null)]);
}

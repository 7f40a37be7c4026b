//! Every value of every type survives every encoding: canonical bytes, text, frames in both forms, and SQLite files on both sides.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../onsync/tests/promises/seeds.rs"]
mod seeds;
#[path = "support/values.rs"]
mod values;

use futures_util::FutureExt as _;
use onsync_core::mutation::{Mutation, MutationKind, Outcome, ServerRecord};
use onsync_core::page::{Checkpoint, KeyRange, Page, PageKind};
use onsync_core::record::RecordName;
use onsync_core::rows::RowSet;
use onsync_core::schema::{Attribute, EntitySchema, Schema};
use onsync_core::store::local::{Access, LocalStore as _};
use onsync_core::store::server::{Extent, PageLimit, ServerStore as _};
use onsync_core::value::{canonical_bytes, decode_canonical};
use onsync_core::wire::{AnswerFrame, Decoder, Format, OutcomeFrame, RequestFrame, encode};
use onsync_core::{Fields, Key, Row, Value, ValueType};
use onsync_sqlite_server_store::{SqliteServerStore, SqliteServerStoreOptions};
use onsync_sqlite_store::rusqlite::Connection;
use onsync_sqlite_store::{SqliteStore, SqliteStoreOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use values::{any_value, any_values};

const FORMATS: [Format; 2] = [Format::Binary, Format::JsonLines];

/// Equal, and of the same type and form: a decimal keeps its scale, a JSON text its spaces.
#[track_caller]
fn same(found: &[Value], wanted: &[Value]) {
    assert_eq!(found, wanted);
    for (found, wanted) in found.iter().zip(wanted) {
        assert_eq!(found.value_type(), wanted.value_type());
    }
}

fn name(value_type: ValueType) -> String {
    format!("a_{}", value_type.as_str())
}

/// An entity with an attribute of each type.
fn everything() -> EntitySchema {
    let mut attributes = vec![Attribute::new("id", ValueType::Integer)];
    attributes.extend(ValueType::ALL.map(|value_type| Attribute::new(name(value_type), value_type)));
    EntitySchema::new("Everything", "any", &["id"], attributes)
}

fn row(id: i64, values: &[Value]) -> Row {
    let mut row = vec![Value::Integer(id)];
    row.extend_from_slice(values);
    row
}

fn fields(values: &[Value]) -> Fields {
    ValueType::ALL
        .iter()
        .map(|value_type| name(*value_type))
        .zip(values.iter().cloned())
        .collect()
}

#[test]
fn canonical_bytes_give_the_value_back_and_sort_as_it_does() {
    for value_type in ValueType::ALL {
        let pair = (any_value(value_type), any_value(value_type));
        seeds::check(256, &pair, |(one, other)| {
            let (first, second) = (
                canonical_bytes(std::slice::from_ref(&one)),
                canonical_bytes(std::slice::from_ref(&other)),
            );
            same(&decode_canonical(&first).unwrap(), std::slice::from_ref(&one));
            assert_eq!(one.cmp(&other), first.cmp(&second), "{one:?} against {other:?}");
        });
    }
}

#[test]
fn canonical_bytes_of_lists_are_as_long_as_their_values() {
    seeds::check(256, &(any_values(), any_values()), |(one, other)| {
        same(&decode_canonical(&canonical_bytes(&one)).unwrap(), &one);
        assert_eq!(
            one.cmp(&other),
            canonical_bytes(&one).cmp(&canonical_bytes(&other))
        );
    });
}

#[test]
fn text_gives_the_value_back() {
    let written = ValueType::ALL
        .into_iter()
        .filter(|value_type| *value_type != ValueType::Bytes);
    for value_type in written {
        seeds::check(256, &any_value(value_type), |value| {
            value.check(value_type).unwrap();
            same(&[value_type.parse(&value.to_string()).unwrap()], &[value]);
        });
    }
}

/// The frame, written and read again, the bytes coming in pieces of this size.
fn through<F: Serialize + DeserializeOwned>(format: Format, frame: &F, piece: usize) -> F {
    let mut bytes = Vec::new();
    encode(format, frame, &mut bytes).unwrap();
    let mut decoder = Decoder::new(format, 1 << 20);
    let mut found = None;
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        if let Some(frame) = decoder.next_frame().unwrap() {
            assert!(found.replace(frame).is_none(), "one frame was written");
        }
    }
    assert!(!decoder.has_rest());
    found.unwrap_or_else(|| panic!("no frame came out of {} bytes", bytes.len()))
}

#[test]
fn frames_in_both_forms_give_the_values_back() {
    let rows = proptest::collection::vec(any_values(), 0..5);
    seeds::check(
        128,
        &(rows, any_values(), 1usize..200),
        |(rows, values, piece)| {
            let mutation = Mutation {
                id: Uuid::from_u128(1),
                number: 1,
                entity: "Everything".to_owned(),
                record: RecordName::Key(Key(values.clone())),
                kind: MutationKind::Update,
                values: fields(&values),
                base: fields(rows.first().unwrap_or(&values)),
                base_version: None,
                references: Vec::new(),
                group: None,
            };
            let mut set = RowSet::new(ValueType::ALL, rows.len());
            rows.iter().for_each(|row| set.push(row.clone()).unwrap());
            let page = Page {
                entity: "Everything".to_owned(),
                scope: String::new(),
                kind: PageKind::Snapshot(KeyRange {
                    after: Some(Key(values.clone())),
                    to: None,
                }),
                rows: set,
                deleted: vec![Key(values.clone())],
                removed: Vec::new(),
                created: vec![(Uuid::from_u128(2), Key(values.clone()))],
                checkpoint: Checkpoint(canonical_bytes(&values)),
                last: true,
            };
            let outcome = OutcomeFrame {
                id: Uuid::from_u128(3),
                outcome: Outcome::Conflict {
                    kind: onsync_core::mutation::ConflictKind::UpdateUpdate,
                    theirs: Some(ServerRecord {
                        key: Key(values.clone()),
                        fields: fields(&values),
                    }),
                },
            };
            for format in FORMATS {
                let RequestFrame::Mutation(found) =
                    through(format, &RequestFrame::Mutation(mutation.clone()), piece)
                else {
                    panic!("another frame")
                };
                assert_eq!(found, mutation, "{format:?}");
                let AnswerFrame::Page(found) = through(format, &AnswerFrame::Page(page.clone()), piece)
                else {
                    panic!("another frame")
                };
                assert_eq!((found.rows.len(), &found.kind), (rows.len(), &page.kind));
                assert_eq!((&found.deleted, &found.created), (&page.deleted, &page.created));
                assert_eq!(found.checkpoint, page.checkpoint);
                for (found, wanted) in found.rows.iter().zip(&rows) {
                    same(&found, wanted);
                }
                let AnswerFrame::Outcome(found) =
                    through(format, &AnswerFrame::Outcome(outcome.clone()), piece)
                else {
                    panic!("another frame")
                };
                assert_eq!(found, outcome, "{format:?}");
            }
        },
    );
}

/// Work on a file waits for nobody here.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap_or_else(|| panic!("the store waits"))
}

#[test]
fn a_device_file_gives_rows_and_their_bases_back() {
    let entity = everything();
    let schema = Schema {
        entities: vec![entity.clone()],
        relations: Vec::new(),
    };
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::from_options(SqliteStoreOptions::at(folder.path().join("device.sqlite")));
    now(store.open(&schema)).unwrap();
    let all: Vec<usize> = (0..entity.attributes.len()).collect();
    let types: Vec<ValueType> = entity
        .attributes
        .iter()
        .map(|attribute| attribute.value_type)
        .collect();
    let rows = proptest::collection::vec((any_values(), any_values()), 1..8);
    seeds::check(64, &rows, |rows| {
        let keys: Vec<Key> = (1i64..).take(rows.len()).map(Key::one).collect();
        let set = |of: &dyn Fn(&(Row, Row)) -> Row| {
            let mut set = RowSet::new(types.iter().copied(), rows.len());
            for (id, pair) in (1..).zip(&rows) {
                set.push(row(id, &of(pair))).unwrap();
            }
            set
        };
        let (pulled, edited) = (set(&|pair| pair.0.clone()), set(&|pair| pair.1.clone()));
        let mut sync = now(store.begin(Access::Sync { durable: true })).unwrap();
        now(sync.remove(&entity, &keys)).unwrap();
        now(sync.put(&entity, &all, &pulled)).unwrap();
        now(sync.commit()).unwrap();
        let mut app = now(store.begin(Access::App)).unwrap();
        now(app.put(&entity, &all, &edited)).unwrap();
        now(app.commit()).unwrap();
        let mut reader = now(store.begin(Access::Read)).unwrap();
        let found = now(reader.get(&entity, &keys)).unwrap();
        let overlays = now(reader.overlays(&entity, &keys)).unwrap();
        drop(reader);
        for (place, key) in keys.iter().enumerate() {
            same(found[place].as_ref().unwrap(), &edited.row(place));
            let overlay = overlays[place].as_ref().unwrap();
            same(overlay.base.as_ref().unwrap(), &pulled.row(place));
            let mut sync = now(store.begin(Access::Sync { durable: true })).unwrap();
            now(sync.remove_overlay(&entity, key)).unwrap();
            now(sync.commit()).unwrap();
        }
    });
}

/// A table whose columns keep what is written: see the table of types.
const TABLE: &str = "CREATE TABLE Everything (id INTEGER PRIMARY KEY, a_boolean INTEGER, a_integer INTEGER, a_decimal TEXT, a_real REAL, \
     a_text TEXT, a_date TEXT, a_time TEXT, a_timestamp TEXT, a_local_timestamp TEXT, a_uuid TEXT, a_json TEXT, a_bytes BLOB)";

#[test]
fn a_served_file_gives_rows_back() {
    let entity = everything();
    let schema = Schema {
        entities: vec![entity.clone()],
        relations: Vec::new(),
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.sqlite");
    Connection::open(&file).unwrap().execute_batch(TABLE).unwrap();
    let store = SqliteServerStore::new(SqliteServerStoreOptions::new(file));
    let all: Vec<usize> = (0..entity.attributes.len()).collect();
    seeds::check(64, &(any_values(), any_values()), |(made, changed)| {
        now(async {
            store.attach(&schema).await.unwrap();
            let key = Key::one(1i64);
            let mut tx = store.write().await.unwrap();
            if tx.get(&entity, &all, &key).await.unwrap().is_some() {
                tx.delete(&entity, &key).await.unwrap();
            }
            let record = fields(&made).with("id", 1i64);
            assert_eq!(tx.insert(&entity, &record).await.unwrap(), key);
            let found = tx.get(&entity, &all, &key).await.unwrap().unwrap();
            same(&entity.row(&found).unwrap(), &row(1, &made));
            tx.update(&entity, &key, &fields(&changed)).await.unwrap();
            tx.commit().await.unwrap();
            let mut view = store.read().await.unwrap();
            let extent = Extent {
                entity: &entity,
                attributes: &all,
                scope: "",
            };
            let limit = PageLimit {
                rows: 10,
                bytes: 1 << 20,
            };
            let page = view.snapshot(&extent, &KeyRange::all(), limit).await.unwrap();
            assert_eq!(page.rows.len(), 1);
            same(&page.rows.row(0), &row(1, &changed));
        });
    });
}

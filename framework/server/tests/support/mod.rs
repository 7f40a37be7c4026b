//! A server on the memory store, and devices that speak to it frame by frame.
#![expect(dead_code, reason = "each test file uses its part of the helpers")]

mod patterns;

use onsync_core::memory::server::MemoryServerStore;
use onsync_core::mutation::{Mutation, MutationKind, Outcome, Reference};
use onsync_core::page::{Checkpoint, Page, PageKind};
use onsync_core::pattern::SyncPattern;
use onsync_core::record::RecordName;
use onsync_core::registry::Registry;
use onsync_core::schema::{Attribute, EntitySchema, Ids, OnDelete, Relation, Schema, SoftDelete};
use onsync_core::transport::Answer;
use onsync_core::wire::{AnswerFrame, AnswerState, EntityRequest, Hello, RequestFrame};
use onsync_core::{Fields, Key, Result, Row, Value, ValueType};
use onsync_server::{Clock, Server, ServerBuilder, StaticTokens, SyncService};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

fn entity(name: &str, pattern: &str, key: &[&str], attributes: &[(&str, ValueType)]) -> EntitySchema {
    let attributes = attributes
        .iter()
        .map(|(name, value_type)| Attribute::new(*name, *value_type));
    EntitySchema::new(name, pattern, key, attributes.collect())
}

fn relation(child: &str, attribute: &str, parent: &str) -> Relation {
    Relation {
        name: format!("{child}_{attribute}"),
        child: child.to_owned(),
        attribute: attribute.to_owned(),
        parent: parent.to_owned(),
        on_delete: OnDelete::Restrict,
    }
}

pub(crate) fn schema() -> Schema {
    use ValueType::{Boolean, Integer, Text};
    let mut artist = entity(
        "Artist",
        patterns::MERGE,
        &["id"],
        &[("id", Integer), ("name", Text)],
    );
    artist.ids = Ids::Server;
    let mut album = entity(
        "Album",
        patterns::MERGE,
        &["id"],
        &[("id", Integer), ("artist_id", Integer), ("title", Text)],
    );
    album.ids = Ids::Server;
    let mut note = entity(
        "Note",
        patterns::MERGE,
        &["id"],
        &[("id", Integer), ("text", Text), ("is_active", Boolean)],
    );
    note.soft_delete = Some(SoftDelete {
        column: "is_active".to_owned(),
        value: Value::Boolean(false),
    });
    let mut company = entity(
        "Company",
        patterns::MERGE,
        &["id"],
        &[
            ("id", Integer),
            ("name", Text),
            ("city", Text),
            ("code", Text),
            ("draft", Text),
        ],
    );
    company.attributes[4].local = true;
    Schema {
        entities: vec![
            // A child before its parent on purpose: the order of the configuration decides nothing.
            entity(
                "Contact",
                patterns::MERGE,
                &["id"],
                &[("id", Integer), ("company_id", Integer), ("name", Text)],
            ),
            company,
            album,
            artist,
            entity(
                "AlbumTag",
                patterns::MERGE,
                &["album_id", "tag"],
                &[("album_id", Integer), ("tag", Text), ("weight", Integer)],
            ),
            note,
            entity(
                "Country",
                patterns::WHOLE,
                &["id"],
                &[("id", Integer), ("name", Text)],
            ),
            entity(
                "Item",
                patterns::CHANGES,
                &["id"],
                &[("id", Integer), ("name", Text)],
            ),
        ],
        relations: vec![
            relation("Contact", "company_id", "Company"),
            relation("Album", "artist_id", "Artist"),
            relation("AlbumTag", "album_id", "Album"),
        ],
    }
}

/// The patterns of the schema.
pub(crate) fn patterns() -> Registry<Arc<dyn SyncPattern>> {
    let mut patterns: Registry<Arc<dyn SyncPattern>> = Registry::new("pattern");
    let all: [Arc<dyn SyncPattern>; 3] = [
        Arc::new(patterns::Whole),
        Arc::new(patterns::Changes),
        Arc::new(patterns::Merge),
    ];
    for pattern in all {
        patterns.register(pattern.name(), pattern).unwrap();
    }
    patterns
}

/// A clock that stands until it is moved.
#[derive(Clone, Default)]
pub(crate) struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }

    fn now(&self) -> Duration {
        self.elapsed()
    }
}

/// A builder with everything but what a test is about. Tokens are user names.
pub(crate) fn builder(store: &MemoryServerStore) -> ServerBuilder {
    Server::builder()
        .schema(schema())
        .patterns(patterns())
        .store(Arc::new(store.clone()))
        .authenticator(StaticTokens::new().with("ada", "ada").with("bob", "bob"))
}

pub(crate) async fn server(store: &MemoryServerStore) -> Server {
    builder(store).build().await.unwrap()
}

/// A store with a unique company code.
pub(crate) async fn fresh() -> (MemoryServerStore, Server) {
    let store = MemoryServerStore::new(1);
    let server = server(&store).await;
    store.add_unique("Company", &["code"]).await.unwrap();
    (store, server)
}

/// A device that keeps what a test needs: its numbers, its copy and its checkpoints.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) token: &'static str,
    pub(crate) instance: Uuid,
    pub(crate) number: u64,
    pub(crate) settled_to: u64,
    pub(crate) page_rows: u32,
    pub(crate) checkpoints: BTreeMap<String, Checkpoint>,
    pub(crate) rows: BTreeMap<String, BTreeMap<Key, Row>>,
    pub(crate) created: Vec<(Uuid, Key)>,
    pub(crate) schema: Schema,
}

static NEXT: Mutex<u128> = Mutex::new(1);

pub(crate) fn unique() -> Uuid {
    let mut next = NEXT.lock().unwrap();
    *next += 1;
    Uuid::from_u128(*next)
}

impl Device {
    pub(crate) fn new(token: &'static str) -> Self {
        Self {
            token,
            instance: unique(),
            number: 0,
            settled_to: 0,
            page_rows: 100,
            checkpoints: BTreeMap::new(),
            rows: BTreeMap::new(),
            created: Vec::new(),
            schema: schema(),
        }
    }

    pub(crate) fn mutation(
        &mut self,
        kind: MutationKind,
        entity: &str,
        record: RecordName,
        values: Fields,
    ) -> Mutation {
        self.number += 1;
        Mutation {
            id: unique(),
            number: self.number,
            entity: entity.to_owned(),
            record,
            kind,
            values,
            base: Fields::new(),
            base_version: None,
            references: Vec::new(),
            group: None,
        }
    }

    pub(crate) fn create(&mut self, entity: &str, key: i64, values: Fields) -> Mutation {
        let values = values.with("id", key);
        self.mutation(
            MutationKind::Create,
            entity,
            RecordName::Key(Key::one(key)),
            values,
        )
    }

    pub(crate) fn update(&mut self, entity: &str, key: i64, values: Fields) -> Mutation {
        self.mutation(
            MutationKind::Update,
            entity,
            RecordName::Key(Key::one(key)),
            values,
        )
    }

    pub(crate) fn delete(&mut self, entity: &str, key: i64) -> Mutation {
        self.mutation(
            MutationKind::Delete,
            entity,
            RecordName::Key(Key::one(key)),
            Fields::new(),
        )
    }

    /// A create of an entity whose keys the server issues.
    pub(crate) fn create_unnamed(&mut self, entity: &str, values: Fields) -> Mutation {
        let mut mutation = self.mutation(
            MutationKind::Create,
            entity,
            RecordName::Created(Uuid::nil()),
            values,
        );
        mutation.record = RecordName::Created(mutation.id);
        mutation
    }

    pub(crate) fn hello(&self) -> RequestFrame {
        RequestFrame::Hello(Hello::new(self.instance, self.settled_to))
    }

    pub(crate) fn entity(&self, name: &str, pull: bool) -> EntityRequest {
        let entity = self.schema.entity(name).unwrap();
        EntityRequest {
            entity: name.to_owned(),
            pattern: entity.pattern.clone(),
            columns: entity.columns(),
            scope: String::new(),
            pull,
            checkpoint: self.checkpoints.get(name).cloned(),
            page_rows: self.page_rows,
            page_bytes: 1 << 20,
        }
    }

    pub(crate) fn push_frames(&self, mutations: &[Mutation]) -> Vec<RequestFrame> {
        let mut names: Vec<&str> = mutations
            .iter()
            .map(|mutation| mutation.entity.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        let entities = names
            .into_iter()
            .map(|name| RequestFrame::Entity(self.entity(name, false)));
        std::iter::once(self.hello())
            .chain(entities)
            .chain(mutations.iter().cloned().map(RequestFrame::Mutation))
            .chain([RequestFrame::End {}])
            .collect()
    }

    /// Sends mutations; the outcomes in their order.
    pub(crate) async fn push(&self, server: &Server, mutations: &[Mutation]) -> Vec<Outcome> {
        let frames = self.push_frames(mutations);
        let answer = server.sync(Some(self.token), frames).await.unwrap();
        let found: Vec<_> = all(answer)
            .await
            .into_iter()
            .filter_map(|frame| match frame {
                AnswerFrame::Outcome(frame) => Some(frame),
                _ => None,
            })
            .collect();
        let ids = |mutations: &[Mutation]| mutations.iter().map(|m| m.id).collect::<Vec<_>>();
        assert_eq!(
            found.iter().map(|frame| frame.id).collect::<Vec<_>>(),
            ids(mutations),
            "outcomes come in the order of the request"
        );
        found.into_iter().map(|frame| frame.outcome).collect()
    }

    /// Sends one mutation.
    pub(crate) async fn push_one(&self, server: &Server, mutation: &Mutation) -> Outcome {
        self.push(server, std::slice::from_ref(mutation)).await.remove(0)
    }

    pub(crate) async fn begin_pull(
        &self,
        server: &Server,
        entities: &[EntityRequest],
    ) -> Result<Box<dyn Answer>> {
        let mut frames = vec![self.hello()];
        frames.extend(entities.iter().cloned().map(RequestFrame::Entity));
        frames.push(RequestFrame::End {});
        server.sync(Some(self.token), frames).await
    }

    /// Pulls one entity to its end and keeps what came; how it ended and how many pages there were.
    pub(crate) async fn pull(&mut self, server: &Server, entity: &str) -> (AnswerState, usize) {
        let asked = self.entity(entity, true);
        let mut answer = self.begin_pull(server, &[asked]).await.unwrap();
        let (mut end, mut pages) = (None, 0);
        while let Some(frame) = answer.next().await.unwrap() {
            match frame {
                AnswerFrame::Page(page) => {
                    pages += 1;
                    self.apply(page);
                }
                AnswerFrame::Entity(answer) => end = Some(answer.state),
                _ => {}
            }
        }
        (end.expect("the entity ends"), pages)
    }

    pub(crate) fn apply(&mut self, page: Page) {
        let entity = self.schema.entity(&page.entity).unwrap();
        let rows = self.rows.entry(page.entity.clone()).or_default();
        if let PageKind::Snapshot(range) = &page.kind {
            rows.retain(|key, _| !range.contains(key));
        }
        for row in page.rows.iter() {
            let key = Key(entity
                .key
                .iter()
                .map(|name| row[entity.columns().iter().position(|c| c == name).unwrap()].clone())
                .collect());
            rows.insert(key, row);
        }
        for key in page.deleted.iter().chain(&page.removed) {
            rows.remove(key);
        }
        self.created.extend(page.created);
        self.checkpoints.insert(page.entity, page.checkpoint);
    }

    pub(crate) fn names(&self, entity: &str) -> Vec<String> {
        let rows = self.rows.get(entity).into_iter().flat_map(|rows| rows.values());
        rows.map(|row| row[1].to_string()).collect()
    }
}

pub(crate) async fn all(mut answer: Box<dyn Answer>) -> Vec<AnswerFrame> {
    let mut frames = Vec::new();
    while let Some(frame) = answer.next().await.unwrap() {
        frames.push(frame);
    }
    assert!(matches!(frames.first(), Some(AnswerFrame::Welcome(_))));
    assert!(matches!(frames.last(), Some(AnswerFrame::End {})));
    frames
}

pub(crate) fn reference(attribute: &str, created: &Mutation) -> Reference {
    Reference {
        attribute: attribute.to_owned(),
        created: created.id,
    }
}

pub(crate) fn named(name: &str) -> Fields {
    Fields::new().with("name", name)
}

/// What an outcome is, shortly: its name, or the code of its rejection.
pub(crate) fn short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Rejected(rejection) => rejection.code.clone(),
        Outcome::Retry(rejection) => format!("retry: {}", rejection.code),
        other => other.as_str().to_owned(),
    }
}

pub(crate) fn applied() -> Outcome {
    Outcome::Applied {
        key: None,
        stored: None,
        gone: false,
    }
}

/// A column of a table of the server, by key.
pub(crate) fn stored(store: &MemoryServerStore, table: &str, column: &str) -> Vec<(i64, String)> {
    store
        .contents(table)
        .unwrap()
        .into_iter()
        .map(|(key, fields)| {
            let Value::Integer(key) = key.values()[0] else {
                panic!("an integer key")
            };
            (key, fields.value(column).to_string())
        })
        .collect()
}

/// Another program writes to the server's database.
pub(crate) async fn foreign_put(store: &MemoryServerStore, table: &str, key: i64, name: &str) {
    let fields = named(name).with("id", key);
    store
        .foreign_write(|tables| tables.replace(table, &fields).map(|_| ()))
        .await
        .unwrap();
}

pub(crate) async fn foreign_delete(store: &MemoryServerStore, table: &str, key: i64) {
    store
        .foreign_write(|tables| tables.delete(table, &Key::one(key)))
        .await
        .unwrap();
}

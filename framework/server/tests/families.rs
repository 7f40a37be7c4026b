//! Rules of deletion: what deleting a record does to those that refer to it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use onsync_core::memory::server::MemoryServerStore;
use onsync_core::policy::{Authorizer, Principal};
use onsync_core::schema::{Attribute, EntitySchema, OnDelete, Relation, Schema, SoftDelete};
use onsync_core::{Fields, Key, Value, ValueType};
use onsync_server::{Server, StaticTokens};
use std::sync::Arc;
use support::{Device, patterns, short, stored};

fn entity(name: &str, pattern: &str) -> EntitySchema {
    let attributes = [
        ("id", ValueType::Integer),
        ("up", ValueType::Integer),
        ("name", ValueType::Text),
    ];
    let attributes = attributes.map(|(name, value_type)| Attribute::new(name, value_type));
    EntitySchema::new(name, pattern, &["id"], attributes.to_vec())
}

/// `Top` ← `Mid` ← `Low`, and `Top` ← `Node`, which refers to itself; `Low` travels one way only.
fn schema(rule: OnDelete) -> Schema {
    let relation = |child: &str, parent: &str, on_delete| Relation {
        name: format!("{child}_{parent}"),
        child: child.to_owned(),
        attribute: "up".to_owned(),
        parent: parent.to_owned(),
        on_delete,
    };
    let mut low = entity("Low", "whole");
    low.soft_delete = Some(SoftDelete {
        column: "gone".to_owned(),
        value: Value::Boolean(true),
    });
    low.attributes.push(Attribute::new("gone", ValueType::Boolean));
    Schema {
        entities: ["Top", "Mid", "Node"]
            .map(|name| entity(name, "merge"))
            .into_iter()
            .chain([low])
            .collect(),
        relations: vec![
            relation("Mid", "Top", rule),
            relation("Low", "Mid", OnDelete::Cascade),
            relation("Node", "Node", OnDelete::Cascade),
        ],
    }
}

struct World {
    store: MemoryServerStore,
    server: Server,
    device: Device,
}

/// Nobody may write what is named after somebody else.
struct Owners;

impl Authorizer for Owners {
    fn may_read(&self, _: &Principal, _: &EntitySchema) -> bool {
        true
    }

    fn may_write(
        &self,
        principal: &Principal,
        _: &EntitySchema,
        before: Option<&Fields>,
        after: Option<&Fields>,
    ) -> bool {
        let mut records = [before, after].into_iter().flatten();
        records.all(|record| {
            record.value("name").is_null() || *record.value("name") == Value::from(principal.user.as_str())
        })
    }
}

async fn world(rule: OnDelete) -> World {
    let store = MemoryServerStore::new(1);
    let server = Server::builder()
        .schema(schema(rule))
        .patterns(patterns())
        .store(Arc::new(store.clone()))
        .authenticator(StaticTokens::new().with("ada", "ada"))
        .authorizer(Owners)
        .build()
        .await
        .unwrap();
    let device = Device {
        schema: schema(rule),
        ..Device::new("ada")
    };
    World {
        store,
        server,
        device,
    }
}

impl World {
    async fn put(&self, table: &str, id: i64, up: Option<i64>, name: Option<&str>) {
        let mut fields = Fields::new().with("id", id).with("up", up).with("name", name);
        if table == "Low" {
            fields.set("gone", false);
        }
        self.store
            .foreign_write(|tables| tables.insert(table, &fields))
            .await
            .unwrap();
    }

    async fn delete(&mut self, entity: &str, id: i64) -> String {
        let delete = self.device.delete(entity, id);
        short(&self.device.push_one(&self.server, &delete).await)
    }

    fn ups(&self, table: &str) -> Vec<(i64, String)> {
        stored(&self.store, table, "up")
    }

    fn lows(&self) -> Vec<(i64, String)> {
        stored(&self.store, "Low", "gone")
    }
}

#[tokio::test]
async fn restrict_refuses_while_children_exist() {
    let mut world = world(OnDelete::Restrict).await;
    world.put("Top", 1, None, None).await;
    world.put("Mid", 1, Some(1), None).await;
    assert_eq!(world.delete("Top", 1).await, "delete_restricted");
    assert_eq!((world.ups("Top").len(), world.ups("Mid").len()), (1, 1));
    // Deleted in the same request, in whatever order, they are no obstacle.
    let both = [world.device.delete("Top", 1), world.device.delete("Mid", 1)];
    let outcomes = world.device.push(&world.server, &both).await;
    assert_eq!(
        outcomes.iter().map(short).collect::<Vec<_>>(),
        ["applied", "applied"]
    );
    assert_eq!((world.ups("Top").len(), world.ups("Mid").len()), (0, 0));
}

#[tokio::test]
async fn cascade_deletes_children_of_any_pattern_as_their_entity_says() {
    let mut world = world(OnDelete::Cascade).await;
    for top in [1, 2] {
        world.put("Top", top, None, None).await;
        world.put("Mid", top, Some(top), None).await;
        world.put("Low", top, Some(top), None).await;
    }
    assert_eq!(world.delete("Top", 1).await, "applied");
    assert_eq!(world.ups("Top").len(), 1);
    assert_eq!(world.ups("Mid"), [(2, "2".to_owned())]);
    // The third is read-only for devices and deleted softly: its row stays.
    assert_eq!(world.lows(), [(1, "true".to_owned()), (2, "false".to_owned())]);
}

#[tokio::test]
async fn a_cascade_of_more_children_than_are_read_at_once_is_complete() {
    let mut world = world(OnDelete::Cascade).await;
    world.put("Top", 1, None, None).await;
    for id in 1..=1_203 {
        world.put("Mid", id, Some(1), None).await;
    }
    assert_eq!(world.delete("Top", 1).await, "applied");
    assert_eq!((world.ups("Top").len(), world.ups("Mid").len()), (0, 0));
}

#[tokio::test]
async fn a_cascade_follows_self_references_to_any_depth_and_round_circles() {
    let mut world = world(OnDelete::Cascade).await;
    world.put("Node", 1, Some(3_000), None).await;
    for id in 2..=3_000 {
        world.put("Node", id, Some(id - 1), None).await;
    }
    world.put("Node", 4_000, Some(4_000), None).await;
    world.put("Node", 4_001, None, None).await;
    assert_eq!(world.delete("Node", 1_500).await, "applied");
    assert_eq!(world.ups("Node").len(), 2);
    assert_eq!(world.delete("Node", 4_000).await, "applied");
    assert_eq!(world.ups("Node"), [(4_001, "null".to_owned())]);
}

#[tokio::test]
async fn set_null_keeps_children_without_their_reference() {
    let mut world = world(OnDelete::SetNull).await;
    world.put("Top", 1, None, None).await;
    for id in 1..=700 {
        world.put("Mid", id, Some(1), None).await;
    }
    world.put("Mid", 701, Some(9), None).await;
    assert_eq!(world.delete("Top", 1).await, "applied");
    let ups = world.ups("Mid");
    assert_eq!(
        (ups.len(), ups.iter().filter(|(_, up)| up == "null").count()),
        (701, 700)
    );
}

#[tokio::test]
async fn a_child_that_may_not_be_deleted_keeps_its_whole_family() {
    for rule in [OnDelete::Cascade, OnDelete::SetNull] {
        let mut world = world(rule).await;
        world.put("Top", 1, None, Some("ada")).await;
        world.put("Mid", 1, Some(1), Some("ada")).await;
        world.put("Mid", 2, Some(1), Some("bob")).await;
        world.put("Mid", 3, Some(1), Some("ada")).await;
        let mutations = [world.device.delete("Top", 1), world.device.delete("Mid", 9)];
        let outcomes = world.device.push(&world.server, &mutations).await;
        let codes: Vec<String> = outcomes.iter().map(short).collect();
        assert_eq!(codes, ["not_allowed", "applied"], "{rule:?}");
        let wanted: Vec<(i64, String)> = (1..=3).map(|id| (id, "1".to_owned())).collect();
        assert_eq!(
            (world.ups("Mid"), world.ups("Top").len()),
            (wanted, 1),
            "{rule:?}"
        );
        // The same again is answered the same.
        let outcomes = world.device.push(&world.server, &mutations).await;
        assert_eq!(outcomes.iter().map(short).collect::<Vec<_>>(), codes);
    }
}

#[tokio::test]
async fn an_entity_on_the_same_table_has_the_same_children() {
    let mut schema = schema(OnDelete::Restrict);
    let mut summary = entity("TopSummary", "merge");
    summary.source = "Top".to_owned();
    summary.attributes.truncate(1);
    schema.entities.push(summary);
    let store = MemoryServerStore::new(1);
    let server = Server::builder()
        .schema(schema.clone())
        .patterns(patterns())
        .store(Arc::new(store.clone()))
        .authenticator(StaticTokens::new().with("ada", "ada"))
        .build()
        .await
        .unwrap();
    let device = Device {
        schema,
        ..Device::new("ada")
    };
    let mut world = World {
        store,
        server,
        device,
    };
    world.put("Top", 1, None, None).await;
    world.put("Mid", 1, Some(1), None).await;
    assert_eq!(world.delete("TopSummary", 1).await, "delete_restricted");
    assert_eq!(world.store.contents("Top").unwrap()[0].0, Key::one(1i64));
}

#[tokio::test]
async fn a_deleted_record_that_is_made_again_is_there_again() {
    let mut schema = schema(OnDelete::Cascade);
    for entity in &mut schema.entities {
        entity.pattern = "merge".to_owned();
    }
    let store = MemoryServerStore::new(1);
    let server = Server::builder()
        .schema(schema.clone())
        .patterns(patterns())
        .store(Arc::new(store.clone()))
        .authenticator(StaticTokens::new().with("ada", "ada"))
        .build()
        .await
        .unwrap();
    let device = Device {
        schema,
        ..Device::new("ada")
    };
    let mut world = World {
        store,
        server,
        device,
    };
    world.put("Low", 1, None, Some("first")).await;
    assert_eq!(world.delete("Low", 1).await, "applied");
    assert_eq!(world.lows(), [(1, "true".to_owned())]);
    let again = world.device.create("Low", 1, Fields::new().with("name", "again"));
    assert_eq!(
        short(&world.device.push_one(&world.server, &again).await),
        "applied"
    );
    assert_eq!(world.lows(), [(1, "false".to_owned())]);
    assert_eq!(stored(&world.store, "Low", "name"), [(1, "again".to_owned())]);
}

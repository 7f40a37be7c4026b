//! Record families of the scenarios: five entities below each other, with any kind of keys, and what became of them on the server.

use crate::world::*;
use onsync_core::mutation::Mutation;
use onsync_core::schema::{Attribute, EntitySchema, Ids, OnDelete, Relation, Schema};
use onsync_core::transport::{Answer, Exchange, Transport};
use onsync_core::wire::{Health, RequestFrame};
use onsync_core::{Fields, Key, Result, Value, ValueType, portable_async};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// `Company` ← `Contact` ← `Note` ← `Line`, all by attribute `up`, and `Tag` with a composite key below `Contact`.
pub(crate) fn schema(ids: Ids, key: ValueType) -> Schema {
    let entity = |name: &str| {
        let attributes = vec![
            Attribute::new("id", key),
            Attribute::new("up", key),
            Attribute::new("name", ValueType::Text),
        ];
        EntitySchema {
            ids,
            ..EntitySchema::new(name, FAMILY, &["id"], attributes)
        }
    };
    let mut tag = entity("Tag");
    tag.attributes.remove(0);
    tag.key = vec!["up".to_owned(), "name".to_owned()];
    tag.ids = Ids::Client;
    let relation = |child: &str, parent: &str| Relation {
        name: format!("{child}_{parent}"),
        child: child.to_owned(),
        attribute: "up".to_owned(),
        parent: parent.to_owned(),
        on_delete: OnDelete::Cascade,
    };
    Schema {
        entities: vec![
            entity("Line"),
            tag,
            entity("Note"),
            entity("Contact"),
            entity("Company"),
        ],
        relations: vec![
            relation("Line", "Note"),
            relation("Note", "Contact"),
            relation("Tag", "Contact"),
            relation("Contact", "Company"),
        ],
    }
}

pub(crate) fn plain() -> Schema {
    schema(Ids::Client, ValueType::Integer)
}

pub(crate) fn kinds() -> Vec<(Ids, ValueType)> {
    let client = [ValueType::Integer, ValueType::Uuid, ValueType::Text].map(|key| (Ids::Client, key));
    let server = [ValueType::Integer, ValueType::Text].map(|key| (Ids::Server, key));
    client.into_iter().chain(server).collect()
}

/// A key that the app makes, by a number; null where the server issues it.
pub(crate) fn key(schema: &Schema, number: u64) -> Value {
    let company = schema.entity("Company").unwrap();
    match (company.ids, company.attributes[0].value_type) {
        (Ids::Server, _) => Value::Null,
        (_, ValueType::Uuid) => Value::Uuid(Uuid::from_u128(u128::from(number) << 64 | 7)),
        (_, ValueType::Text) => Value::Text(format!("key {number}")),
        _ => Value::Integer(number.try_into().unwrap()),
    }
}

pub(crate) fn up(key: &Key) -> Value {
    key.values()[0].clone()
}

pub(crate) fn record(id: Value, up: Value, name: &str) -> Fields {
    Fields::new().with("id", id).with("up", up).with("name", name)
}

pub(crate) fn named(name: &str) -> Fields {
    Fields::new().with("name", name)
}

/// A company with three contacts; the first has a note with a line, and a tag. Eight records.
pub(crate) fn make_family(device: &Device, number: u64, name: &str) -> (Key, Vec<Key>) {
    let make = |entity: &str, number: u64, up: Value, name: String| {
        device.create(entity, &record(key(&device.schema, number), up, &name))
    };
    let company = make("Company", number, Value::Null, name.to_owned());
    let contacts: Vec<Key> = (1..=3)
        .map(|at| make("Contact", number + at, up(&company), format!("{name}/{at}")))
        .collect();
    let note = make("Note", number + 5, up(&contacts[0]), format!("{name}/1/note"));
    make("Line", number + 6, up(&note), format!("{name}/1/note/line"));
    device.create(
        "Tag",
        &named(&format!("{name}/1/tag")).with("up", up(&contacts[0])),
    );
    (company, contacts)
}

/// Each record on the server under its parent's name: what was made under what.
pub(crate) fn tree(world: &World) -> Vec<String> {
    let mut names: BTreeMap<(&str, Value), String> = BTreeMap::new();
    let mut found = Vec::new();
    let parents = [
        ("Company", ""),
        ("Contact", "Company"),
        ("Note", "Contact"),
        ("Line", "Note"),
        ("Tag", "Contact"),
    ];
    for (entity, parent) in parents {
        let schema = world.schema.entity(entity).unwrap();
        let (up, name) = (schema.index_of("up").unwrap(), schema.index_of("name").unwrap());
        for (key, row) in world.contents(entity) {
            let above = match parent {
                "" => String::new(),
                parent => names
                    .get(&(parent, row[up].clone()))
                    .cloned()
                    .unwrap_or_else(|| "orphan".to_owned()),
            };
            names.insert((entity, key.values()[0].clone()), row[name].to_string());
            found.push(format!("{above} > {}", row[name]));
        }
    }
    found.sort();
    found
}

pub(crate) fn whole_family(name: &str) -> Vec<String> {
    let mut wanted = vec![format!(" > {name}")];
    wanted.extend((1..=3).map(|at| format!("{name} > {name}/{at}")));
    wanted.extend([
        format!("{name}/1 > {name}/1/note"),
        format!("{name}/1 > {name}/1/tag"),
        format!("{name}/1/note > {name}/1/note/line"),
    ]);
    wanted.sort();
    wanted
}

pub(crate) fn unique_contact_names(world: &World) {
    match &world.database {
        Database::Memory(store) => world.run(store.add_unique("Contact", &["name"])).unwrap(),
        Database::Sqlite(path) => onsync_sqlite_store::rusqlite::Connection::open(path)
            .unwrap()
            .execute_batch("CREATE UNIQUE INDEX contact_name ON Contact (name)")
            .unwrap(),
    }
}

/// Keeps the mutations of each request.
pub(crate) struct Spy {
    inner: Arc<dyn Transport>,
    seen: Arc<Mutex<Vec<Vec<Mutation>>>>,
}

#[portable_async]
impl Transport for Spy {
    async fn exchange(&self, exchange: Exchange) -> Result<Box<dyn Answer>> {
        let mutations = exchange.frames.iter().filter_map(|frame| match frame {
            RequestFrame::Mutation(mutation) => Some(mutation.clone()),
            _ => None,
        });
        self.seen.lock().unwrap().push(mutations.collect());
        self.inner.exchange(exchange).await
    }

    async fn health(&self) -> Result<Health> {
        self.inner.health().await
    }
}

pub(crate) fn spy(device: &mut Device) -> Arc<Mutex<Vec<Vec<Mutation>>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    device.syncer.transport = Arc::new(Spy {
        inner: device.syncer.transport.clone(),
        seen: seen.clone(),
    });
    seen
}

//! What devices and server count: every number that is documented is counted, with its labels, and none holds what records hold.

use crate::apps::Phone;
use crate::world::*;
use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use onsync_core::handler::Parameters;
use onsync_core::metric::MetricInfo;
use onsync_core::schema::{Ids, Schema};
use onsync_core::{Fields, Key};
use onsync_testkit::fakes::Fate;
use std::collections::{BTreeMap, BTreeSet};

const SECRET: &str = "xyzzy-secret";

fn named(id: i64, name: &str) -> Fields {
    fields(id, &format!("{SECRET} {name}"), id)
}

fn update(phone: &Phone, entity: &str, id: i64, name: &str) {
    let change = Fields::new().with("name", format!("{SECRET} {name}"));
    phone.run(phone.app.update(entity, Key::one(id), change)).unwrap();
}

/// A day of an app with everything in it that is counted.
fn live() {
    let mut doubted = item(DETECTION, Ids::Client);
    doubted.name = "Doubted".to_owned();
    doubted.source = "doubted".to_owned();
    let served = Schema {
        entities: vec![item(LWW, Ids::Client), doubted.clone()],
        relations: vec![],
    };
    let world = World::new(Kind::Sqlite, served.clone());
    let phone = world.phone("counts", |config| {
        config.contexts.insert(
            "Online".to_owned(),
            onsync_engine::config::ContextSettings::default(),
        );
    });
    for id in 1..=20 {
        phone
            .run(phone.app.create("Item", named(id, "made here")))
            .unwrap();
        world.put("Doubted", &named(id, "made there"));
    }
    phone.lossy.script([Fate::DropAnswer]);
    let handle = phone.app.on_sync("Online", &Parameters::new()).unwrap();
    phone.run(handle.outcome()).into_result().unwrap();

    // Refused by the database, gone, in conflict, deleted there.
    let Database::Sqlite(path) = &world.database else {
        panic!("a file")
    };
    onsync_sqlite_store::rusqlite::Connection::open(path)
        .unwrap()
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE UPDATE ON Item WHEN NEW.name LIKE '%refused%'
             BEGIN SELECT RAISE(ABORT, 'xyzzy-secret'); END;",
        )
        .unwrap();
    for id in 1..=4 {
        update(&phone, "Item", id, if id == 1 { "refused" } else { "fine" });
    }
    update(&phone, "Item", 5, "gone");
    world.delete("Item", 5);
    world.delete("Item", 6);
    update(&phone, "Doubted", 1, "mine");
    world.put("Doubted", &named(1, "theirs"));
    let _ = phone.outcome("Online");

    // An app that knows an entity the server does not.
    let mut wide = World::new(Kind::Memory, {
        let mut schema = served;
        schema.entities.push({
            doubted.name = format!("{SECRET} entity");
            doubted
        });
        schema
    });
    (wide.service, wide.runtime) = (world.service.clone(), world.runtime.clone());
    let other = wide.phone("wide", |_| {});
    let _ = other.outcome("");
}

type Counted = BTreeMap<String, (MetricKind, BTreeSet<Vec<(String, String)>>, f64)>;

fn counted() -> Counted {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, live);
    let mut counted = Counted::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let (kind, key) = key.into_parts();
        let labels = key
            .labels()
            .map(|label| (label.key().to_owned(), label.value().to_owned()));
        let value = match value {
            // Small counts.
            DebugValue::Counter(count) => f64::from(u32::try_from(count).unwrap()),
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(values) => f64::from(u32::try_from(values.len()).unwrap()),
        };
        let entry = counted
            .entry(key.name().to_owned())
            .or_insert((kind, BTreeSet::new(), 0.0));
        entry.1.insert(labels.collect());
        entry.2 += value;
    }
    counted
}

fn kind_of(info: &MetricInfo) -> MetricKind {
    match info.kind {
        onsync_core::metric::MetricKind::Counter => MetricKind::Counter,
        onsync_core::metric::MetricKind::Gauge => MetricKind::Gauge,
        onsync_core::metric::MetricKind::Histogram => MetricKind::Histogram,
    }
}

#[test]
fn what_is_documented_is_counted_and_nothing_else() {
    let counted = counted();
    let table: BTreeMap<&str, &MetricInfo> = onsync_engine::METRICS
        .iter()
        .chain(onsync_server::METRICS)
        .map(|info| (info.name, *info))
        .collect();
    let found: BTreeSet<&str> = counted.keys().map(String::as_str).collect();
    let wanted: BTreeSet<&str> = table.keys().copied().collect();
    assert_eq!(found, wanted, "counted (left), and in the table (right)");
    for (name, (kind, labels, _)) in &counted {
        let info = table[name.as_str()];
        assert_eq!(*kind, kind_of(info), "{name}");
        for labels in labels {
            let names: Vec<&str> = labels.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, info.labels, "{name}");
            let leak = labels
                .iter()
                .find(|(_, value)| value.contains("xyzzy") || value.contains(|c: char| c.is_ascii_digit()));
            assert_eq!(leak, None, "{name}: a label that holds a value or an id");
        }
    }
}

#[test]
fn the_numbers_are_those_of_what_happened() {
    let counted = counted();
    let total = |name: &str| counted[name].2;
    let has = |name: &str, label: &str, value: &str| {
        let wanted = (label.to_owned(), value.to_owned());
        counted[name].1.iter().any(|labels| labels.contains(&wanted))
    };
    assert_eq!(total("onsync_device_retries_total"), 1.0, "one answer was lost");
    assert_eq!(total("onsync_server_receipts_total"), 20.0 + 20.0 + 6.0);
    for outcome in ["completed", "failed"] {
        assert!(
            has("onsync_device_syncs_ended_total", "outcome", outcome),
            "{outcome}"
        );
    }
    for outcome in ["applied", "rejected", "gone", "conflict"] {
        assert!(
            has("onsync_server_mutations_total", "outcome", outcome),
            "{outcome}"
        );
    }
    for context in ["Online", ""] {
        assert!(
            has("onsync_device_syncs_started_total", "context", context),
            "{context}"
        );
    }
    assert_eq!(
        total("onsync_device_syncs_started_total"),
        total("onsync_device_syncs_ended_total")
    );
}

//! The bin: what a device's change replaced without having seen it is kept, and comes back.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use onsync_core::bin::BinLimit;
use onsync_core::memory::server::MemoryServerStore;
use onsync_core::mutation::{Mutation, Outcome};
use onsync_core::record::Version;
use onsync_core::{Fields, Key};
use onsync_server::{Limits, Server, ServerBinFilter};
use std::time::Duration;
use support::{Device, TestClock, applied, builder, foreign_delete, foreign_put, fresh, named, stored};
use uuid::Uuid;

const DAY: u64 = 86_400;

/// A company as all columns of a device see it.
fn company(name: &str) -> Version {
    let schema = support::schema();
    let entity = schema.entity("Company").unwrap();
    let record = Fields::new().with("id", 1i64).with("name", name);
    let columns = entity.columns();
    Version::of(columns.iter().map(|name| (name.as_str(), record.value(name))))
}

/// An update of the company's name by a device that had seen another one.
fn rename(device: &mut Device, seen: &str, name: &str) -> Mutation {
    Mutation {
        base: named(seen),
        base_version: Some(company(seen)),
        ..device.update("Company", 1, named(name))
    }
}

async fn bin(server: &Server) -> Vec<onsync_server::ServerBinEntry> {
    server.bin(&ServerBinFilter::default()).await.unwrap()
}

#[tokio::test]
async fn what_was_seen_is_not_kept() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Company", 1, "first").await;
    let mut ada = Device::new("ada");
    let update = rename(&mut ada, "first", "second");
    assert_eq!(ada.push_one(&server, &update).await, applied());
    let delete = Mutation {
        base_version: Some(company("second")),
        ..ada.delete("Company", 1)
    };
    assert_eq!(ada.push_one(&server, &delete).await, applied());
    assert!(bin(&server).await.is_empty());
}

#[tokio::test]
async fn what_was_overwritten_unseen_is_kept_with_who_did_it_and_comes_back() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Company", 1, "first").await;
    let (mut ada, mut bob) = (Device::new("ada"), Device::new("bob"));
    let of_ada = rename(&mut ada, "first", "by ada");
    let of_bob = rename(&mut bob, "first", "by bob");
    ada.push_one(&server, &of_ada).await;
    bob.push_one(&server, &of_bob).await;
    // A repetition keeps nothing twice.
    bob.push_one(&server, &of_bob).await;
    let kept = bin(&server).await;
    assert_eq!(kept.len(), 1, "{kept:?}");
    let entry = &kept[0];
    assert_eq!(
        (
            entry.entity.as_str(),
            entry.by.as_str(),
            entry.mutation,
            entry.deleted
        ),
        ("Company", "bob", of_bob.id, false)
    );
    assert_eq!((&entry.key, &entry.values), (&Key::one(1i64), &named("by ada")));
    assert_eq!(server.bin_entry(entry.id).await.unwrap(), *entry);

    ada.pull(&server, "Company").await;
    assert_eq!(server.restore(entry.id).await.unwrap(), Key::one(1i64));
    assert_eq!(stored(&store, "Company", "name"), [(1, "by ada".to_owned())]);
    ada.pull(&server, "Company").await;
    assert_eq!(ada.names("Company"), ["by ada"], "every device gets it");
    assert!(bin(&server).await.is_empty());
    let again = server.restore(entry.id).await.unwrap_err();
    assert_eq!(again.code(), "bin_entry_missing");
}

#[tokio::test]
async fn an_attribute_that_only_one_changed_is_not_lost() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Company", 1, "first").await;
    let mut ada = Device::new("ada");
    let city = Mutation {
        base: Fields::new().with("city", onsync_core::Value::Null),
        base_version: Some(company("before the first")),
        ..ada.update("Company", 1, Fields::new().with("city", "Oslo"))
    };
    assert_eq!(ada.push_one(&server, &city).await, applied());
    assert!(bin(&server).await.is_empty());
}

#[tokio::test]
async fn a_record_deleted_though_it_changed_comes_back_whole() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Company", 1, "first").await;
    let mut ada = Device::new("ada");
    let delete = Mutation {
        base_version: Some(company("as ada saw it")),
        ..ada.delete("Company", 1)
    };
    assert_eq!(ada.push_one(&server, &delete).await, applied());
    let kept = bin(&server).await;
    assert!(kept[0].deleted);
    assert_eq!(server.restore(kept[0].id).await.unwrap(), Key::one(1i64));
    assert_eq!(stored(&store, "Company", "name"), [(1, "first".to_owned())]);
    assert!(bin(&server).await.is_empty());
}

#[tokio::test]
async fn a_part_of_a_record_that_is_gone_cannot_be_restored() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Company", 1, "first").await;
    let mut ada = Device::new("ada");
    let update = rename(&mut ada, "as ada saw it", "by ada");
    ada.push_one(&server, &update).await;
    foreign_delete(&store, "Company", 1).await;
    let kept = bin(&server).await;
    let refused = server.restore(kept[0].id).await.unwrap_err();
    assert_eq!(refused.code(), "bin_entry_incomplete");
    assert!(refused.message().contains("name"), "{refused}");
    assert_eq!(bin(&server).await, kept, "it stays");
    let missing = server.restore(Uuid::nil()).await.unwrap_err();
    assert_eq!(missing.code(), "bin_entry_missing");
}

#[tokio::test]
async fn an_undone_change_keeps_nothing() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Company", 1, "first").await;
    foreign_put(&store, "Company", 2, "taken").await;
    store.add_unique("Company", &["name"]).await.unwrap();
    let mut ada = Device::new("ada");
    let update = rename(&mut ada, "as ada saw it", "taken");
    let outcome = ada.push_one(&server, &update).await;
    assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    assert!(bin(&server).await.is_empty());
}

/// A server whose bin holds as much, and devices that overwrite one name `times` times, a day apart.
async fn overwritten(limits: Limits, times: u64) -> (Server, TestClock) {
    let store = MemoryServerStore::new(1);
    let clock = TestClock::default();
    clock.advance(1_000 * DAY);
    let server = builder(&store)
        .clock(clock.clone())
        .limits(limits)
        .build()
        .await
        .unwrap();
    foreign_put(&store, "Company", 1, "first").await;
    let mut ada = Device::new("ada");
    for time in 0..times {
        let update = rename(&mut ada, "as ada saw it", &format!("name {time}"));
        ada.push_one(&server, &update).await;
        clock.advance(DAY);
    }
    (server, clock)
}

#[tokio::test]
async fn the_bin_keeps_its_time() {
    let limits = Limits {
        bin_keep: Duration::from_secs(3 * DAY),
        ..Limits::default()
    };
    let (server, clock) = overwritten(limits, 5).await;
    assert_eq!(bin(&server).await.len(), 5);
    server.maintain(Duration::from_secs(90 * DAY)).await.unwrap();
    let left = bin(&server).await;
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(left[0].values, named("name 1"));
    clock.advance(4 * DAY);
    server.maintain(Duration::from_secs(90 * DAY)).await.unwrap();
    assert!(bin(&server).await.is_empty());
}

#[tokio::test]
async fn an_entity_has_a_time_and_a_size_of_its_own() {
    let left_with = async |limit: BinLimit| {
        let bins = |name: &str| [(name.to_owned(), limit)].into_iter().collect();
        let mut left = Vec::new();
        for name in ["Company", "Item"] {
            let limits = Limits {
                bins: bins(name),
                ..Limits::default()
            };
            let (server, _clock) = overwritten(limits, 5).await;
            server.maintain(Duration::from_secs(90 * DAY)).await.unwrap();
            left.push(bin(&server).await.len());
        }
        left
    };
    let short = BinLimit {
        keep: Some(Duration::from_secs(3 * DAY)),
        max_bytes: None,
    };
    assert_eq!(left_with(short).await, [3, 5], "of that entity alone");
    let small = BinLimit {
        keep: None,
        max_bytes: Some(1),
    };
    assert_eq!(left_with(small).await, [0, 5], "of that entity alone");
}

#[tokio::test]
async fn the_bin_keeps_its_size_and_can_be_emptied() {
    let limits = Limits {
        bin_bytes: 500,
        ..Limits::default()
    };
    let (server, _clock) = overwritten(limits, 20).await;
    server.maintain(Duration::from_secs(90 * DAY)).await.unwrap();
    let left = bin(&server).await;
    assert!((1..5).contains(&left.len()), "{}", left.len());
    assert_eq!(left.last().unwrap().values, named("name 18"), "the oldest left");
    let none = ServerBinFilter {
        entity: Some("Item".to_owned()),
        ..ServerBinFilter::default()
    };
    assert_eq!(server.empty_bin(&none).await.unwrap(), 0);
    let newest = ServerBinFilter {
        since: Some(left.last().unwrap().at),
        ..ServerBinFilter::default()
    };
    assert_eq!(server.bin(&newest).await.unwrap().len(), 1);
    assert_eq!(
        server.empty_bin(&ServerBinFilter::default()).await.unwrap(),
        left.len() as u64
    );
    assert!(bin(&server).await.is_empty());
}

/// What goes with a record was not seen by the device that deleted it, which deletes first what it knows.
#[tokio::test]
async fn children_that_go_with_their_parent_are_kept_too() {
    let store = MemoryServerStore::new(1);
    let mut schema = support::schema();
    for relation in &mut schema.relations {
        relation.on_delete = onsync_core::schema::OnDelete::Cascade;
    }
    let server = builder(&store).schema(schema).build().await.unwrap();
    foreign_put(&store, "Company", 1, "first").await;
    let mut ada = Device::new("ada");
    let contact = ada.create("Contact", 5, named("unseen").with("company_id", 1i64));
    assert_eq!(ada.push_one(&server, &contact).await, applied());
    let mut bob = Device::new("bob");
    let delete = Mutation {
        base_version: Some(company("first")),
        ..bob.delete("Company", 1)
    };
    assert_eq!(bob.push_one(&server, &delete).await, applied());
    let kept = bin(&server).await;
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!((kept[0].entity.as_str(), kept[0].deleted), ("Contact", true));
    assert_eq!(kept[0].values.value("name"), &"unseen".into());
    let orphan = server.restore(kept[0].id).await.unwrap_err();
    assert_eq!(orphan.code(), "parent_missing");
    foreign_put(&store, "Company", 1, "again").await;
    assert_eq!(server.restore(kept[0].id).await.unwrap(), Key::one(5i64));
}

#[tokio::test]
async fn a_refused_delete_keeps_nothing() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Company", 1, "first").await;
    let mut ada = Device::new("ada");
    let contact = ada.create("Contact", 5, named("of it").with("company_id", 1i64));
    ada.push_one(&server, &contact).await;
    let delete = ada.delete("Company", 1);
    let outcome = ada.push_one(&server, &delete).await;
    assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    assert!(bin(&server).await.is_empty());
}

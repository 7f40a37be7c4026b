//! What a pattern that merges decides, carried out: the table, soft deletes, and what the server stores differently.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use onsync_core::mutation::{MutationKind, Outcome, ServerRecord};
use onsync_core::record::Version;
use onsync_core::wire::AnswerState;
use onsync_core::{Fields, Value};
use support::{Device, applied, foreign_delete, foreign_put, fresh, named, short, stored};

#[tokio::test]
async fn the_table() {
    use MutationKind::{Create, Delete, Update};
    let cases = [
        (Create, false, "applied", vec![(1, "mine")]),
        (Create, true, "applied", vec![(1, "mine")]),
        (Update, false, "gone", vec![]),
        (Update, true, "applied", vec![(1, "mine")]),
        (Delete, false, "applied", vec![]),
        (Delete, true, "applied", vec![]),
    ];
    for (kind, there, outcome, left) in cases {
        let (store, server) = fresh().await;
        if there {
            foreign_put(&store, "Company", 1, "theirs").await;
        }
        let mut device = Device::new("ada");
        let mutation = match kind {
            Create => device.create("Company", 1, named("mine")),
            Update => device.update("Company", 1, named("mine")),
            Delete => device.delete("Company", 1),
        };
        assert_eq!(
            short(&device.push_one(&server, &mutation).await),
            outcome,
            "{kind:?} {there}"
        );
        let left: Vec<_> = left
            .into_iter()
            .map(|(key, name)| (key, name.to_owned()))
            .collect();
        assert_eq!(stored(&store, "Company", "name"), left, "{kind:?} {there}");
    }
}

#[tokio::test]
async fn the_last_push_wins_per_attribute() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Company", 1, "Acme").await;
    let (mut ada, mut bob) = (Device::new("ada"), Device::new("bob"));
    ada.pull(&server, "Company").await;
    bob.pull(&server, "Company").await;
    let city = ada.update("Company", 1, Fields::new().with("city", "Oslo"));
    let both = bob.update("Company", 1, named("Acme Ltd").with("code", "A"));
    let name = ada.update("Company", 1, named("Acme Inc"));
    assert_eq!(ada.push_one(&server, &city).await, applied());
    assert_eq!(bob.push_one(&server, &both).await, applied());
    assert_eq!(ada.push_one(&server, &name).await, applied());
    for device in [&mut ada, &mut bob] {
        device.pull(&server, "Company").await;
        let row = device.rows["Company"].values().next().unwrap().clone();
        let texts: Vec<String> = row.iter().map(Value::to_string).collect();
        assert_eq!(texts, ["1", "Acme Inc", "Oslo", "A"]);
    }
    // A delete removes the record whatever was accepted before it; a later update finds it gone.
    let delete = bob.delete("Company", 1);
    assert_eq!(bob.push_one(&server, &delete).await, applied());
    let late = ada.update("Company", 1, named("late"));
    assert_eq!(ada.push_one(&server, &late).await, Outcome::Gone);
    ada.pull(&server, "Company").await;
    assert!(ada.rows["Company"].is_empty() && stored(&store, "Company", "name").is_empty());
}

#[tokio::test]
async fn a_soft_delete_marks_the_row_and_is_a_deletion_for_devices() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let create = device.create("Note", 1, Fields::new().with("text", "hello"));
    let outcome = device.push_one(&server, &create).await;
    // The database filled a column the device left empty: it is told.
    let Outcome::Applied {
        stored: Some(ServerRecord { fields, .. }),
        ..
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert!(fields.get::<bool>("is_active").unwrap());
    let mut other = Device::new("bob");
    other.pull(&server, "Note").await;
    assert_eq!(other.names("Note"), ["hello"]);
    let delete = device.delete("Note", 1);
    assert_eq!(device.push_one(&server, &delete).await, applied());
    assert_eq!(stored(&store, "Note", "is_active"), [(1, "false".to_owned())]);
    other.pull(&server, "Note").await;
    assert!(other.names("Note").is_empty());
    let update = other.update("Note", 1, Fields::new().with("text", "late"));
    assert_eq!(other.push_one(&server, &update).await, Outcome::Gone);
    assert_eq!(
        device.push_one(&server, &create).await,
        Outcome::Applied {
            key: None,
            stored: None,
            gone: true
        }
    );
    // Setting the mark as an attribute is a deletion too.
    let create = device.create("Note", 2, Fields::new().with("text", "x").with("is_active", true));
    let mark = device.update("Note", 2, Fields::new().with("is_active", false));
    assert_eq!(device.push_one(&server, &create).await, applied());
    assert!(matches!(
        device.push_one(&server, &mark).await,
        Outcome::Applied { gone: true, .. }
    ));
    let mut fresh = Device::new("bob");
    assert_eq!(fresh.pull(&server, "Note").await.0, AnswerState::Complete);
    assert!(fresh.names("Note").is_empty());
}

#[tokio::test]
async fn the_record_comes_back_only_where_the_device_could_not_know_it() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Company", 1, "Acme").await;
    let mut device = Device::new("ada");
    let base = Fields::new().with("id", 1i64).with("name", "Acme");
    let columns = ["id", "name", "city", "code"];
    let version = Version::of(columns.map(|name| (name, base.value(name))));
    let mut update = device.update("Company", 1, Fields::new().with("city", "Oslo"));
    update.base_version = Some(version);
    assert_eq!(
        device.push_one(&server, &update).await,
        applied(),
        "base and sent values, no more"
    );
    // The record was changed since the base: what else changed comes with the pull.
    let mut stale = device.update("Company", 1, Fields::new().with("code", "A"));
    stale.base_version = Some(version);
    assert_eq!(device.push_one(&server, &stale).await, applied());
    // A create that met a record: the device expects nothing where it sent nothing.
    let create = device.create("Company", 1, named("mine"));
    let outcome = device.push_one(&server, &create).await;
    let Outcome::Applied {
        stored: Some(record), ..
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(record.fields.get::<String>("city").unwrap(), "Oslo");
    foreign_delete(&store, "Company", 1).await;
}

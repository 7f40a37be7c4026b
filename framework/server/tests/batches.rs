//! Many mutations in one request: one bad one never stops the others, groups stand or fall together.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use onsync_core::memory::faults::StoreStep;
use onsync_core::memory::server::{ForeignKey, MemoryServerStore};
use onsync_core::mutation::Outcome;
use onsync_core::{Error, Fields};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::{Device, applied, builder, foreign_put, fresh, named, short, stored, unique};

fn coded(name: &str, code: &str) -> Fields {
    named(name).with("code", code)
}

#[tokio::test]
async fn of_a_hundred_mutations_the_fiftieth_alone_is_rejected() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let mutations: Vec<_> = (1..=100)
        .map(|key| {
            let code = if key == 50 {
                "code 7".to_owned()
            } else {
                format!("code {key}")
            };
            device.create("Company", key, coded(&format!("name {key}"), &code))
        })
        .collect();
    let outcomes = device.push(&server, &mutations).await;
    for (index, outcome) in outcomes.iter().enumerate() {
        let wanted = if index == 49 {
            "constraint_violated"
        } else {
            "applied"
        };
        assert_eq!(short(outcome), wanted, "number {}", index + 1);
    }
    assert_eq!(stored(&store, "Company", "name").len(), 99);
    // It may be mended under a new id.
    let mended = device.create("Company", 50, coded("name 50", "code 50"));
    assert_eq!(device.push_one(&server, &mended).await, applied());
    assert_eq!(stored(&store, "Company", "name").len(), 100);
}

#[tokio::test]
async fn every_place_of_the_culprit_is_found() {
    for size in 1..=9 {
        for culprit in 1..=size {
            let (store, server) = fresh().await;
            foreign_put(&store, "Company", 1000, "there").await;
            let code = Fields::new().with("code", "taken");
            store
                .foreign_write(|tables| tables.update("Company", &1000i64.into(), &code))
                .await
                .unwrap();
            let mut device = Device::new("ada");
            let mutations: Vec<_> = (1..=size)
                .map(|key| {
                    let code = if key == culprit {
                        "taken".to_owned()
                    } else {
                        key.to_string()
                    };
                    device.create("Company", key, coded("name", &code))
                })
                .collect();
            let outcomes = device.push(&server, &mutations).await;
            let refused = outcomes
                .iter()
                .filter(|outcome| short(outcome) == "constraint_violated")
                .count();
            assert_eq!(
                (refused, stored(&store, "Company", "name").len() as i64),
                (1, size)
            );
        }
    }
}

#[tokio::test]
async fn a_group_stands_or_falls_together_and_others_go_on() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let group = Some(unique());
    let mut mutations = vec![
        device.create("Company", 1, coded("one", "1")),
        device.create("Company", 2, coded("two", "2")),
        device.create("Company", 3, coded("three", "1")),
        device.create("Company", 4, coded("four", "4")),
    ];
    mutations[1].group = group;
    mutations[2].group = group;
    let outcomes = device.push(&server, &mutations).await;
    let codes: Vec<String> = outcomes.iter().map(short).collect();
    assert_eq!(
        codes,
        ["applied", "group_failed", "constraint_violated", "applied"]
    );
    assert_eq!(stored(&store, "Company", "name").len(), 2);
    // The same again is answered the same.
    let codes: Vec<String> = device.push(&server, &mutations).await.iter().map(short).collect();
    assert_eq!(
        codes,
        ["applied", "group_failed", "constraint_violated", "applied"]
    );
}

#[tokio::test]
async fn a_group_with_a_gone_record_is_not_applied_in_part() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let group = Some(unique());
    let mut mutations = vec![
        device.create("Company", 1, coded("one", "1")),
        device.update("Company", 2, coded("two", "2")),
    ];
    for mutation in &mut mutations {
        mutation.group = group;
    }
    let codes: Vec<String> = device.push(&server, &mutations).await.iter().map(short).collect();
    assert_eq!(codes, ["group_failed", "gone"]);
    assert!(stored(&store, "Company", "name").is_empty());
}

#[tokio::test]
async fn a_commit_that_fails_is_halved_too() {
    let (store, server) = fresh().await;
    store
        .add_foreign_key(ForeignKey {
            child: "Item".to_owned(),
            column: "id".to_owned(),
            parent: "Company".to_owned(),
            on_delete: onsync_core::schema::OnDelete::Restrict,
            deferred: true,
        })
        .await
        .unwrap();
    foreign_put(&store, "Company", 5, "five").await;
    foreign_put(&store, "Item", 5, "refers").await;
    let mut device = Device::new("ada");
    let mutations = vec![
        device.create("Company", 1, coded("one", "1")),
        device.delete("Company", 5),
        device.create("Company", 2, coded("two", "2")),
    ];
    let codes: Vec<String> = device.push(&server, &mutations).await.iter().map(short).collect();
    assert_eq!(codes, ["applied", "constraint_violated", "applied"]);
    assert_eq!(stored(&store, "Company", "name").len(), 3);
}

#[tokio::test]
async fn what_may_pass_is_sent_again_and_not_remembered() {
    let store = MemoryServerStore::new(1);
    let busy = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&busy);
    let failing = store.clone().with_faults(Arc::new(move |step: &StoreStep| {
        (switch.load(Ordering::SeqCst) && step.name == "insert")
            .then(|| Error::busy("store_busy", "somebody else writes"))
    }));
    let server = builder(&failing).build().await.unwrap();
    let mut device = Device::new("ada");
    let mutations = vec![
        device.create("Company", 1, coded("one", "1")),
        device.create("Company", 2, coded("two", "2")),
    ];
    let codes: Vec<String> = device.push(&server, &mutations).await.iter().map(short).collect();
    assert_eq!(codes, ["retry: store_busy", "retry: store_busy"]);
    assert!(stored(&store, "Company", "name").is_empty());
    busy.store(false, Ordering::SeqCst);
    assert_eq!(device.push(&server, &mutations).await, [applied(), applied()]);
}

#[tokio::test]
async fn a_fault_of_the_server_is_nobodys_rejection() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Company", 1, "one").await;
    store
        .foreign_write(|tables| {
            tables.write_anything("Company", &1i64.into(), "city", onsync_core::Value::Integer(7))
        })
        .await
        .unwrap();
    let mut device = Device::new("ada");
    let mutations = vec![
        device.update("Company", 1, named("changed")),
        device.create("Company", 2, named("two")),
    ];
    let outcomes = device.push(&server, &mutations).await;
    assert!(matches!(&outcomes[0], Outcome::Retry(_)), "{:?}", outcomes[0]);
    assert_eq!(outcomes[1], applied());
}

#[tokio::test]
async fn parents_come_first_and_are_deleted_last_whatever_the_order() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let mutations = vec![
        device.create("Contact", 1, named("Ann").with("company_id", 7i64)),
        device.create("Company", 7, named("Acme")),
    ];
    assert_eq!(device.push(&server, &mutations).await, [applied(), applied()]);
    store
        .add_foreign_key(ForeignKey {
            child: "Contact".to_owned(),
            column: "company_id".to_owned(),
            parent: "Company".to_owned(),
            on_delete: onsync_core::schema::OnDelete::Restrict,
            deferred: false,
        })
        .await
        .unwrap();
    let mutations = vec![device.delete("Company", 7), device.delete("Contact", 1)];
    assert_eq!(device.push(&server, &mutations).await, [applied(), applied()]);
    assert!(stored(&store, "Company", "name").is_empty());
}

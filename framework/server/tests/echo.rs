//! What a device changed itself is not sent back to it, as long as it has it exactly so.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use onsync_core::mutation::{Mutation, Outcome};
use onsync_core::page::Page;
use onsync_core::record::Version;
use onsync_core::wire::{AnswerFrame, RequestFrame};
use onsync_core::{Key, Value};
use onsync_server::{Server, SyncService as _};
use support::{Device, all, applied, foreign_put, fresh, named, schema, stored};

/// An update that says which content it is based on.
fn based(device: &mut Device, entity: &str, key: i64, name: &str) -> Mutation {
    let mut mutation = device.update(entity, key, named(name));
    let row = &device.rows[entity][&Key::one(key)];
    let columns = schema().entity(entity).unwrap().columns();
    mutation.base_version = Some(Version::of(columns.iter().map(String::as_str).zip(row)));
    mutation
}

/// Sends mutations of an entity and pulls it in one request, as devices do.
async fn sync(
    device: &mut Device,
    server: &Server,
    entity: &str,
    mutations: &[Mutation],
) -> (Vec<Outcome>, Vec<Page>) {
    let mut frames = vec![device.hello(), RequestFrame::Entity(device.entity(entity, true))];
    frames.extend(mutations.iter().cloned().map(RequestFrame::Mutation));
    frames.push(RequestFrame::End {});
    let (mut outcomes, mut pages) = (Vec::new(), Vec::new());
    for frame in all(server.sync(Some(device.token), frames).await.unwrap()).await {
        match frame {
            AnswerFrame::Outcome(frame) => outcomes.push(frame.outcome),
            AnswerFrame::Page(page) => pages.push(page),
            _ => {}
        }
    }
    for (mutation, outcome) in mutations.iter().zip(&outcomes) {
        if *outcome == applied() {
            as_sent(device, mutation);
        }
    }
    for page in &pages {
        device.apply(page.clone());
    }
    (outcomes, pages)
}

/// What a device does with an outcome: its copy is as it sent it.
fn as_sent(device: &mut Device, mutation: &Mutation) {
    let columns = schema().entity(&mutation.entity).unwrap().columns();
    let rows = device.rows.get_mut(&mutation.entity).unwrap();
    for row in rows.values_mut().filter(|row| match &mutation.record {
        onsync_core::record::RecordName::Key(key) => row[0] == key.0[0],
        onsync_core::record::RecordName::Created(_) => false,
    }) {
        for (at, name) in columns.iter().enumerate() {
            if mutation.values.has(name) {
                row[at] = mutation.values.value(name).clone();
            }
        }
    }
}

fn rows(pages: &[Page]) -> Vec<Value> {
    pages
        .iter()
        .flat_map(|page| page.rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>())
        .collect()
}

#[tokio::test]
async fn a_plain_change_is_not_sent_back_and_foreign_ones_are() {
    let (store, server) = fresh().await;
    for key in 1..=4 {
        foreign_put(&store, "Company", key, "old").await;
    }
    let mut device = Device::new("ada");
    device.pull(&server, "Company").await;
    let mine: Vec<_> = (1..=3)
        .map(|key| based(&mut device, "Company", key, "mine"))
        .collect();
    foreign_put(&store, "Company", 4, "theirs").await;
    let (outcomes, pages) = sync(&mut device, &server, "Company", &mine).await;
    assert!(outcomes.iter().all(|outcome| *outcome == applied()));
    assert_eq!(rows(&pages), [Value::Integer(4)]);
    assert_eq!(device.names("Company"), ["mine", "mine", "mine", "theirs"]);
    // The checkpoint covers what was left out, and later changes to the same records arrive.
    assert_eq!(sync(&mut device, &server, "Company", &[]).await.1.len(), 0);
    foreign_put(&store, "Company", 2, "later").await;
    let (_, pages) = sync(&mut device, &server, "Company", &[]).await;
    assert_eq!(rows(&pages), [Value::Integer(2)]);
}

#[tokio::test]
async fn a_change_on_another_base_brings_the_record() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Company", 1, "old").await;
    let mut device = Device::new("ada");
    device.pull(&server, "Company").await;
    let mut mine = device.update("Company", 1, named("mine"));
    assert_eq!(
        sync(&mut device, &server, "Company", &[mine]).await.1[0]
            .rows
            .len(),
        1
    );
    mine = based(&mut device, "Company", 1, "again");
    foreign_put(&store, "Company", 1, "between").await;
    let (_, pages) = sync(&mut device, &server, "Company", &[mine]).await;
    assert_eq!(rows(&pages), [Value::Integer(1)]);
    assert_eq!(
        device.names("Company"),
        [stored(&store, "Company", "name")[0].1.clone()]
    );
}

#[tokio::test]
async fn a_repeated_change_brings_the_record_and_so_does_one_changed_twice() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Company", 1, "old").await;
    let mut device = Device::new("ada");
    device.pull(&server, "Company").await;
    let first = based(&mut device, "Company", 1, "first");
    // The answer to this is lost.
    device.push_one(&server, &first).await;
    let (_, pages) = sync(&mut device, &server, "Company", &[first]).await;
    assert_eq!(rows(&pages), [Value::Integer(1)]);
    let plain = based(&mut device, "Company", 1, "second");
    let blind = device.update("Company", 1, named("third"));
    let (_, pages) = sync(&mut device, &server, "Company", &[plain, blind]).await;
    assert_eq!(rows(&pages), [Value::Integer(1)]);
    assert_eq!(device.names("Company"), ["third"]);
}

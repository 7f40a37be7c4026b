//! Checkpoints over any history: whatever was written, pruned and read in pieces, every checkpoint ever issued leads to what the server holds.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

#[path = "../../onsync/tests/promises/seeds.rs"]
mod seeds;
mod support;

use onsync_core::memory::server::MemoryServerStore;
use onsync_core::store::server::ServerStore as _;
use onsync_core::wire::{AnswerFrame, AnswerState};
use onsync_server::Server;
use proptest::prelude::*;
use support::{Device, foreign_delete, foreign_put, fresh, stored};

/// A set that comes whole, and two whose changes come.
const ENTITIES: [&str; 3] = ["Country", "Item", "Company"];

#[derive(Clone, Debug)]
enum Act {
    /// Another program writes, or deletes, the record with this key.
    Put(i64),
    Delete(i64),
    /// The device reads so many pages of this size, and then the answer breaks off.
    Pull(u32, usize),
    /// So much of what was deleted is forgotten.
    Prune(u64),
    /// What the device has is kept, to go on from later.
    Copy,
}

fn act() -> impl Strategy<Value = Act> {
    let key = 1..10i64;
    prop_oneof![
        5 => key.clone().prop_map(Act::Put),
        3 => key.prop_map(Act::Delete),
        4 => (1..4u32, 1..6usize).prop_map(|(rows, pages)| Act::Pull(rows, pages)),
        1 => (0..30u64).prop_map(Act::Prune),
        2 => Just(Act::Copy),
    ]
}

async fn pull_some(device: &mut Device, server: &Server, entity: &str, pages: usize) {
    let asked = device.entity(entity, true);
    let mut answer = device.begin_pull(server, &[asked]).await.unwrap();
    let mut seen = 0;
    while let Some(frame) = answer.next().await.unwrap() {
        if let AnswerFrame::Page(page) = frame {
            device.apply(page);
            seen += 1;
        }
        if seen == pages {
            return;
        }
    }
}

fn there(store: &MemoryServerStore, entity: &str) -> Vec<String> {
    stored(store, entity, "name")
        .into_iter()
        .map(|(_, name)| name)
        .collect()
}

async fn check(entity: &str, acts: &[Act]) {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let mut copies = Vec::new();
    for (number, act) in acts.iter().enumerate() {
        match act {
            Act::Put(key) => foreign_put(&store, entity, *key, &format!("{key} at {number}")).await,
            Act::Delete(key) => foreign_delete(&store, entity, *key).await,
            Act::Pull(rows, pages) => {
                device.page_rows = *rows;
                pull_some(&mut device, &server, entity, *pages).await;
            }
            Act::Prune(up_to) => drop(store.prune(*up_to).await.unwrap()),
            Act::Copy => copies.push(device.clone()),
        }
    }
    copies.push(device);
    for (number, mut copy) in copies.into_iter().enumerate() {
        // Once to get there, once to hear that there is nothing more.
        copy.pull(&server, entity).await;
        assert_eq!(
            copy.names(entity),
            there(&store, entity),
            "{entity}, copy {number}"
        );
        let (end, pages) = copy.pull(&server, entity).await;
        assert_eq!(
            (end, pages),
            (AnswerState::NotModified, 0),
            "{entity}, copy {number}"
        );
    }
}

#[test]
fn every_checkpoint_leads_to_what_the_server_holds() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for entity in ENTITIES {
        let acts = proptest::collection::vec(act(), 0..40);
        seeds::check(100, &acts, |acts| runtime.block_on(check(entity, &acts)));
    }
}

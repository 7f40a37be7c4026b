//! Checkpoints: sealed, bound to whom and what they are for, and to the history of the database.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use onsync_core::memory::server::MemoryServerStore;
use onsync_core::page::{Checkpoint, PageKind};
use onsync_core::wire::{AnswerFrame, AnswerState, EntityRequest};
use onsync_server::Server;
use support::{Device, TestClock, builder, foreign_delete, foreign_put, fresh, stored};

/// Whether an answer to this request begins with a snapshot: the checkpoint was of no use.
async fn fetches_again(device: &Device, server: &Server, asked: EntityRequest) -> bool {
    let frames = support::all(device.begin_pull(server, &[asked]).await.unwrap()).await;
    frames.iter().any(|frame| {
        matches!(frame, AnswerFrame::Page(page) if matches!(&page.kind, PageKind::Snapshot(range) if range.after.is_none()))
    })
}

async fn pulled(store: &MemoryServerStore, server: &Server) -> Device {
    foreign_put(store, "Item", 1, "one").await;
    let mut device = Device::new("ada");
    device.pull(server, "Item").await;
    device
}

#[tokio::test]
async fn a_forged_checkpoint_is_as_none() {
    let (store, server) = fresh().await;
    let device = pulled(&store, &server).await;
    let good = device.checkpoints["Item"].clone();
    let with = |bytes: Vec<u8>| EntityRequest {
        checkpoint: Some(Checkpoint(bytes)),
        ..device.entity("Item", true)
    };
    assert!(!fetches_again(&device, &server, with(good.0.clone())).await);
    for index in 0..good.0.len() {
        let mut bytes = good.0.clone();
        bytes[index] ^= 1;
        assert!(fetches_again(&device, &server, with(bytes)).await, "byte {index}");
    }
    for bytes in [
        vec![],
        vec![1],
        vec![0xff; 5000],
        good.0[..good.0.len() - 1].to_vec(),
    ] {
        assert!(fetches_again(&device, &server, with(bytes)).await);
    }
}

#[tokio::test]
async fn a_checkpoint_is_of_no_use_to_others_or_for_other_things() {
    let (store, server) = fresh().await;
    let device = pulled(&store, &server).await;
    let bob = Device::new("bob");
    assert!(fetches_again(&bob, &server, device.entity("Item", true)).await);
    let mut other = device.entity("Country", true);
    other.checkpoint = device.checkpoints.get("Item").cloned();
    assert!(fetches_again(&device, &server, other).await);
    let mut columns = device.entity("Item", true);
    columns.columns.reverse();
    assert!(fetches_again(&device, &server, columns).await);
    let mut fewer = device.entity("Item", true);
    fewer.columns.pop();
    assert!(fetches_again(&device, &server, fewer).await);
    // Another instance of the same user may go on with it.
    let second = Device::new("ada");
    assert!(!fetches_again(&second, &server, device.entity("Item", true)).await);
}

#[tokio::test]
async fn the_key_before_the_current_one_opens_and_older_ones_do_not() {
    let (store, server) = fresh().await;
    let device = pulled(&store, &server).await;
    server.rotate_checkpoint_key().await.unwrap();
    assert!(!fetches_again(&device, &server, device.entity("Item", true)).await);
    server.rotate_checkpoint_key().await.unwrap();
    assert!(fetches_again(&device, &server, device.entity("Item", true)).await);
}

#[tokio::test]
async fn another_process_on_the_database_knows_the_same_checkpoints() {
    let (store, server) = fresh().await;
    let device = pulled(&store, &server).await;
    let second = support::server(&store).await;
    assert!(!fetches_again(&device, &second, device.entity("Item", true)).await);
}

#[tokio::test]
async fn a_checkpoint_older_than_what_is_known_of_deletions_fetches_again() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Item", 2, "two").await;
    let mut device = pulled(&store, &server).await;
    foreign_delete(&store, "Item", 2).await;
    store.prune_to(u64::MAX).await.unwrap();
    assert!(fetches_again(&device, &server, device.entity("Item", true)).await);
    device.pull(&server, "Item").await;
    assert_eq!(device.names("Item"), ["one"]);
}

#[tokio::test]
async fn a_restored_database_is_noticed_though_writers_pass_the_position_again() {
    let store = MemoryServerStore::new(1);
    let clock = TestClock::default();
    let server = builder(&store).clock(clock.clone()).build().await.unwrap();
    let mut device = pulled(&store, &server).await;
    let backup = store.backup();
    clock.advance(2);
    foreign_put(&store, "Item", 2, "lost by the restore").await;
    device.pull(&server, "Item").await;
    store.restore(&backup);
    // The device is ahead of the database …
    assert!(fetches_again(&device, &server, device.entity("Item", true)).await);
    // … and still of another history when it is not.
    for key in 10..20 {
        foreign_put(&store, "Item", key, "after the restore").await;
    }
    assert!(fetches_again(&device, &server, device.entity("Item", true)).await);
    device.pull(&server, "Item").await;
    let there = stored(&store, "Item", "name");
    assert_eq!(
        device.names("Item"),
        there.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_restore_within_the_second_of_the_last_mark_is_noticed_by_the_next_mark() {
    let store = MemoryServerStore::new(1);
    let clock = TestClock::default();
    let server = builder(&store).clock(clock.clone()).build().await.unwrap();
    let mut device = pulled(&store, &server).await;
    let backup = store.backup();
    // No second has passed: the checkpoint goes out under the mark that is in the backup.
    for key in 2..6 {
        foreign_put(&store, "Item", key, "lost by the restore").await;
    }
    device.pull(&server, "Item").await;
    store.restore(&backup);
    // The mark is known, but the database is behind the device.
    assert!(fetches_again(&device, &server, device.entity("Item", true)).await);
    clock.advance(1);
    // Another device makes the server store a mark while the database is still behind.
    foreign_put(&store, "Item", 2, "after the restore").await;
    Device::new("bob").pull(&server, "Item").await;
    for key in 10..20 {
        foreign_put(&store, "Item", key, "after the restore").await;
    }
    assert!(fetches_again(&device, &server, device.entity("Item", true)).await);
}

#[tokio::test]
async fn a_restore_within_the_second_of_the_last_mark_is_noticed_by_the_server_that_starts_on_it() {
    let store = MemoryServerStore::new(1);
    let clock = TestClock::default();
    let server = builder(&store).clock(clock.clone()).build().await.unwrap();
    let mut device = pulled(&store, &server).await;
    let backup = store.backup();
    foreign_put(&store, "Item", 2, "lost by the restore").await;
    device.pull(&server, "Item").await;
    store.restore(&backup);
    let server = builder(&store).clock(clock.clone()).build().await.unwrap();
    // Writers pass the device's position before anybody asks.
    for key in 10..20 {
        foreign_put(&store, "Item", key, "after the restore").await;
    }
    assert!(fetches_again(&device, &server, device.entity("Item", true)).await);
    device.pull(&server, "Item").await;
    assert!(!fetches_again(&device, &server, device.entity("Item", true)).await);
    let server = builder(&store).clock(clock).build().await.unwrap();
    assert!(!fetches_again(&device, &server, device.entity("Item", true)).await);
}

#[tokio::test]
async fn marks_are_stored_at_most_once_a_second() {
    let store = MemoryServerStore::new(1);
    let clock = TestClock::default();
    let server = builder(&store).clock(clock.clone()).build().await.unwrap();
    let mut device = pulled(&store, &server).await;
    let marks = |store: MemoryServerStore| async move {
        use onsync_core::store::server::ServerStore as _;
        let mut snapshot = store.read().await.unwrap();
        snapshot.area_scan("history", None, 1000).await.unwrap().len()
    };
    for key in 2..10 {
        foreign_put(&store, "Item", key, "more").await;
        device.pull(&server, "Item").await;
    }
    assert!(marks(store.clone()).await <= 2);
    for key in 2..6 {
        clock.advance(1);
        foreign_put(&store, "Item", key, "again").await;
        device.pull(&server, "Item").await;
    }
    let found = marks(store.clone()).await;
    assert!((4..=6).contains(&found), "{found}");
}

#[tokio::test]
async fn a_restore_keeps_receipts_honest() {
    let (store, server) = fresh().await;
    let backup = store.backup();
    let mut device = Device::new("ada");
    let create = device.create("Company", 1, support::named("Acme"));
    device.push_one(&server, &create).await;
    store.restore(&backup);
    // Effect and receipt are gone together: sent again, it is applied once.
    assert_eq!(
        support::short(&device.push_one(&server, &create).await),
        "applied"
    );
    assert_eq!(stored(&store, "Company", "name").len(), 1);
    let (end, _) = device.pull(&server, "Company").await;
    assert_eq!(end, AnswerState::Complete);
}

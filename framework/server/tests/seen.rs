//! What a device knows of the database from the outcomes of its own changes, when the database is restored.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use onsync_core::memory::server::MemoryServerStore;
use onsync_core::mutation::Mutation;
use onsync_core::page::{Checkpoint, PageKind};
use onsync_core::wire::{AnswerFrame, RequestFrame, Welcome};
use onsync_server::{Server, SyncService as _};
use std::time::Duration;
use support::{Device, TestClock, builder, foreign_put, named, stored};

/// Changes the first frame of a request to tell what the device has seen.
fn showing(mut frames: Vec<RequestFrame>, seen: Option<&Checkpoint>) -> Vec<RequestFrame> {
    if let Some(RequestFrame::Hello(hello)) = frames.first_mut() {
        hello.seen = seen.cloned();
    }
    frames
}

async fn answered(
    device: &Device,
    server: &Server,
    frames: Vec<RequestFrame>,
) -> (Welcome, Vec<AnswerFrame>) {
    let answer = server.sync(Some(device.token), frames).await.unwrap();
    let mut frames = support::all(answer).await;
    match frames.remove(0) {
        AnswerFrame::Welcome(welcome) => (welcome, frames),
        other => panic!("wanted a welcome, found {other:?}"),
    }
}

/// Sends a mutation; what the server says of how far it is.
async fn push(device: &Device, server: &Server, mutation: &Mutation, seen: Option<&Checkpoint>) -> Welcome {
    let frames = device.push_frames(std::slice::from_ref(mutation));
    answered(device, server, showing(frames, seen)).await.0
}

/// Whether the server says that it was restored, and answers with everything.
async fn is_restored(device: &Device, server: &Server, seen: Option<&Checkpoint>) -> bool {
    let frames = vec![
        device.hello(),
        RequestFrame::Entity(device.entity("Item", true)),
        RequestFrame::End {},
    ];
    let (welcome, frames) = answered(device, server, showing(frames, seen)).await;
    let anew = frames.iter().any(|frame| {
        matches!(frame, AnswerFrame::Page(page) if matches!(&page.kind, PageKind::Snapshot(range) if range.after.is_none()))
    });
    assert_eq!(welcome.restored, anew, "who says so sends everything");
    assert_eq!(
        welcome.seen.is_some(),
        welcome.restored,
        "a pull alone changes nothing about it"
    );
    welcome.restored
}

async fn world() -> (MemoryServerStore, TestClock, Server, Device) {
    let store = MemoryServerStore::new(1);
    let clock = TestClock::default();
    let server = builder(&store).clock(clock.clone()).build().await.unwrap();
    foreign_put(&store, "Item", 1, "one").await;
    let mut device = Device::new("ada");
    device.pull(&server, "Item").await;
    (store, clock, server, device)
}

#[tokio::test]
async fn a_restore_to_before_a_push_is_noticed_though_nothing_was_pulled_since() {
    let (store, clock, server, mut device) = world().await;
    let backup = store.backup();
    let create = device.create("Company", 1, named("lost by the restore"));
    let seen = push(&device, &server, &create, None).await.seen;
    assert!(!is_restored(&device, &server, seen.as_ref()).await);
    store.restore(&backup);
    let server = builder(&store).clock(clock.clone()).build().await.unwrap();
    assert!(
        !is_restored(&device, &server, None).await,
        "its checkpoint alone tells nothing"
    );
    assert!(is_restored(&device, &server, seen.as_ref()).await);
    // Writers pass the position, and it is still another history.
    for key in 10..20 {
        foreign_put(&store, "Item", key, "after the restore").await;
        clock.advance(1);
    }
    assert!(is_restored(&device, &server, seen.as_ref()).await);
    // A push tells it too, and gives what is true now.
    let again = device.create("Company", 2, named("after the restore"));
    let welcome = push(&device, &server, &again, seen.as_ref()).await;
    assert!(welcome.restored);
    assert!(!is_restored(&device, &server, welcome.seen.as_ref()).await);
}

#[tokio::test]
async fn every_push_is_told_from_the_copy_made_just_before_it() {
    let (store, clock, mut server, mut device) = world().await;
    for key in 1..6 {
        // Within one second there is no new history mark.
        let backup = store.backup();
        let create = device.create("Company", key, named("lost by the restore"));
        let seen = push(&device, &server, &create, None).await.seen;
        store.restore(&backup);
        server = builder(&store).clock(clock.clone()).build().await.unwrap();
        assert!(is_restored(&device, &server, seen.as_ref()).await, "push {key}");
        let kept = device.create("Company", 10 + key, named("kept"));
        let seen = push(&device, &server, &kept, None).await.seen;
        let backup = store.backup();
        foreign_put(&store, "Item", 100 + key, "lost, and never seen").await;
        store.restore(&backup);
        server = builder(&store).clock(clock.clone()).build().await.unwrap();
        assert!(!is_restored(&device, &server, seen.as_ref()).await, "push {key}");
    }
    assert_eq!(stored(&store, "Company", "name").len(), 5);
}

#[tokio::test]
async fn what_is_old_or_of_others_is_no_restore_and_what_cannot_be_read_is() {
    let (store, clock, server, mut device) = world().await;
    let create = device.create("Company", 1, named("Acme"));
    let seen = push(&device, &server, &create, None).await.seen;
    let bob = Device::new("bob");
    let frames = vec![bob.hello(), RequestFrame::End {}];
    let (welcome, _) = answered(&bob, &server, showing(frames, seen.as_ref())).await;
    assert!(!welcome.restored, "of another user");
    // Long after the marks of that time are forgotten.
    for key in 10..20 {
        clock.advance(3_600);
        foreign_put(&store, "Item", key, "later").await;
        foreign_put(&store, "Company", 90 + key, "later").await;
        foreign_put(&store, "Country", 90 + key, "later").await;
        device.pull(&server, "Item").await;
    }
    server.maintain(Duration::from_secs(1)).await.unwrap();
    device.pull(&server, "Item").await;
    assert!(!is_restored(&device, &server, seen.as_ref()).await);
    let forged = Checkpoint(vec![7; 80]);
    assert!(is_restored(&device, &server, Some(&forged)).await);
}

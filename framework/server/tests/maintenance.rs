//! Deletions and history marks are kept as long as somebody may need them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use onsync_core::memory::server::MemoryServerStore;
use onsync_core::store::server::ServerStore as _;
use onsync_core::wire::AnswerState;
use onsync_server::Server;
use std::time::Duration;
use support::{Device, TestClock, builder, foreign_delete, foreign_put};

const DAY: u64 = 86_400;
const KEEP: Duration = Duration::from_secs(90 * DAY);

async fn server() -> (MemoryServerStore, TestClock, Server) {
    let store = MemoryServerStore::new(1);
    let clock = TestClock::default();
    clock.advance(1_000 * DAY);
    let server = builder(&store).clock(clock.clone()).build().await.unwrap();
    (store, clock, server)
}

async fn marks(store: &MemoryServerStore) -> usize {
    let mut snapshot = store.read().await.unwrap();
    snapshot.area_scan("history", None, 1_000).await.unwrap().len()
}

async fn horizon(store: &MemoryServerStore) -> u64 {
    let schema = support::schema();
    let mut snapshot = store.read().await.unwrap();
    snapshot.horizon(schema.entity("Item").unwrap()).await.unwrap()
}

/// Whether a pull begins anew, which a device notices by the number of records to come.
async fn began_anew(device: &mut Device, server: &Server) -> bool {
    let asked = device.entity("Item", true);
    let mut answer = device.begin_pull(server, &[asked]).await.unwrap();
    let mut anew = false;
    while let Some(frame) = answer.next().await.unwrap() {
        match frame {
            onsync_core::wire::AnswerFrame::Entity(entity) => {
                anew |= matches!(entity.state, AnswerState::Started { total: Some(_) });
            }
            onsync_core::wire::AnswerFrame::Page(page) => device.apply(page),
            _ => {}
        }
    }
    anew
}

#[tokio::test]
async fn deletions_are_forgotten_when_they_are_old_enough_and_not_before() {
    let (store, clock, server) = server().await;
    foreign_put(&store, "Item", 1, "stays").await;
    foreign_put(&store, "Item", 2, "goes").await;
    let mut away = Device::new("ada");
    away.pull(&server, "Item").await;
    clock.advance(DAY);
    foreign_delete(&store, "Item", 2).await;
    let mut back = Device::new("bob");
    back.pull(&server, "Item").await;

    clock.advance(89 * DAY);
    server.maintain(KEEP).await.unwrap();
    assert!(horizon(&store).await < 3, "the deletion is 89 days old");
    clock.advance(2 * DAY);
    foreign_put(&store, "Item", 3, "young").await;
    server.maintain(KEEP).await.unwrap();
    assert_eq!(horizon(&store).await, 3, "the deletion is 91 days old");

    assert!(!began_anew(&mut back, &server).await, "it knows of the deletion");
    assert!(began_anew(&mut away, &server).await);
    for device in [&away, &back] {
        assert_eq!(device.names("Item"), ["stays", "young"]);
    }
}

#[tokio::test]
async fn marks_that_no_usable_checkpoint_carries_are_forgotten() {
    let (store, clock, server) = server().await;
    let mut device = Device::new("ada");
    for key in 1..=200 {
        foreign_put(&store, "Item", key, "one").await;
        clock.advance(DAY);
        device.pull(&server, "Item").await;
    }
    assert_eq!(marks(&store).await, 200);
    server.maintain(KEEP).await.unwrap();
    let kept = marks(&store).await;
    assert!((88..=92).contains(&kept), "{kept} marks are left");
    assert!(!began_anew(&mut device, &server).await);
    // Nobody writes any more: the newest mark stays, and the device keeps its checkpoint.
    clock.advance(500 * DAY);
    server.maintain(KEEP).await.unwrap();
    assert!(marks(&store).await >= 1);
    assert!(!began_anew(&mut device, &server).await);
    assert_eq!(device.names("Item").len(), 200);
}

//! What an answer holds: snapshots, deltas, and every committed change in either, whatever the page size.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use onsync_core::memory::server::MemoryServerStore;
use onsync_core::page::{KeyRange, PageKind};
use onsync_core::wire::{AnswerFrame, AnswerState};
use onsync_server::Server;
use support::{Device, foreign_delete, foreign_put, fresh, named, stored};

async fn fill(store: &MemoryServerStore, entity: &str, keys: std::ops::RangeInclusive<i64>) {
    for key in keys {
        foreign_put(store, entity, key, &format!("{entity} {key}")).await;
    }
}

fn server_side(store: &MemoryServerStore, entity: &str) -> Vec<String> {
    stored(store, entity, "name")
        .into_iter()
        .map(|(_, name)| name)
        .collect()
}

#[tokio::test]
async fn an_empty_table_is_one_page_and_then_not_modified() {
    for entity in ["Country", "Item", "Company"] {
        let (_, server) = fresh().await;
        let mut device = Device::new("ada");
        let asked = device.entity(entity, true);
        let answer = device.begin_pull(&server, &[asked]).await.unwrap();
        let frames = support::all(answer).await;
        let [
            _,
            AnswerFrame::Entity(started),
            AnswerFrame::Page(page),
            AnswerFrame::Entity(ended),
            _,
        ] = frames.as_slice()
        else {
            panic!("{frames:?}")
        };
        assert_eq!(started.state, AnswerState::Started { total: Some(0) });
        assert_eq!(page.kind, PageKind::Snapshot(KeyRange::all()));
        assert!(page.last && page.rows.is_empty());
        assert_eq!(ended.state, AnswerState::Complete);
        device.apply(page.clone());
        let (end, pages) = device.pull(&server, entity).await;
        assert_eq!((end, pages), (AnswerState::NotModified, 0));
    }
}

#[tokio::test]
async fn read_only_sends_all_again_and_the_others_what_changed() {
    for (entity, again) in [("Country", 12), ("Item", 2), ("Company", 2)] {
        let (store, server) = fresh().await;
        fill(&store, entity, 1..=12).await;
        let mut device = Device::new("ada");
        device.pull(&server, entity).await;
        foreign_put(&store, entity, 3, "changed").await;
        foreign_put(&store, entity, 13, "new").await;
        foreign_delete(&store, entity, 5).await;
        let asked = device.entity(entity, true);
        let frames = support::all(device.begin_pull(&server, &[asked]).await.unwrap()).await;
        let mut rows = 0;
        for frame in frames {
            if let AnswerFrame::Page(page) = frame {
                rows += page.rows.len();
                device.apply(page);
            }
        }
        assert_eq!(rows, again, "{entity}");
        assert_eq!(device.names(entity), server_side(&store, entity));
        assert_eq!(device.pull(&server, entity).await.0, AnswerState::NotModified);
    }
}

#[tokio::test]
async fn pages_of_one_seven_and_the_exact_count_end_properly() {
    for entity in ["Country", "Item"] {
        for (page_rows, pages) in [(1, 14), (7, 2), (14, 1), (13, 2), (15, 1), (1_000_000_000, 1)] {
            let (store, server) = fresh().await;
            fill(&store, entity, 1..=14).await;
            let mut device = Device::new("ada");
            device.page_rows = page_rows;
            assert_eq!(device.pull(&server, entity).await, (AnswerState::Complete, pages));
            assert_eq!(device.names(entity), server_side(&store, entity));
        }
    }
}

/// A small generator: the same seed gives the same run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

async fn disturb(dice: &mut Dice, store: &MemoryServerStore, entity: &str, change: u64) {
    for _ in 0..dice.roll(4) {
        let key = 1 + dice.roll(25) as i64;
        match dice.roll(3) {
            0 => foreign_delete(store, entity, key).await,
            _ => foreign_put(store, entity, key, &format!("change {change} of {key}")).await,
        }
    }
}

/// Pulls while rows change between any two frames, giving up some answers in the middle.
async fn disturbed_pull(
    dice: &mut Dice,
    device: &mut Device,
    server: &Server,
    store: &MemoryServerStore,
    entity: &str,
) {
    for change in 0..12 {
        let asked = device.entity(entity, true);
        let mut answer = device.begin_pull(server, &[asked]).await.unwrap();
        let stop = dice.roll(30);
        for step in 0_u64.. {
            disturb(dice, store, entity, change * 100 + step).await;
            match answer.next().await.unwrap() {
                Some(AnswerFrame::Page(page)) => device.apply(page),
                Some(AnswerFrame::End {}) | None => break,
                Some(_) => {}
            }
            if step == stop {
                break;
            }
        }
    }
}

#[tokio::test]
async fn every_committed_change_is_delivered_though_rows_change_between_pages() {
    for seed in 0..40 {
        for entity in ["Country", "Item", "Company"] {
            let mut dice = Dice(seed);
            let (store, server) = fresh().await;
            fill(&store, entity, 1..=20).await;
            let mut device = Device::new("ada");
            device.page_rows = [1, 7, 20, 3][dice.roll(4) as usize];
            disturbed_pull(&mut dice, &mut device, &server, &store, entity).await;
            // The writers stop; one more sync.
            let (end, _) = device.pull(&server, entity).await;
            assert!(matches!(end, AnswerState::Complete | AnswerState::NotModified));
            assert_eq!(
                device.names(entity),
                server_side(&store, entity),
                "seed {seed} of {entity}"
            );
            assert_eq!(device.pull(&server, entity).await.0, AnswerState::NotModified);
        }
    }
}

#[tokio::test]
async fn an_answer_given_up_in_the_middle_of_a_snapshot_goes_on_there() {
    let (store, server) = fresh().await;
    fill(&store, "Country", 1..=10).await;
    let mut device = Device::new("ada");
    device.page_rows = 3;
    let asked = device.entity("Country", true);
    let mut answer = device.begin_pull(&server, &[asked]).await.unwrap();
    loop {
        if let Some(AnswerFrame::Page(page)) = answer.next().await.unwrap() {
            device.apply(page);
            break;
        }
    }
    drop(answer);
    foreign_put(&store, "Country", 1, "changed behind").await;
    let asked = device.entity("Country", true);
    let frames = support::all(device.begin_pull(&server, &[asked]).await.unwrap()).await;
    let mut kinds = Vec::new();
    for frame in frames {
        if let AnswerFrame::Page(page) = frame {
            kinds.push((
                matches!(page.kind, PageKind::Snapshot(_)),
                page.rows.len(),
                page.last,
            ));
            device.apply(page);
        }
    }
    assert_eq!(
        kinds,
        [
            (true, 3, false),
            (true, 3, false),
            (true, 1, false),
            (false, 1, true)
        ]
    );
    assert_eq!(device.names("Country"), server_side(&store, "Country"));
}

#[tokio::test]
async fn own_changes_come_back_at_most_once() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    device.pull(&server, "Company").await;
    let create = device.create("Company", 1, named("Acme"));
    device.push_one(&server, &create).await;
    let (end, pages) = device.pull(&server, "Company").await;
    assert_eq!((end, pages), (AnswerState::Complete, 1));
    assert_eq!(device.pull(&server, "Company").await.0, AnswerState::NotModified);
    // An update that changes nothing is nobody's news.
    let touch = device.update("Company", 1, named("Acme"));
    device.push_one(&server, &touch).await;
    assert_eq!(device.pull(&server, "Company").await.0, AnswerState::NotModified);
    assert_eq!(device.names("Company"), server_side(&store, "Company"));
}

#[tokio::test]
async fn frames_are_made_as_they_are_asked_for() {
    let (store, server) = fresh().await;
    fill(&store, "Item", 1..=3).await;
    let mut device = Device::new("ada");
    device.page_rows = 1;
    let asked = device.entity("Item", true);
    let mut answer = device.begin_pull(&server, &[asked]).await.unwrap();
    // Nothing has been read yet: a row written now is in the first view.
    foreign_put(&store, "Item", 0, "late").await;
    while let Some(frame) = answer.next().await.unwrap() {
        if let AnswerFrame::Page(page) = frame {
            device.apply(page);
        }
    }
    assert_eq!(device.names("Item"), ["late", "Item 1", "Item 2", "Item 3"]);
}

#[tokio::test]
async fn an_entity_that_fails_does_not_stop_the_others() {
    let (store, server) = fresh().await;
    fill(&store, "Item", 1..=3).await;
    fill(&store, "Country", 1..=3).await;
    let wrong = onsync_core::Value::Integer(1);
    store
        .foreign_write(|tables| tables.write_anything("Item", &2i64.into(), "name", wrong))
        .await
        .unwrap();
    let device = Device::new("ada");
    let asked = [device.entity("Item", true), device.entity("Country", true)];
    let frames = support::all(device.begin_pull(&server, &asked).await.unwrap()).await;
    let ends: Vec<_> = frames
        .iter()
        .filter_map(|frame| match frame {
            AnswerFrame::Entity(answer) => Some((answer.entity.as_str(), &answer.state)),
            _ => None,
        })
        .collect();
    assert!(
        matches!(ends[0], ("Item", AnswerState::Failed(error)) if error.code == "stored_value_invalid"),
        "{ends:?}"
    );
    assert!(
        matches!(ends.last(), Some(("Country", AnswerState::Complete))),
        "{ends:?}"
    );
}

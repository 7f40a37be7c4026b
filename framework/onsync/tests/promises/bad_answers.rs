//! Scenarios of peers that answer nonsense: local data stays, the error says so.

use crate::world::*;
use onsync_core::ValueType;
use onsync_core::page::{Checkpoint, KeyRange, Page, PageKind};
use onsync_core::rows::RowSet;
use onsync_core::schema::Ids;
use onsync_core::transport::{Answer, Exchange, Transport};
use onsync_core::wire::{AnswerFrame, AnswerState, EntityAnswer, Health, Welcome};
use onsync_core::{Error, Result, portable_async};
use std::sync::Arc;

/// Answers with the same frames whatever is asked.
struct Scripted(Vec<AnswerFrame>);

struct Frames(std::vec::IntoIter<AnswerFrame>);

#[portable_async]
impl Transport for Scripted {
    async fn exchange(&self, _: Exchange) -> Result<Box<dyn Answer>> {
        Ok(Box::new(Frames(self.0.clone().into_iter())))
    }

    async fn health(&self) -> Result<Health> {
        Err(Error::offline("server_unreachable", "no health here"))
    }
}

#[portable_async]
impl Answer for Frames {
    async fn next(&mut self) -> Result<Option<AnswerFrame>> {
        Ok(self.0.next())
    }

    fn bytes(&self) -> u64 {
        0
    }
}

fn welcome() -> AnswerFrame {
    AnswerFrame::Welcome(Welcome::new())
}

fn page(entity: &str, types: &[ValueType]) -> AnswerFrame {
    AnswerFrame::Page(Page {
        entity: entity.into(),
        scope: String::new(),
        kind: PageKind::Snapshot(KeyRange::all()),
        rows: RowSet::new(types.iter().copied(), 0),
        deleted: vec![],
        removed: vec![],
        created: vec![],
        checkpoint: Checkpoint(vec![1]),
        last: true,
    })
}

/// Scenario 6 at the level of frames: empty, out of order, about something else, of other types, from another protocol.
#[test]
fn nonsense_changes_nothing() {
    let state = |state| {
        AnswerFrame::Entity(EntityAnswer {
            entity: "Nobody".into(),
            scope: String::new(),
            state,
        })
    };
    let wrong = [ValueType::Text; 3];
    let mut ragged = RowSet::new([ValueType::Integer; 4], 1);
    ragged.columns_mut()[0].push(1i64.into()).unwrap();
    let AnswerFrame::Page(mut unequal) = page("Item", &[ValueType::Integer; 4]) else {
        panic!()
    };
    unequal.rows = ragged;
    let answers = [
        vec![],
        vec![AnswerFrame::End {}],
        vec![welcome()],
        vec![welcome(), welcome(), AnswerFrame::End {}],
        vec![
            AnswerFrame::Welcome(Welcome {
                protocol: 99,
                ..Welcome::new()
            }),
            AnswerFrame::End {},
        ],
        vec![welcome(), page("Nobody", &[]), AnswerFrame::End {}],
        vec![welcome(), page("Item", &wrong), AnswerFrame::End {}],
        vec![welcome(), AnswerFrame::Page(unequal), AnswerFrame::End {}],
        vec![welcome(), state(AnswerState::Complete), AnswerFrame::End {}],
        vec![welcome(), AnswerFrame::Image {}, AnswerFrame::End {}],
    ];
    for kind in [Kind::Memory, Kind::Sqlite] {
        for answer in &answers {
            let mut world = World::new(kind, one(item(LWW, Ids::Client)));
            world.fill(3);
            let mut device = world.device();
            device.sync();
            device.update("Item", 1i64, &onsync_core::Fields::new().with("name", "mine"));
            let before = device.contents("Item");
            let good = device.syncer.transport.clone();
            device.syncer.transport = Arc::new(Scripted(answer.clone()));
            device.try_sync().expect_err("nonsense is an error");
            assert_eq!(device.contents("Item"), before);
            assert_eq!(device.waiting(), 1);
            device.syncer.transport = good;
            device.sync();
            device.sync();
            assert_equal(&world, &device);
        }
    }
}

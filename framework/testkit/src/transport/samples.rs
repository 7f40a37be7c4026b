//! Frames of every kind, for requests and answers.

use super::script::Piece;
use crate::suite::Failure;
use onsync_core::mutation::{
    ConflictKind, Mutation, MutationKind, Outcome, Reference, Rejection, ServerRecord,
};
use onsync_core::page::{Checkpoint, KeyRange, Page, PageKind};
use onsync_core::record::{RecordName, Version};
use onsync_core::rows::RowSet;
use onsync_core::transport::{Answer, Credentials, Exchange};
use onsync_core::value::ValueType;
use onsync_core::wire::{
    AnswerFrame, AnswerState, EntityAnswer, EntityRequest, Format, Hello, OutcomeFrame, RequestFrame,
    Welcome, WireError, encode,
};
use onsync_core::{Fields, Key, Value};
use std::fmt::Debug;
use uuid::Uuid;

pub(super) fn hello(context: &str) -> RequestFrame {
    RequestFrame::Hello(Hello {
        context: context.into(),
        ..Hello::new(Uuid::from_u128(42), 7)
    })
}

pub(super) fn mutation(number: u64, note: String) -> Mutation {
    Mutation {
        id: Uuid::from_u128(number.into()),
        number,
        entity: "Note".into(),
        record: RecordName::Created(Uuid::from_u128(9)),
        kind: MutationKind::Update,
        values: Fields::new().with("note", note).with("rank", i64::MAX),
        base: Fields::new().with("note", Value::Null),
        base_version: Some(Version::of([("note", &Value::Null)])),
        references: vec![Reference {
            attribute: "parent".into(),
            created: Uuid::from_u128(3),
        }],
        group: Some(Uuid::from_u128(5)),
    }
}

/// A request with frames of every kind.
pub(super) fn request(context: &str) -> Vec<RequestFrame> {
    let entity = EntityRequest {
        entity: "Note".into(),
        pattern: "read-only".into(),
        columns: vec!["id".into(), "näme".into()],
        scope: "7".into(),
        pull: true,
        checkpoint: Some(Checkpoint(vec![0, 255, 10, 13])),
        page_rows: 100,
        page_bytes: 1 << 20,
    };
    vec![
        hello(context),
        RequestFrame::Entity(entity),
        RequestFrame::Mutation(mutation(1, "line\nbreak, \"quotes\" and \u{1F4E6}".into())),
        RequestFrame::Mutation(mutation(2, String::new())),
        RequestFrame::End {},
    ]
}

pub(super) fn exchange(context: &str) -> Exchange {
    Exchange {
        frames: request(context),
        credentials: None,
        time_out: None,
    }
}

pub(super) fn with_token(context: &str, token: &str) -> Exchange {
    Exchange {
        credentials: Some(Credentials::bearer(token)),
        ..exchange(context)
    }
}

pub(super) fn welcome() -> AnswerFrame {
    AnswerFrame::Welcome(Welcome::new())
}

/// A page with so many rows of one text.
pub(super) fn page(rows: usize, text: &str) -> Result<AnswerFrame, Failure> {
    let mut set = RowSet::new([ValueType::Integer, ValueType::Text], rows);
    for id in 0..rows {
        set.push(vec![Value::Integer(id as i64), text.into()])?;
    }
    Ok(AnswerFrame::Page(page_of(set)))
}

pub(super) fn page_of(rows: RowSet) -> Page {
    Page {
        entity: "Note".into(),
        scope: "7".into(),
        kind: PageKind::Snapshot(KeyRange {
            after: Some(Key::one(1i64)),
            to: None,
        }),
        rows,
        deleted: vec![Key(vec![Value::Integer(-1), "x".into()])],
        removed: vec![Key::one("gone")],
        created: vec![(Uuid::from_u128(9), Key::one(9i64))],
        checkpoint: Checkpoint(vec![1, 2, 3]),
        last: false,
    }
}

/// An answer with frames of every kind.
pub(super) fn answer() -> Result<Vec<AnswerFrame>, Failure> {
    let state = |state| {
        AnswerFrame::Entity(EntityAnswer {
            entity: "Note".into(),
            scope: String::new(),
            state,
        })
    };
    let outcome = |outcome| {
        AnswerFrame::Outcome(OutcomeFrame {
            id: Uuid::from_u128(1),
            outcome,
        })
    };
    let record = ServerRecord {
        key: Key::one(1i64),
        fields: Fields::new().with("note", "stored"),
    };
    let refusal = Rejection {
        code: "not_allowed".into(),
        message: "no".into(),
    };
    Ok(vec![
        welcome(),
        outcome(Outcome::Applied {
            key: Some(Key::one(4i64)),
            stored: Some(record.clone()),
            gone: true,
        }),
        outcome(Outcome::Conflict {
            kind: ConflictKind::UpdateUpdate,
            theirs: Some(record),
        }),
        outcome(Outcome::Gone),
        outcome(Outcome::Rejected(refusal.clone())),
        outcome(Outcome::Retry(refusal)),
        outcome(Outcome::Renew),
        state(AnswerState::Started { total: Some(3) }),
        page(3, "\u{e9}\n\"")?,
        page(0, "")?,
        state(AnswerState::NotModified),
        state(AnswerState::Complete),
        state(AnswerState::Failed(WireError {
            kind: "transient".into(),
            code: "server_busy".into(),
            message: "later".into(),
            retry_after: Some(3),
        })),
        AnswerFrame::End {},
    ])
}

pub(super) fn pieces(frames: impl IntoIterator<Item = AnswerFrame>) -> Vec<Piece> {
    frames.into_iter().map(Piece::Frame).collect()
}

/// Frames as their bytes: what "unchanged" means.
pub(super) fn written<F: serde::Serialize>(frames: &[F]) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for frame in frames {
        let mut bytes = Vec::new();
        encode(Format::JsonLines, frame, &mut bytes)?;
        all.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(all)
}

/// Reads an answer to its end.
pub(super) async fn read_all(mut answer: Box<dyn Answer>) -> Result<Vec<AnswerFrame>, onsync_core::Error> {
    let mut frames = Vec::new();
    while let Some(frame) = answer.next().await? {
        frames.push(frame);
    }
    Ok(frames)
}

/// The error of a result, or a failure that shows what came instead.
#[track_caller]
pub(super) fn error_of<T: Debug>(
    result: Result<T, onsync_core::Error>,
    wanted: &str,
) -> Result<onsync_core::Error, Failure> {
    match result {
        Err(error) => Ok(error),
        Ok(found) => {
            let mut found = format!("{found:?}");
            found.truncate(300);
            Err(Failure::new(format!("wanted {wanted}, found {found}")))
        }
    }
}

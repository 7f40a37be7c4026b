//! What arrives at the device.

use super::TransportPlace;
use super::samples::{answer, exchange, page, page_of, pieces, read_all, welcome, written};
use super::script::{Piece, Reply, ScriptedServer};
use crate::suite::{CaseResult, Failure};
use crate::{check, check_eq};
use futures_util::future::{Either, select};
use onsync_core::rows::RowSet;
use onsync_core::wire::{AnswerFrame, WireError};
use onsync_core::{Value, ValueType};
use std::pin::pin;
use std::sync::Arc;

/// Frames of every kind.
pub async fn answer_frames_come_in_order_and_unchanged(place: &dyn TransportPlace) -> CaseResult {
    let server = Arc::new(ScriptedServer::with(Reply::Answer(pieces(answer()?))));
    let transport = place.connect(server).await?;
    let found = read_all(transport.exchange(exchange("Online")).await?).await?;
    check_eq!(written(&found)?, written(&answer()?)?, "the frames");
    Ok(())
}

/// A page with every type, nulls and extremes.
pub async fn every_value_survives(place: &dyn TransportPlace) -> CaseResult {
    let types = ValueType::ALL;
    let mut rows = RowSet::new(types, 4);
    for row in crate::local_store::samples::rows_of_every_type() {
        rows.push(row)?;
    }
    rows.push(vec![Value::Null; types.len()])?;
    let wanted: Vec<_> = rows.iter().collect();
    let frames = [welcome(), AnswerFrame::Page(page_of(rows)), AnswerFrame::End {}];
    let server = Arc::new(ScriptedServer::with(Reply::Answer(pieces(frames))));
    let transport = place.connect(server).await?;
    let found = read_all(transport.exchange(exchange("Online")).await?).await?;
    let Some(AnswerFrame::Page(page)) = found.get(1) else {
        return Err(Failure::new("wanted a page"));
    };
    let found: Vec<_> = page.rows.iter().collect();
    check_eq!(found, wanted, "the rows");
    Ok(())
}

/// The first page is read while the server still holds the second back.
pub async fn the_answer_begins_while_the_rest_is_on_its_way(place: &dyn TransportPlace) -> CaseResult {
    let mut script = pieces([welcome(), page(10, "first")?]);
    script.push(Piece::Hold);
    script.extend(pieces([page(10, "second")?, AnswerFrame::End {}]));
    let server = Arc::new(ScriptedServer::with(Reply::Answer(script)));
    let transport = place.connect(server.clone()).await?;
    let mut answer = transport.exchange(exchange("Online")).await?;
    check!(
        matches!(answer.next().await?, Some(AnswerFrame::Welcome(_))),
        "wanted `welcome` before the rest is sent"
    );
    check!(
        matches!(answer.next().await?, Some(AnswerFrame::Page(_))),
        "wanted the first page before the second is sent"
    );
    server.release();
    check_eq!(read_all(answer).await?.len(), 2, "frames behind the first page");
    Ok(())
}

/// 128 MiB come from a server that must wait for a reader who takes its time.
pub async fn memory_does_not_grow_with_the_answer(place: &dyn TransportPlace) -> CaseResult {
    const PAGES: usize = 2048;
    /// Buffers of sockets and transports on the way, in pages of 64 KiB: 32 MiB.
    const AHEAD: u64 = 512;
    let mut text = String::new();
    let mut dice = crate::fakes::Dice::new(1);
    while text.len() < 65_536 {
        // Hardly compressible.
        text.push(char::from(
            b'!' + u8::try_from(dice.below(90)).unwrap_or_default(),
        ));
    }
    let script = vec![
        Piece::Frame(welcome()),
        Piece::Repeat(page(1, &text)?, PAGES),
        Piece::Frame(AnswerFrame::End {}),
    ];
    let server = Arc::new(ScriptedServer::with(Reply::Answer(script)));
    let transport = place.connect(server.clone()).await?;
    let mut answer = transport.exchange(exchange("Online")).await?;
    let mut read = 0u64;
    while answer.next().await?.is_some() {
        read += 1;
        let sent = server.sent_so_far();
        check!(
            sent <= read + AHEAD,
            "{read} frames were read, and {sent} of {PAGES} had been taken from the server"
        );
    }
    check_eq!(read, PAGES as u64 + 2, "frames");
    Ok(())
}

/// None, and none again.
pub async fn nothing_comes_after_end(place: &dyn TransportPlace) -> CaseResult {
    let server = Arc::new(ScriptedServer::new());
    let transport = place.connect(server).await?;
    let mut answer = transport.exchange(exchange("Online")).await?;
    while let Some(frame) = answer.next().await? {
        if matches!(frame, AnswerFrame::End {}) {
            break;
        }
    }
    for _ in 0..2 {
        let after = answer.next().await?;
        check!(after.is_none(), "wanted nothing after `end`, found {after:?}");
    }
    Ok(())
}

/// The server's own word about why it stops is an answer, not a truncation.
pub async fn a_failed_frame_is_given_and_ends_the_answer(place: &dyn TransportPlace) -> CaseResult {
    let failed = AnswerFrame::Failed(WireError {
        kind: "transient".into(),
        code: "store_busy".into(),
        message: "later".into(),
        retry_after: Some(2),
    });
    let script = pieces([welcome(), failed.clone()]);
    let server = Arc::new(ScriptedServer::with(Reply::Answer(script)));
    let transport = place.connect(server).await?;
    let found = read_all(transport.exchange(exchange("Online")).await?).await?;
    check_eq!(written(&found)?, written(&[welcome(), failed])?, "the frames");
    Ok(())
}

/// For progress: never less than before, more at the end.
pub async fn bytes_grow_with_what_arrives(place: &dyn TransportPlace) -> CaseResult {
    let mut frames = vec![welcome()];
    for _ in 0..20 {
        frames.push(page(50, "some text")?);
    }
    frames.push(AnswerFrame::End {});
    let server = Arc::new(ScriptedServer::with(Reply::Answer(pieces(frames))));
    let transport = place.connect(server).await?;
    let mut answer = transport.exchange(exchange("Online")).await?;
    let mut last = 0;
    while answer.next().await?.is_some() {
        let bytes = answer.bytes();
        check!(bytes >= last && bytes > 0, "{bytes} bytes after {last}");
        last = bytes;
    }
    Ok(())
}

/// The server notices, while it still has more to send.
pub async fn dropping_the_answer_ends_the_exchange(place: &dyn TransportPlace) -> CaseResult {
    let mut script = pieces([welcome()]);
    script.push(Piece::Hold);
    let server = Arc::new(ScriptedServer::with(Reply::Answer(script)));
    let transport = place.connect(server.clone()).await?;
    let mut answer = transport.exchange(exchange("Online")).await?;
    check!(answer.next().await?.is_some(), "wanted `welcome`");
    drop(answer);
    server.until_gone().await;
    Ok(())
}

/// The server notices, while it has not answered yet.
pub async fn dropping_the_future_ends_the_exchange(place: &dyn TransportPlace) -> CaseResult {
    let server = Arc::new(ScriptedServer::with(Reply::Silent));
    let transport = place.connect(server.clone()).await?;
    let sent = Box::pin(transport.exchange(exchange("Online")));
    match select(sent, pin!(server.until_received(1))).await {
        Either::Left((Ok(_), _)) => return Err(Failure::new("an answer came from a silent server")),
        Either::Left((Err(error), _)) => return Err(error.into()),
        Either::Right(((), sent)) => drop(sent),
    }
    server.until_gone().await;
    Ok(())
}

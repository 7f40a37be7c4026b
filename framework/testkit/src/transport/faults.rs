//! What goes wrong on the way, and what the error says to do.

use super::TransportPlace;
use super::samples::{error_of, exchange, page, pieces, read_all, welcome, with_token};
use super::script::{Piece, Reply, ScriptedServer};
use crate::suite::CaseResult;
use crate::{check, check_eq};
use onsync_core::transport::Exchange;
use onsync_core::wire::AnswerFrame;
use onsync_core::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

/// Sends one request and reads the whole answer: the frames that came, and the error at the end if there was one.
async fn result_of(
    place: &dyn TransportPlace,
    reply: Reply,
    time_out: Option<Duration>,
) -> Result<(usize, Option<Error>), Error> {
    let transport = place.connect(Arc::new(ScriptedServer::with(reply))).await?;
    let sent = Exchange {
        time_out,
        ..with_token("Online", "secret")
    };
    let mut answer = match transport.exchange(sent).await {
        Ok(answer) => answer,
        Err(error) => return Ok((0, Some(error))),
    };
    let mut frames = 0;
    loop {
        match answer.next().await {
            Ok(Some(_)) => frames += 1,
            Ok(None) => return Ok((frames, None)),
            Err(error) => return Ok((frames, Some(error))),
        }
    }
}

async fn fails(
    place: &dyn TransportPlace,
    reply: Reply,
    code: &str,
) -> Result<(usize, Error), crate::suite::Failure> {
    let (frames, error) = result_of(place, reply, None).await?;
    let error = error_of(error.map_or(Ok(frames), Err), code)?;
    check_eq!(error.code(), code, "{error}");
    Ok((frames, error))
}

/// Without `end` nothing is whole.
pub async fn an_answer_that_ends_early_fails(place: &dyn TransportPlace) -> CaseResult {
    let script = pieces([welcome(), page(5, "text")?]);
    let (frames, error) = fails(place, Reply::Answer(script), "answer_truncated").await?;
    check_eq!(frames, 2, "frames before the cut");
    check_eq!(error.kind(), ErrorKind::Transient, "{error}");
    Ok(())
}

/// Half a frame is no frame.
pub async fn an_answer_cut_within_a_frame_fails(place: &dyn TransportPlace) -> CaseResult {
    let mut script = pieces([welcome()]);
    script.push(Piece::Half(page(50, "text")?));
    let (frames, error) = fails(place, Reply::Answer(script), "answer_truncated").await?;
    check_eq!(frames, 1, "frames before the cut");
    check_eq!(error.kind(), ErrorKind::Transient, "{error}");
    Ok(())
}

/// The connection breaks within the first frame.
pub async fn an_answer_cut_before_its_first_frame_fails(place: &dyn TransportPlace) -> CaseResult {
    let script = vec![Piece::Half(page(50, "text")?)];
    let (frames, error) = result_of(place, Reply::Answer(script), None).await?;
    let error = error_of(error.map_or(Ok(frames), Err), "an error")?;
    check_eq!(frames, 0, "frames before the cut");
    check!(
        error.kind().may_pass(),
        "it may pass by itself, found {:?}: {error}",
        error.kind()
    );
    Ok(())
}

/// A captive portal answers everything with success.
pub async fn a_page_for_people_is_not_onsync(place: &dyn TransportPlace) -> CaseResult {
    let (frames, _) = fails(place, Reply::Page, "not_onsync").await?;
    check_eq!(frames, 0, "frames of a page for people");
    Ok(())
}

/// `200` and nothing is not "nothing changed".
pub async fn an_empty_body_is_not_onsync(place: &dyn TransportPlace) -> CaseResult {
    let (frames, _) = fails(place, Reply::Empty, "not_onsync").await?;
    check_eq!(frames, 0, "frames of an empty body");
    Ok(())
}

/// A probe must not take a captive portal for the server.
pub async fn health_of_a_captive_portal_is_not_onsync(place: &dyn TransportPlace) -> CaseResult {
    for reply in [Reply::Page, Reply::Empty] {
        let server = Arc::new(ScriptedServer::new());
        server.reply_to_health(reply.clone());
        let transport = place.connect(server).await?;
        let error = error_of(transport.health().await, "not_onsync")?;
        check_eq!(error.code(), "not_onsync", "{reply:?}: {error}");
    }
    Ok(())
}

/// An error, and no panic, no hang, no frame made of it.
pub async fn bytes_that_are_no_frame_fail(place: &dyn TransportPlace) -> CaseResult {
    let mut script = pieces([welcome()]);
    script.push(Piece::Garbage);
    script.extend(pieces([AnswerFrame::End {}]));
    let (frames, error) = result_of(place, Reply::Answer(script), None).await?;
    let error = error_of(error.map_or(Ok(frames), Err), "an error")?;
    check_eq!(frames, 1, "frames before the garbage");
    check!(
        ["invalid_frame", "frame_too_large"].contains(&error.code()),
        "wanted `invalid_frame` or `frame_too_large`, found `{}`: {error}",
        error.code()
    );
    Ok(())
}

/// Syncing pauses until there are new credentials.
pub async fn refused_credentials_are_unauthorised(place: &dyn TransportPlace) -> CaseResult {
    let (_, error) = fails(place, Reply::Unauthorised, "unauthorised").await?;
    check_eq!(error.kind(), ErrorKind::Unauthorised, "{error}");
    Ok(())
}

/// `Retry-After` is handed on, and so is its absence.
pub async fn a_busy_server_is_transient_with_its_wish(place: &dyn TransportPlace) -> CaseResult {
    for wish in [Some(Duration::from_secs(17)), None] {
        let (frames, error) = result_of(place, Reply::Busy(wish), None).await?;
        let error = error_of(error.map_or(Ok(frames), Err), "a transient error")?;
        check_eq!(error.kind(), ErrorKind::Transient, "{error}");
        check_eq!(error.retry_after(), wish, "{error}");
    }
    Ok(())
}

/// It may pass by itself.
pub async fn a_broken_server_is_transient(place: &dyn TransportPlace) -> CaseResult {
    let (frames, error) = result_of(place, Reply::Broken, None).await?;
    let error = error_of(error.map_or(Ok(frames), Err), "a transient error")?;
    check_eq!(error.kind(), ErrorKind::Transient, "{error}");
    Ok(())
}

/// The run waits for the network instead of counting failures.
pub async fn nobody_listening_is_offline(place: &dyn TransportPlace) -> CaseResult {
    let transport = place.to_nobody().await?;
    let result = transport.exchange(exchange("Online")).await.map(|_| "an answer");
    check_eq!(
        error_of(result, "an error")?.kind(),
        ErrorKind::Offline,
        "the kind of the exchange's error"
    );
    check_eq!(
        error_of(transport.health().await, "an error")?.kind(),
        ErrorKind::Offline,
        "the kind of the error of health"
    );
    Ok(())
}

const SOON: Option<Duration> = Some(Duration::from_millis(200));

/// A black hole does not stop syncing for ever.
pub async fn silence_before_the_answer_times_out(place: &dyn TransportPlace) -> CaseResult {
    let (frames, error) = result_of(place, Reply::Silent, SOON).await?;
    let error = error_of(error.map_or(Ok(frames), Err), "time_out")?;
    check_eq!(error.code(), "time_out", "{error}");
    check!(
        error.kind().may_pass(),
        "it may pass by itself, found {:?}",
        error.kind()
    );
    Ok(())
}

/// The time-out counts between two pieces too.
pub async fn silence_within_the_answer_times_out(place: &dyn TransportPlace) -> CaseResult {
    let mut script = pieces([welcome()]);
    script.push(Piece::Hold);
    script.extend(pieces([AnswerFrame::End {}]));
    let (frames, error) = result_of(place, Reply::Answer(script), SOON).await?;
    let error = error_of(error.map_or(Ok(frames), Err), "time_out")?;
    check_eq!(frames, 1, "frames before the silence");
    check_eq!(error.code(), "time_out", "{error}");
    Ok(())
}

/// Only the engine knows whether repeating is safe.
pub async fn a_failed_exchange_is_not_repeated(place: &dyn TransportPlace) -> CaseResult {
    let cut = Reply::Answer(vec![Piece::Half(page(50, "text")?)]);
    for reply in [Reply::Broken, Reply::Busy(None), Reply::Unauthorised, cut] {
        let server = Arc::new(ScriptedServer::with(reply.clone()));
        let transport = place.connect(server.clone()).await?;
        let result = transport.exchange(with_token("Online", "secret")).await;
        if let Ok(answer) = result {
            check!(read_all(answer).await.is_err(), "{reply:?}: wanted an error");
        }
        check_eq!(server.received().len(), 1, "requests after {reply:?}");
    }
    Ok(())
}

/// One failure leaves nothing behind.
pub async fn a_failure_does_not_spoil_the_next_exchange(place: &dyn TransportPlace) -> CaseResult {
    let cut = Reply::Answer(vec![Piece::Frame(welcome()), Piece::Half(page(50, "text")?)]);
    for reply in [Reply::Page, Reply::Broken, Reply::Unauthorised, cut] {
        let server = Arc::new(ScriptedServer::with(reply));
        let transport = place.connect(server).await?;
        if let Ok(answer) = transport.exchange(exchange("Online")).await {
            check!(read_all(answer).await.is_err(), "wanted an error");
        }
        let frames = read_all(transport.exchange(exchange("Online")).await?).await?;
        check_eq!(frames.len(), 2, "frames of the next answer");
    }
    Ok(())
}

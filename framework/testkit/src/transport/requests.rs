//! What arrives at the server.

use super::TransportPlace;
use super::samples::{exchange, hello, mutation, read_all, request, with_token, written};
use super::script::{Piece, Reply, ScriptedServer};
use crate::suite::{CaseResult, refused};
use crate::{check, check_eq};
use futures_util::future::join_all;
use onsync_core::transport::Exchange;
use onsync_core::wire::{AnswerFrame, RequestFrame};
use std::sync::Arc;

/// Frames of every kind, in both directions of surprise: text with line breaks, keys of several values, extremes.
pub async fn request_frames_arrive_once_in_order_and_unchanged(place: &dyn TransportPlace) -> CaseResult {
    let server = Arc::new(ScriptedServer::new());
    let transport = place.connect(server.clone()).await?;
    read_all(transport.exchange(exchange("Online")).await?).await?;
    let received = server.received();
    check_eq!(received.len(), 1, "requests that arrived");
    check_eq!(
        written(&received[0].frames)?,
        written(&request("Online"))?,
        "the frames"
    );
    Ok(())
}

/// Larger than the buffers on the way.
pub async fn a_large_request_arrives_unchanged(place: &dyn TransportPlace) -> CaseResult {
    let server = Arc::new(ScriptedServer::new());
    let transport = place.connect(server.clone()).await?;
    let mut frames = vec![hello("Online")];
    for number in 1..=600 {
        // Hardly compressible, about 600 kB in all.
        let text: String = (0..1000u64)
            .map(|at| char::from(b' ' + ((number * 7919 + at * at * 31 + at * number) % 90) as u8))
            .collect();
        frames.push(RequestFrame::Mutation(mutation(number, text)));
    }
    frames.push(RequestFrame::End {});
    let exchange = Exchange {
        frames: frames.clone(),
        credentials: None,
        time_out: None,
    };
    read_all(transport.exchange(exchange).await?).await?;
    let received = server.received();
    check_eq!(received.len(), 1, "requests that arrived");
    check!(
        written(&received[0].frames)? == written(&frames)?,
        "the frames are not those that were sent"
    );
    Ok(())
}

/// Each exchange speaks for its own user.
pub async fn credentials_travel_with_their_exchange(place: &dyn TransportPlace) -> CaseResult {
    let server = Arc::new(ScriptedServer::new());
    let transport = place.connect(server.clone()).await?;
    for token in ["secret-1", "secret-2"] {
        read_all(transport.exchange(with_token("Login", token)).await?).await?;
    }
    let tokens: Vec<_> = server
        .received()
        .into_iter()
        .map(|request| request.token)
        .collect();
    check_eq!(
        tokens,
        [Some("secret-1".to_owned()), Some("secret-2".to_owned())],
        "the tokens"
    );
    Ok(())
}

/// Nothing is remembered from an earlier exchange.
pub async fn without_credentials_none_are_sent(place: &dyn TransportPlace) -> CaseResult {
    let server = Arc::new(ScriptedServer::new());
    let transport = place.connect(server.clone()).await?;
    read_all(transport.exchange(with_token("Login", "secret")).await?).await?;
    read_all(transport.exchange(exchange("Online")).await?).await?;
    check_eq!(
        server.received()[1].token,
        None,
        "the token of the second exchange"
    );
    Ok(())
}

/// A redirect to another host is refused, and nothing reaches that host.
pub async fn credentials_do_not_follow_a_redirect(place: &dyn TransportPlace) -> CaseResult {
    let server = Arc::new(ScriptedServer::with(Reply::Elsewhere));
    let transport = place.connect(server).await?;
    let result = transport.exchange(with_token("Login", "secret")).await;
    refused(result, "redirect_refused")?;
    if let Some(other) = place.elsewhere() {
        check!(
            other.received().is_empty(),
            "the other host got the request, token {:?}",
            other.received()[0].token
        );
    }
    Ok(())
}

/// Two exchanges in flight, answered in the opposite order.
pub async fn exchanges_at_the_same_time_do_not_mix(place: &dyn TransportPlace) -> CaseResult {
    let server = Arc::new(ScriptedServer::new());
    let transport = place.connect(server.clone()).await?;
    let contexts: Vec<String> = (0..8).map(|number| format!("context {number}")).collect();
    let all = contexts
        .iter()
        .map(|context| async { read_all(transport.exchange(with_token(context, context)).await?).await });
    for result in join_all(all).await {
        check_eq!(result?.len(), 2, "frames of each answer");
    }
    let mut received = server.received();
    check_eq!(received.len(), 8, "requests that arrived");
    received.sort_by(|a, b| a.token.cmp(&b.token));
    for (request, context) in received.iter().zip(&contexts) {
        check_eq!(request.token.as_ref(), Some(context), "the token");
        check_eq!(
            written(&request.frames)?,
            written(&super::samples::request(context))?,
            "the frames of {context}"
        );
    }
    Ok(())
}

/// Identity and limits.
pub async fn health_tells_what_the_server_says(place: &dyn TransportPlace) -> CaseResult {
    let server = Arc::new(ScriptedServer::new());
    let transport = place.connect(server).await?;
    check_eq!(transport.health().await?, ScriptedServer::health(), "health");
    Ok(())
}

/// Nothing is remembered from an exchange with credentials.
pub async fn health_needs_no_credentials(place: &dyn TransportPlace) -> CaseResult {
    let server = Arc::new(ScriptedServer::new());
    server.reply(Reply::Answer(vec![Piece::Frame(AnswerFrame::End {})]));
    let transport = place.connect(server.clone()).await?;
    read_all(transport.exchange(with_token("Login", "secret")).await?).await?;
    transport.health().await?;
    check_eq!(server.health_asked(), [None], "tokens of questions for health");
    Ok(())
}

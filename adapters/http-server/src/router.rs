//! The routes.

use crate::body::{self, Limits};
use crate::negotiate::{self, Coding};
use crate::options::{Compression, HttpServerOptions};
use crate::pipeline::{self, Work};
use crate::{error, trace};
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Extensions, Method, Response, StatusCode};
use axum::middleware::from_fn;
use axum::routing::{get, post};
use axum::{Json, Router};
use onsync_core::error::{Error, Result};
use onsync_core::wire::{Format, Health};
use onsync_server::SyncService;
use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

/// How long a browser may remember a preflight's answer.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3600);

#[derive(Clone)]
struct Face {
    service: Arc<dyn SyncService>,
    options: Arc<HttpServerOptions>,
    places: Arc<Semaphore>,
}

/// `POST /v1/sync` and `GET /v1/health` of a service, to serve with [`serve`](crate::serve()) or to merge or nest into an app's own
/// router.
///
/// With [`axum::extract::ConnectInfo`] for [`SocketAddr`] it knows which clients are on this machine; without, `compression =
/// "auto"` means on.
///
/// # Errors
/// `invalid_options` for limits of zero and for origins that are none.
pub fn router(service: Arc<dyn SyncService>, options: HttpServerOptions) -> Result<Router> {
    options.check()?;
    let cors = cors(&options.cors_origins)?;
    let face = Face {
        service,
        places: Arc::new(Semaphore::new(
            options.max_concurrent_requests.min(Semaphore::MAX_PERMITS),
        )),
        options: Arc::new(options),
    };
    let router = Router::new()
        .route("/v1/sync", post(sync))
        .route("/v1/health", get(health))
        .with_state(face)
        .layer(CatchPanicLayer::custom(panicked));
    let router = match cors {
        Some(cors) => router.layer(cors),
        None => router,
    };
    // An answer that something on the way kept and gave again would be taken for news.
    let fresh =
        SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(router.layer(fresh).layer(from_fn(trace::trace)))
}

async fn health(State(face): State<Face>) -> Json<Health> {
    let mut health = face.service.health();
    let limit = u64::try_from(face.options.max_request_bytes).unwrap_or(u64::MAX);
    health.max_request_bytes = health.max_request_bytes.min(limit);
    Json(health)
}

async fn sync(State(face): State<Face>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let told_in = negotiate::request_format(&parts.headers).unwrap_or(Format::JsonLines);
    match accept(face, &parts.headers, &parts.extensions, body).await {
        Ok(work) => pipeline::answer(work).await,
        Err(error) => {
            let format = negotiate::answer_format(&parts.headers, told_in).unwrap_or(told_in);
            error::response(&error, format)
        }
    }
}

/// From headers and body to a whole request, within all limits.
async fn accept(face: Face, headers: &HeaderMap, extensions: &Extensions, body: Body) -> Result<Work> {
    let request = negotiate::request_format(headers).ok_or_else(|| {
        Error::unsupported(
            "format_unsupported",
            format!(
                "wanted Content-Type {} or {}, found another or none",
                Format::Binary.media_type(),
                Format::JsonLines.media_type()
            ),
        )
    })?;
    let format = negotiate::answer_format(headers, request).ok_or_else(|| {
        Error::unsupported(
            "not_acceptable",
            format!(
                "wanted an Accept header that allows {} or {}, found only others",
                Format::Binary.media_type(),
                Format::JsonLines.media_type()
            ),
        )
    })?;
    let coding = negotiate::request_coding(headers).ok_or_else(|| {
        Error::unsupported(
            "encoding_unsupported",
            "wanted a body that is not compressed, or once by zstd or gzip, found another Content-Encoding",
        )
    })?;
    // Taken before the body is read: it bounds how many bodies are in memory.
    let permit = face.places.try_acquire_owned().map_err(|_| {
        Error::busy(
            "server_busy",
            "wanted a place among the requests worked on at once, found none free; try again later",
        )
    })?;
    let limits = Limits {
        bytes: face.options.max_request_bytes,
        time: face.options.body_time_out,
    };
    let body = body::read(headers, body, coding, limits).await?;
    let frames = body::frames(&body, request, limits.bytes)?;
    drop(body);
    Ok(Work {
        service: face.service,
        token: negotiate::token(headers).map(str::to_owned),
        frames,
        format,
        coding: answer_coding(face.options.compression, headers, extensions),
        send_time_out: face.options.send_time_out,
        permit,
    })
}

fn answer_coding(compression: Compression, headers: &HeaderMap, extensions: &Extensions) -> Coding {
    let here = || {
        extensions
            .get::<ConnectInfo<SocketAddr>>()
            .is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback())
    };
    match compression {
        Compression::Off => Coding::Identity,
        Compression::Auto if here() => Coding::Identity,
        Compression::Auto | Compression::On => negotiate::answer_coding(headers),
    }
}

/// The last net below everything that is not the service's own task.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response<Body> {
    tracing::error!("a panic ended a request");
    error::failed(
        StatusCode::INTERNAL_SERVER_ERROR,
        error::internal(),
        Format::JsonLines,
    )
}

fn cors(origins: &[String]) -> Result<Option<CorsLayer>> {
    if origins.is_empty() {
        return Ok(None);
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let list = origins.iter().map(|origin| origin_value(origin));
        AllowOrigin::list(list.collect::<Result<Vec<_>>>()?)
    };
    let request_id = HeaderName::from_static(trace::REQUEST_ID);
    Ok(Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::CONTENT_ENCODING,
                header::ACCEPT,
                request_id.clone(),
            ])
            .expose_headers([header::RETRY_AFTER, header::DATE, request_id])
            .max_age(PREFLIGHT_AGE),
    ))
}

/// A browser sends scheme, host and port, and nothing else is ever equal to it.
fn origin_value(origin: &str) -> Result<HeaderValue> {
    let host = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"))
        .unwrap_or_default();
    let well_formed = !host.is_empty()
        && !host.contains(['/', '?', '#', '@', ' ', '*'])
        && origin.to_ascii_lowercase() == origin;
    HeaderValue::from_str(origin)
        .ok()
        .filter(|_| well_formed)
        .ok_or_else(|| {
            Error::unsupported(
                "invalid_options",
                format!(
                    "wanted an origin such as https://app.example.org (scheme and host, no path, small letters), found \
                     `{origin}`; correct `cors_origins`"
                ),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_that_no_browser_sends_are_refused() {
        for good in ["https://app.example.org", "http://localhost:8080", "*"] {
            assert!(cors(&[good.to_owned()]).unwrap().is_some(), "{good}");
        }
        for wrong in [
            "app.example.org",
            "https://app.example.org/",
            "https://",
            "https://*.example.org",
            "https://App.example.org",
            "https://a\nb",
        ] {
            assert_eq!(
                cors(&[wrong.to_owned()]).unwrap_err().code(),
                "invalid_options",
                "{wrong}"
            );
        }
        assert!(cors(&[]).unwrap().is_none());
    }
}

#![doc = include_str!("../README.md")]

mod answer;
mod content;
mod error;
mod options;
mod platform;
mod request;

use crate::answer::HttpAnswer;
pub use crate::options::{Compression, HttpTransportOptions, WireFormat};
use crate::request::Target;
use onsync_core::error::Result;
use onsync_core::metric::MetricInfo;
use onsync_core::portable_async;
use onsync_core::transport::{Answer, Exchange, Transport};
use onsync_core::wire::{Format, Health};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode};
use std::time::Duration;
use url::Url;

/// The name under which this transport is registered and configured.
pub const NAME: &str = "http";

static SENT: MetricInfo = MetricInfo::counter(
    "onsync_device_sent_bytes_total",
    "bytes",
    &[],
    "bytes of request bodies, as they were on the wire, each time they were sent",
);

/// Every number that the transport counts.
pub const METRICS: &[&MetricInfo] = &[&SENT];

/// How many redirects within the configured origin are followed.
const MAX_REDIRECTS: usize = 3;

/// Carries requests to one OnSync server over HTTP/1.1.
///
/// Natively its futures need a tokio runtime with I/O and time enabled; the engine runs them inside its own. In the browser
/// they need nothing. Cloning shares the connection pool.
#[derive(Clone)]
pub struct HttpTransport {
    options: HttpTransportOptions,
    target: Target,
    client: reqwest::Client,
}

impl std::fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpTransport")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl HttpTransport {
    /// A transport to the server of the options. Nothing is sent yet.
    ///
    /// # Errors
    /// `invalid_url` when the address is not one of an HTTP server, `tls_unavailable` when the operating system's certificate
    /// store cannot be read.
    pub fn new(options: HttpTransportOptions) -> Result<Self> {
        let target = Target::parse(&options.url)?;
        let client = platform::client(&options, &target)?;
        Ok(Self {
            options,
            target,
            client,
        })
    }

    /// Sends one request, follows redirects within the origin, and gives the response whatever its status.
    async fn send(&self, sending: Sending, wait: Duration) -> Result<Response> {
        let mut url = sending.url;
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self
                .client
                .request(sending.method.clone(), url.clone())
                .headers(sending.headers.clone());
            if let Some(body) = &sending.body {
                SENT.add(&[], body.len() as u64);
                request = request.body(body.clone());
            }
            let response = platform::time_out(wait, request.send())
                .await
                .ok_or_else(|| error::timed_out(&self.target, "the answer to begin", wait))?
                .map_err(|cause| error::unreachable(&self.target, cause))?;
            if !self.target.is_origin_of(response.url()) {
                return Err(error::redirect_refused(&self.target, response.url().host_str()));
            }
            match self.redirect(&response)? {
                Some(next) => url = next,
                None => return Ok(response),
            }
        }
        Err(error::too_many_redirects(&self.target, MAX_REDIRECTS))
    }

    /// Where a redirect within the origin leads; none for any other response.
    fn redirect(&self, response: &Response) -> Result<Option<Url>> {
        let (StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT) = response.status()
        else {
            return Ok(None);
        };
        let next = response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|location| response.url().join(location).ok())
            .ok_or_else(|| error::redirect_refused(&self.target, None))?;
        // A redirect that turns a POST into a GET leads to a page for people, never to an answer.
        if response.status() == StatusCode::SEE_OTHER || !self.target.is_origin_of(&next) {
            return Err(error::redirect_refused(&self.target, next.host_str()));
        }
        Ok(Some(next))
    }

    fn headers(&self, exchange: &Exchange, format: Format) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        let media_type = HeaderValue::from_static(format.media_type());
        headers.insert(CONTENT_TYPE, media_type.clone());
        headers.insert(ACCEPT, media_type);
        platform::accept_compression(&self.options, &mut headers);
        if let Some(credentials) = &exchange.credentials {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", credentials.token()))
                .map_err(|_| error::unusable_token())?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }
}

/// One request, ready to be sent and, after a redirect, sent again.
struct Sending {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<bytes::Bytes>,
}

#[portable_async]
impl Transport for HttpTransport {
    async fn exchange(&self, exchange: Exchange) -> Result<Box<dyn Answer>> {
        let format = Format::from(self.options.format);
        let mut headers = self.headers(&exchange, format)?;
        let wait = exchange.time_out.unwrap_or(self.options.time_out);
        let encoded = request::encode(&exchange.frames, format, self.options.max_request_bytes)?;
        drop(exchange);
        let body = request::compress(encoded, &self.options, &self.target, &mut headers)?;
        let begin = wait + request::upload_allowance(body.len());
        let sending = Sending {
            method: Method::POST,
            url: self.target.endpoint("v1/sync"),
            headers,
            body: Some(body),
        };
        let response = self.send(sending, begin).await?;
        tracing::debug!(status = response.status().as_u16(), "answer begins");
        if response.status() != StatusCode::OK {
            return Err(error::refused(&self.target, response, wait).await);
        }
        let found = error::content_type(response.headers());
        let Some(format) = found.as_deref().and_then(Format::from_media_type) else {
            return Err(error::not_onsync(
                &self.target,
                response.status(),
                found.as_deref(),
            ));
        };
        Ok(Box::new(HttpAnswer::new(&self.target, response, format, wait)?))
    }

    async fn health(&self) -> Result<Health> {
        let wait = self.options.time_out;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let sending = Sending {
            method: Method::GET,
            url: self.target.endpoint("v1/health"),
            headers,
            body: None,
        };
        let response = self.send(sending, wait).await?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(error::refused(&self.target, response, wait).await);
        }
        let found = error::content_type(response.headers());
        let body = answer::small_body(&self.target, response, wait).await?;
        serde_json::from_slice::<Health>(&body)
            .ok()
            .filter(|health| health.service == "onsync")
            .ok_or_else(|| error::not_onsync(&self.target, status, found.as_deref()))
    }
}

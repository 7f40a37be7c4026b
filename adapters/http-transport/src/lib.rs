#![doc = include_str!("../README.md")]

mod answer;
mod content;
mod error;
mod options;
mod platform;
mod request;

use crate::answer::HttpAnswer;
pub use crate::options::{Compression, HttpTransportOptions, WireFormat};
use crate::platform::{Address, Client, Headers, Response, Sending};
use crate::request::Target;
use onsync_core::error::Result;
use onsync_core::metric::MetricInfo;
use onsync_core::portable_async;
use onsync_core::transport::{Answer, Exchange, Transport};
use onsync_core::wire::{Format, Health};
use std::time::Duration;

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
    client: Client,
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
        let client = Client::new(&options, &target)?;
        Ok(Self {
            options,
            target,
            client,
        })
    }

    /// Sends one request, follows redirects within the origin, and gives the response whatever its status.
    async fn send(&self, mut sending: Sending, wait: Duration) -> Result<Response> {
        for _ in 0..=MAX_REDIRECTS {
            if let Some(body) = &sending.body {
                SENT.add(&[], body.len() as u64);
            }
            let response = platform::time_out(wait, self.client.send(&sending))
                .await
                .ok_or_else(|| error::timed_out(&self.target, "the answer to begin", wait))?
                .map_err(|cause| error::unreachable(&self.target, cause))?;
            match self.redirect(&response)? {
                Some(next) => sending.url = next,
                None => return Ok(response),
            }
        }
        Err(error::too_many_redirects(&self.target, MAX_REDIRECTS))
    }

    /// Where a redirect within the origin leads; none for any other response. A response of another origin is refused.
    fn redirect(&self, response: &Response) -> Result<Option<Address>> {
        let nowhere = || error::redirect_refused(&self.target, None);
        let from = response.address().ok_or_else(nowhere)?;
        let refused = |to: &Address| error::redirect_refused(&self.target, Some(&to.host()));
        if !self.target.is_origin_of(&from) {
            return Err(refused(&from));
        }
        let status = response.status();
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let next = response
            .header("location")
            .and_then(|location| from.join(&location))
            .ok_or_else(nowhere)?;
        // A redirect that turns a POST into a GET leads to a page for people, never to an answer.
        if status == 303 || !self.target.is_origin_of(&next) {
            return Err(refused(&next));
        }
        Ok(Some(next))
    }

    fn headers(&self, exchange: &Exchange, format: Format) -> Result<Headers> {
        let media_type = format.media_type().to_owned();
        let mut headers = vec![("content-type", media_type.clone()), ("accept", media_type)];
        platform::accept_compression(&self.options, &mut headers);
        if let Some(credentials) = &exchange.credentials {
            let token = credentials.token();
            if !token.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
                return Err(error::unusable_token());
            }
            headers.push(("authorization", format!("Bearer {token}")));
        }
        Ok(headers)
    }
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
            url: self.target.endpoint("v1/sync"),
            headers,
            body: Some(body),
        };
        let response = self.send(sending, begin).await?;
        tracing::debug!(status = response.status(), "answer begins");
        if response.status() != 200 {
            return Err(error::refused(&self.target, response, wait).await);
        }
        let found = error::content_type(&response);
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
        let headers = vec![("accept", "application/json".to_owned())];
        let sending = Sending {
            url: self.target.endpoint("v1/health"),
            headers,
            body: None,
        };
        let response = self.send(sending, wait).await?;
        let status = response.status();
        if status != 200 {
            return Err(error::refused(&self.target, response, wait).await);
        }
        let found = error::content_type(&response);
        let body = answer::small_body(&self.target, response, wait).await?;
        onsync_core::json::from_slice::<Health>(&body)
            .ok()
            .filter(|health| health.service == "onsync")
            .ok_or_else(|| error::not_onsync(&self.target, status, found.as_deref()))
    }
}

//! Requests by reqwest.

use super::ByteStream;
use crate::error;
use crate::options::HttpTransportOptions;
use crate::platform::{Failure, Sending};
use crate::request::Target;
use bytes::Bytes;
use futures_util::stream::StreamExt;
use onsync_core::error::Result;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use rustls_platform_verifier::BuilderVerifierExt;
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Idle connections go before a server's usual limit of a minute closes them under a request.
const KEEP_ALIVE: Duration = Duration::from_secs(45);

/// Sends requests. Cloning shares the connection pool.
#[derive(Clone)]
pub(crate) struct Client(reqwest::Client);

impl Client {
    pub(crate) fn new(options: &HttpTransportOptions, target: &Target) -> Result<Self> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("onsync/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(options.connect_time_out)
            .pool_idle_timeout(KEEP_ALIVE)
            .pool_max_idle_per_host(4)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .tls_backend_preconfigured(tls(target)?);
        if target.is_loopback() {
            builder = builder.no_proxy();
        }
        error::client_failed(builder.build()).map(Self)
    }

    /// Sends one request and gives its response, whatever its status. Redirects are not followed.
    pub(crate) async fn send(&self, sending: &Sending) -> std::result::Result<Response, Failure> {
        let url = sending.url.as_url().clone();
        let mut request = match &sending.body {
            Some(body) => self.0.post(url).body(body.clone()),
            None => self.0.get(url),
        };
        for (name, value) in &sending.headers {
            let name = HeaderName::from_static(name);
            let mut value = HeaderValue::from_str(value).map_err(|cause| Failure::lost(&cause))?;
            value.set_sensitive(name == AUTHORIZATION);
            request = request.header(name, value);
        }
        request.send().await.map(Response).map_err(failure)
    }
}

/// rustls with ring and the operating system's verifier. Nothing is installed process-wide: the app may use another provider.
fn tls(target: &Target) -> Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = error::client_failed(
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions(),
    )?;
    // Plain http never leaves its scheme, so it needs no certificate store, which may be missing in a small container.
    if !target.is_secure() {
        return Ok(builder
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth());
    }
    Ok(error::client_failed(builder.with_platform_verifier())?.with_no_client_auth())
}

/// Why there is no response.
fn failure(cause: reqwest::Error) -> Failure {
    let cause = cause.without_url();
    if cause.is_timeout() {
        Failure::timed_out(&cause)
    } else if is_tls(&cause) {
        Failure::untrusted(&cause)
    } else if cause.is_connect() {
        Failure::unreachable(&cause)
    } else {
        Failure::lost(&cause)
    }
}

/// Whether a certificate or handshake was the reason.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = next {
        if cause.is::<rustls::Error>() {
            return true;
        }
        let inner = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn StdError + 'static));
        next = inner.or_else(|| cause.source());
    }
    false
}

/// A response whose body has not been read yet.
pub(crate) struct Response(reqwest::Response);

impl Response {
    pub(crate) fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// A header by its lower-case name; none where it is no text.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.0.headers().get(name)?.to_str().ok().map(str::to_owned)
    }

    /// Where it came from.
    pub(crate) fn address(&self) -> Option<super::Address> {
        Some(self.0.url().clone().into())
    }

    /// The body as it arrives; a failure says what broke it.
    pub(crate) fn into_stream(self) -> ByteStream {
        self.0
            .bytes_stream()
            .map(|piece: reqwest::Result<Bytes>| piece.map_err(|cause| Failure::lost(&cause.without_url())))
            .boxed()
    }
}

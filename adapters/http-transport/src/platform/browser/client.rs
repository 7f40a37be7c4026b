//! Requests by `fetch`: the browser's own connections, TLS, compression and redirects.

use super::{Address, ByteStream};
use crate::options::HttpTransportOptions;
use crate::platform::{Failure, Sending};
use crate::request::Target;
use bytes::Bytes;
use futures_util::stream;
use js_sys::{Function, Promise, Reflect, Uint8Array};
use onsync_core::error::{Error, Result};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Headers, ReadableStreamDefaultReader, RequestInit};

/// Sends requests by the `fetch` of the page or worker.
#[derive(Clone)]
pub(crate) struct Client {
    fetch: Function,
}

impl Client {
    pub(crate) fn new(_options: &HttpTransportOptions, _target: &Target) -> Result<Self> {
        let fetch = Reflect::get(&js_sys::global(), &"fetch".into()).unwrap_or_default();
        let fetch = fetch.dyn_into().map_err(|_| {
            Error::fatal(
                "fetch_unavailable",
                "wanted the browser's `fetch`, found none; OnSync runs on pages and in workers of a browser",
            )
        })?;
        Ok(Self { fetch })
    }

    /// Sends one request and gives its response, whatever its status. The browser follows redirects, without the token where they leave
    /// the origin; the response's address shows it. Dropping the future ends the request.
    pub(crate) async fn send(&self, sending: &Sending) -> std::result::Result<Response, Failure> {
        let ending = Ending(AbortController::new().map_err(failure)?);
        let init = RequestInit::new();
        init.set_signal(Some(&ending.0.signal()));
        let headers = Headers::new().map_err(failure)?;
        for (name, value) in &sending.headers {
            headers.append(name, value).map_err(failure)?;
        }
        init.set_headers(&headers);
        init.set_method(if sending.body.is_some() { "POST" } else { "GET" });
        if let Some(body) = &sending.body {
            init.set_body(&Uint8Array::from(body.as_ref()));
        }
        let answered = self
            .fetch
            .call2(&js_sys::global(), &sending.url.text().into(), &init)
            .and_then(|begun| begun.dyn_into::<Promise>())
            .map_err(failure)?;
        let response = JsFuture::from(answered).await.map_err(failure)?;
        Ok(Response {
            response: response.unchecked_into(),
            ending,
        })
    }
}

/// Ends a request with whatever of its answer is still to come, when it is dropped.
struct Ending(AbortController);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// `fetch` tells no reasons: every failure is taken for a missing connection.
fn failure(thrown: JsValue) -> Failure {
    Failure::unreachable(&Thrown::from(thrown))
}

/// What JavaScript threw, as text.
#[derive(Debug)]
struct Thrown(String);

impl From<JsValue> for Thrown {
    fn from(thrown: JsValue) -> Self {
        let message = Reflect::get(&thrown, &"message".into()).ok();
        let text = message.and_then(|message| message.as_string());
        Self(text.unwrap_or_else(|| "the browser gives no reason".to_owned()))
    }
}

impl std::fmt::Display for Thrown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Thrown {}

/// A response whose body has not been read yet.
pub(crate) struct Response {
    response: web_sys::Response,
    ending: Ending,
}

impl Response {
    pub(crate) fn status(&self) -> u16 {
        self.response.status()
    }

    /// A header by its lower-case name; none where the browser hides it.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.response.headers().get(name).ok().flatten()
    }

    /// Where it came from, after redirects.
    pub(crate) fn address(&self) -> Option<Address> {
        Address::parse(&self.response.url()).ok()
    }

    /// The body as it arrives; a failure says what broke it.
    pub(crate) fn into_stream(self) -> ByteStream {
        let reader = self
            .response
            .body()
            .map(|body| body.get_reader().unchecked_into::<ReadableStreamDefaultReader>());
        // The request ends with the stream.
        let state = (reader, self.ending);
        Box::pin(stream::try_unfold(state, |(reader, ending)| async move {
            let Some(open) = &reader else { return Ok(None) };
            let read = JsFuture::from(open.read()).await;
            let read = read.map_err(|thrown| Failure::lost(&Thrown::from(thrown)))?;
            let piece = Reflect::get(&read, &"value".into()).unwrap_or_default();
            Ok(piece
                .dyn_into::<Uint8Array>()
                .ok()
                .map(|piece| (Bytes::from(piece.to_vec()), (reader, ending))))
        }))
    }
}

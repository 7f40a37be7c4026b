//! A peer over a raw socket that says exactly what a test wants, and remembers what it was asked.

use onsync_core::error::{Error, Result};
use onsync_core::transport::{Answer, Credentials, Exchange, Transport};
use onsync_core::wire::{self, AnswerFrame, Format, Hello, RequestFrame, Welcome};
use onsync_http_transport::{HttpTransport, HttpTransportOptions};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The token that must never be seen where it does not belong.
pub(crate) const TOKEN: &str = "secret-token-4711";

/// What the peer does with one connection.
#[derive(Clone)]
pub(crate) enum Reply {
    /// These bytes, then the connection is closed.
    Close(Vec<u8>),
    /// These bytes without waiting for a request.
    Greet(Vec<u8>),
    /// These bytes, then nothing for ever.
    Hang(Vec<u8>),
    /// These bytes, then this piece again and again until nobody reads.
    Repeat(Vec<u8>, Vec<u8>),
}

pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Peer {
    /// Answers the first connections with these replies, further ones with the last.
    pub(crate) async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                let reply = replies[number.min(replies.len() - 1)].clone();
                number += 1;
                tokio::spawn(speak(stream, reply, seen.clone()));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Heads and bodies of all requests, as text.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .map(|request| String::from_utf8_lossy(request).into_owned())
            .collect()
    }

    /// The raw body of the first request.
    pub(crate) fn body(&self) -> Vec<u8> {
        let requests = self.requests.lock().unwrap();
        let end = head_end(&requests[0]).unwrap();
        requests[0][end..].to_vec()
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|at| at + 4)
}

async fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        if let Some(end) = head_end(&bytes) {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.trim().parse().unwrap());
            if bytes.len() >= end + length {
                return bytes;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return bytes,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

async fn speak(mut stream: TcpStream, reply: Reply, seen: Arc<Mutex<Vec<Vec<u8>>>>) {
    if !matches!(reply, Reply::Greet(_)) {
        let request = read_request(&mut stream).await;
        if request.is_empty() {
            return;
        }
        seen.lock().unwrap().push(request);
    }
    match reply {
        Reply::Greet(bytes) | Reply::Close(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Hang(bytes) => {
            let _ = stream.write_all(&bytes).await;
            std::future::pending::<()>().await;
        }
        Reply::Repeat(bytes, piece) => {
            let mut alive = stream.write_all(&bytes).await.is_ok();
            while alive {
                alive = stream.write_all(&piece).await.is_ok();
            }
        }
    }
}

/// A response with these headers; the body ends with the connection.
pub(crate) fn response(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\nconnection: close\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// `200` with this body in the binary format.
pub(crate) fn answer(body: &[u8], headers: &[(&str, &str)]) -> Vec<u8> {
    let mut all = vec![("content-type", Format::Binary.media_type())];
    all.extend_from_slice(headers);
    response("200 OK", &all, body)
}

pub(crate) fn frames(format: Format, frames: &[AnswerFrame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        wire::encode(format, frame, &mut bytes).unwrap();
    }
    bytes
}

pub(crate) fn welcome() -> AnswerFrame {
    AnswerFrame::Welcome(Welcome::new())
}

pub(crate) fn request() -> Vec<RequestFrame> {
    vec![
        RequestFrame::Hello(Hello::new(uuid::Uuid::nil(), 0)),
        RequestFrame::End {},
    ]
}

pub(crate) fn options(url: String) -> HttpTransportOptions {
    let mut options = HttpTransportOptions::new(url);
    // Long enough for a loaded machine; tests of time-outs set their own.
    options.time_out = Duration::from_secs(20);
    options
}

pub(crate) fn exchange() -> Exchange {
    Exchange {
        frames: request(),
        credentials: Some(Credentials::bearer(TOKEN)),
        time_out: None,
    }
}

/// All frames of an answer.
pub(crate) async fn all(mut answer: Box<dyn Answer>) -> Result<Vec<AnswerFrame>> {
    let mut frames = Vec::new();
    while let Some(frame) = answer.next().await? {
        frames.push(frame);
    }
    Ok(frames)
}

/// One exchange to its end.
pub(crate) async fn run(options: HttpTransportOptions) -> Result<Vec<AnswerFrame>> {
    let transport = HttpTransport::new(options)?;
    all(transport.exchange(exchange()).await?).await
}

/// One exchange with a peer that replies so; the error it ends with, which never repeats the token.
pub(crate) async fn failure(reply: Reply) -> Error {
    let peer = Peer::start(vec![reply]).await;
    let error = run(options(peer.url())).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(TOKEN), "{error:?}");
    error
}

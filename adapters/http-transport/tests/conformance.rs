//! The transport keeps the contract of transports, in both formats, against a scripted server behind real sockets.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync_core::transport::Transport;
use onsync_core::wire::{AnswerFrame, Decoder, Format, MAX_FRAME_BYTES, encode};
use onsync_core::{Error, Result, portable_async};
use onsync_http_transport::{HttpTransport, HttpTransportOptions, WireFormat};
use onsync_testkit::fakes::{Piece, Reply, ScriptedServer};
use onsync_testkit::transport::TransportPlace;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
});

struct Loopback {
    format: WireFormat,
    elsewhere: Arc<ScriptedServer>,
}

impl Loopback {
    fn new(format: WireFormat) -> Self {
        Self {
            format,
            elsewhere: Arc::new(ScriptedServer::new()),
        }
    }

    fn transport(&self, address: SocketAddr) -> Result<Arc<dyn Transport>> {
        let mut options = HttpTransportOptions::new(format!("http://{address}"));
        options.format = self.format;
        Ok(Arc::new(HttpTransport::new(options)?))
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::fatal("test_failed", error.to_string())
}

#[portable_async]
impl TransportPlace for Loopback {
    async fn connect(&self, server: Arc<ScriptedServer>) -> Result<Arc<dyn Transport>> {
        let other = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = other.local_addr().map_err(failed)?;
        tokio::spawn(serve(other, self.elsewhere.clone(), address));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let own = listener.local_addr().map_err(failed)?;
        tokio::spawn(serve(listener, server, address));
        self.transport(own)
    }

    async fn to_nobody(&self) -> Result<Arc<dyn Transport>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        drop(listener);
        self.transport(address)
    }

    fn elsewhere(&self) -> Option<Arc<ScriptedServer>> {
        Some(self.elsewhere.clone())
    }
}

async fn serve(listener: TcpListener, server: Arc<ScriptedServer>, elsewhere: SocketAddr) {
    while let Ok((stream, _)) = listener.accept().await {
        let server = server.clone();
        tokio::spawn(async move {
            let mut connection = Connection {
                stream,
                server,
                elsewhere,
            };
            // The other end may go away at any time.
            let _ = connection.speak().await;
        });
    }
}

struct Connection {
    stream: TcpStream,
    server: Arc<ScriptedServer>,
    elsewhere: SocketAddr,
}

struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    fn token(&self) -> Option<String> {
        let value = self.header("authorization")?;
        value.strip_prefix("Bearer ").map(str::to_owned)
    }
}

impl Connection {
    async fn read_request(&mut self) -> std::io::Result<Request> {
        let mut bytes = Vec::new();
        loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let mut request = Request {
                    head: String::from_utf8_lossy(&bytes[..at]).into_owned(),
                    body: bytes.split_off(at + 4),
                };
                let length: usize = request
                    .header("content-length")
                    .map_or(0, |length| length.parse().unwrap());
                while request.body.len() < length {
                    if self.stream.read_buf(&mut request.body).await? == 0 {
                        return Err(std::io::ErrorKind::UnexpectedEof.into());
                    }
                }
                return Ok(request);
            }
            if self.stream.read_buf(&mut bytes).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn speak(&mut self) -> std::io::Result<()> {
        let request = self.read_request().await?;
        if request.head.starts_with("GET /v1/health ") {
            return match self.server.accept_health(request.token()) {
                Some(reply) => self.reply(reply, Format::Binary).await,
                None => {
                    let body = serde_json::to_string(&ScriptedServer::health()).unwrap();
                    self.whole("200 OK", "content-type: application/json\r\n", &body)
                        .await
                }
            };
        }
        let format = Format::from_media_type(request.header("content-type").unwrap()).unwrap();
        assert_eq!(
            request.header("content-encoding"),
            None,
            "loopback is not compressed"
        );
        let mut decoder = Decoder::new(format, MAX_FRAME_BYTES);
        decoder.push(&request.body);
        let mut frames = Vec::new();
        while let Some(frame) = decoder.next_frame().unwrap() {
            frames.push(frame);
        }
        let reply = self.server.accept(request.token(), frames);
        self.reply(reply, format).await
    }

    async fn whole(&mut self, status: &str, headers: &str, body: &str) -> std::io::Result<()> {
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        self.stream.write_all(text.as_bytes()).await
    }

    async fn reply(&mut self, reply: Reply, format: Format) -> std::io::Result<()> {
        let media_type = format!("content-type: {}\r\n", format.media_type());
        match reply {
            Reply::Answer(pieces) => self.answer(pieces, format).await,
            Reply::Page => {
                let page = "<html><body>Welcome to our airport</body></html>";
                self.whole("200 OK", "content-type: text/html\r\n", page).await
            }
            Reply::Empty => self.whole("200 OK", &media_type, "").await,
            Reply::Unauthorised => self.whole("401 Unauthorized", "", "").await,
            Reply::Busy(wait) => {
                let header = wait.map_or(String::new(), |wait| {
                    format!("retry-after: {}\r\n", wait.as_secs())
                });
                self.whole("503 Service Unavailable", &header, "").await
            }
            Reply::Broken => self.whole("500 Internal Server Error", "", "broken").await,
            Reply::Elsewhere => {
                let location = format!("location: http://{}/v1/sync\r\n", self.elsewhere);
                self.whole("307 Temporary Redirect", &location, "").await
            }
            Reply::Silent => {
                self.wait_for_end().await;
                Ok(())
            }
        }
    }

    /// Waits until the other end is gone, and says so.
    async fn wait_for_end(&mut self) {
        let mut rest = Vec::new();
        while !matches!(self.stream.read_buf(&mut rest).await, Ok(0) | Err(_)) {}
        self.server.gone();
    }

    async fn answer(&mut self, pieces: Vec<Piece>, format: Format) -> std::io::Result<()> {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
            format.media_type()
        );
        self.stream.write_all(head.as_bytes()).await?;
        let mut ended = false;
        for piece in pieces {
            match piece {
                Piece::Frame(frame) => {
                    ended = matches!(frame, AnswerFrame::End {} | AnswerFrame::Failed(_));
                    self.frame(&frame, format).await?;
                }
                Piece::Repeat(frame, times) => {
                    for _ in 0..times {
                        self.frame(&frame, format).await?;
                    }
                }
                Piece::Half(frame) => {
                    let bytes = encoded(&frame, format);
                    self.chunk(&bytes[..bytes.len() / 2]).await?;
                }
                Piece::Garbage => self.chunk(&[0xfe; 100]).await?,
                Piece::Hold => {
                    let server = self.server.clone();
                    tokio::select! {
                        () = server.held() => {}
                        () = self.wait_for_end() => return Ok(()),
                    }
                }
            }
        }
        if ended {
            self.stream.write_all(b"0\r\n\r\n").await?;
        }
        self.stream.shutdown().await
    }

    async fn frame(&mut self, frame: &AnswerFrame, format: Format) -> std::io::Result<()> {
        self.server.sent();
        self.chunk(&encoded(frame, format)).await
    }

    async fn chunk(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.stream.write_all(&chunk).await
    }
}

fn encoded(frame: &AnswerFrame, format: Format) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(format, frame, &mut bytes).unwrap();
    bytes
}

mod binary {
    use super::*;
    onsync_testkit::transport_tests!(Loopback::new(WireFormat::Binary), |future| RUNTIME
        .block_on(future));
}

mod json_lines {
    use super::*;
    onsync_testkit::transport_tests!(Loopback::new(WireFormat::JsonLines), |future| RUNTIME
        .block_on(future));
}

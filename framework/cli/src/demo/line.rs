//! The line between one device and the server: forwards bytes, counts them, and can be cut, after which the device really
//! cannot reach anybody.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Bytes that went over a line.
#[derive(Debug, Default)]
struct Meter {
    up: AtomicU64,
    down: AtomicU64,
}

/// A line that is up or cut.
#[derive(Debug)]
pub(super) struct Line {
    /// Where the device finds its end.
    near: SocketAddr,
    /// Where the server listens.
    far: SocketAddr,
    meter: Arc<Meter>,
    forwarding: Option<JoinHandle<()>>,
}

impl Line {
    /// A line to a server, up.
    pub(super) async fn to(far: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let near = listener.local_addr()?;
        let meter = Arc::<Meter>::default();
        let forwarding = tokio::spawn(forward(listener, far, Arc::clone(&meter)));
        Ok(Self {
            near,
            far,
            meter,
            forwarding: Some(forwarding),
        })
    }

    /// The address the device is configured with.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.near)
    }

    /// Whether it is not cut.
    pub(super) fn is_up(&self) -> bool {
        self.forwarding.is_some()
    }

    /// Cuts the line: connections end, new ones are refused by the operating system.
    pub(super) async fn cut(&mut self) {
        if let Some(forwarding) = self.forwarding.take() {
            forwarding.abort();
            // Whether it was cancelled or had ended: it is gone, and its listener with it.
            let _ = forwarding.await;
        }
    }

    /// Mends the line.
    pub(super) async fn mend(&mut self) -> std::io::Result<()> {
        if self.forwarding.is_none() {
            let listener = TcpListener::bind(self.near).await?;
            self.forwarding = Some(tokio::spawn(forward(listener, self.far, Arc::clone(&self.meter))));
        }
        Ok(())
    }

    /// Bytes that went to the server and back since the last time this was asked.
    pub(super) fn read_meter(&self) -> (u64, u64) {
        (
            self.meter.up.swap(0, Ordering::Relaxed),
            self.meter.down.swap(0, Ordering::Relaxed),
        )
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(forwarding) = &self.forwarding {
            forwarding.abort();
        }
    }
}

/// Forwards every connection; those that are open end with the task, because they live in its set.
async fn forward(listener: TcpListener, far: SocketAddr, meter: Arc<Meter>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((near, _)) = accepted else { continue };
                connections.spawn(connect(near, far, Arc::clone(&meter)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connect(near: TcpStream, far: SocketAddr, meter: Arc<Meter>) {
    let Ok(far) = TcpStream::connect(far).await else {
        return;
    };
    // Without this each small answer would wait for an acknowledgement.
    if near.set_nodelay(true).is_err() || far.set_nodelay(true).is_err() {
        return;
    }
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::join!(
        copy(near_read, far_write, &meter.up),
        copy(far_read, near_write, &meter.down)
    );
}

/// Copies until the reading side ends or a side fails, and passes the end on.
async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, counter: &AtomicU64) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        counter.fetch_add(read as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn say(address: SocketAddr, text: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(text).await?;
        stream.shutdown().await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn a_cut_line_refuses_and_a_mended_one_carries() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = server.local_addr().unwrap();
        let echo = tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                let mut text = Vec::new();
                stream.read_to_end(&mut text).await.unwrap();
                stream.write_all(&text).await.unwrap();
                stream.write_all(b"!").await.unwrap();
            }
        });
        let mut line = Line::to(far).await.unwrap();
        let near = line.near;
        assert_eq!(say(near, b"hello").await.unwrap(), b"hello!");
        assert_eq!(line.read_meter(), (5, 6));

        line.cut().await;
        let refused = say(near, b"hello").await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

        line.mend().await.unwrap();
        assert_eq!(say(near, b"again").await.unwrap(), b"again!");
        assert_eq!(line.read_meter(), (5, 6));
        echo.abort();
    }
}

//! The line between the phone and the office: open, cut, or with a network in between that wants a sign-in.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What stands between the phone and the office.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Nothing: the office answers.
    Open,
    /// Nobody answers.
    Cut,
    /// A hotel's network answers in the office's place, with a page for people.
    Portal,
}

const PAGE: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/html\r\ncontent-length: 38\r\n\r\n\
                    <html>Welcome! Please sign in.</html>\n";

/// A line whose near end stays where it is.
pub(crate) struct Line {
    near: SocketAddr,
    far: String,
    way: Way,
    work: Option<JoinHandle<()>>,
}

impl Line {
    /// An open line to an address such as `127.0.0.1:8080`.
    pub(crate) async fn to(far: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let near = listener.local_addr()?;
        let far = far.to_owned();
        let work = Some(tokio::spawn(work(listener, far.clone(), Way::Open)));
        let way = Way::Open;
        Ok(Self { near, far, way, work })
    }

    /// Where the phone finds its end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.near)
    }

    /// Changes what stands in between; connections that are open end.
    pub(crate) async fn set(&mut self, way: Way) -> std::io::Result<()> {
        if std::mem::replace(&mut self.way, way) == way {
            return Ok(());
        }
        if let Some(work) = self.work.take() {
            work.abort();
            // It was cancelled or had ended: its listener is gone with it.
            let _ = work.await;
        }
        if way != Way::Cut {
            let listener = TcpListener::bind(self.near).await?;
            self.work = Some(tokio::spawn(work(listener, self.far.clone(), way)));
        }
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(work) = &self.work {
            work.abort();
        }
    }
}

/// Serves every connection; those that are open end with this task, because they live in its set.
async fn work(listener: TcpListener, far: String, way: Way) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((near, _)) = accepted else { continue };
                let far = far.clone();
                connections.spawn(async move {
                    // What goes wrong on a line is seen at its ends.
                    let _ = match way {
                        Way::Portal => welcome(near).await,
                        Way::Open | Way::Cut => forward(near, &far).await,
                    };
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn forward(mut near: TcpStream, far: &str) -> std::io::Result<()> {
    let mut far = TcpStream::connect(far).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}

async fn welcome(mut near: TcpStream) -> std::io::Result<()> {
    let mut request = vec![0; 65_536];
    // One that was closed before it asked gets no page.
    if near.read(&mut request).await? == 0 {
        return Ok(());
    }
    near.write_all(PAGE.as_bytes()).await?;
    near.shutdown().await
}

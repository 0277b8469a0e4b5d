//! The one driver that runs any protocol connection over a socket.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use mail_wire::Connection;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::Transport;
use super::tls::{Acceptor, Connector};

/// Bytes of output at which a link writes before it looks at the next command, and at which an owner that streams
/// should call [`Link::flush`]. Bounds what a client costs that asks and does not read.
pub const OUTPUT_HIGH_WATER_BYTES: usize = 256 << 10;
/// How long a peer may take none of our output before it is given up (as Dovecot).
const OUTPUT_STALL: Duration = Duration::from_secs(300);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How long the last word to a peer may take to go out.
const LAST_WORD: Duration = Duration::from_secs(5);
/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;

/// Why a link ended.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The protocol's rules were broken.
    #[error(transparent)]
    Protocol(#[from] mail_wire::Error),
    /// The socket failed.
    #[error("i/o: {0}")]
    Io(#[from] io::Error),
}

/// A connection and its socket.
#[derive(Debug)]
pub struct Link<C> {
    conn: C,
    io: Transport,
    peer: SocketAddr,
    /// What is being written.
    writing: Bytes,
    ended: bool,
}

impl<C: Connection> Link<C> {
    /// Joins a connection to its socket. Under implicit TLS the connection is told so at once.
    pub fn new(io: Transport, peer: SocketAddr, mut conn: C) -> Self {
        if io.is_tls() {
            conn.tls_started(Instant::now());
        }
        Self { conn, io, peer, writing: Bytes::new(), ended: false }
    }

    /// The connection, for its typed calls. Call [`next`](Self::next) or [`flush`](Self::flush) afterwards.
    pub fn conn(&mut self) -> &mut C {
        &mut self.conn
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// True under TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.io.is_tls()
    }

    /// The next event; `None` when the connection has come to its end. Writes what waits while it waits itself.
    /// Cancelling it loses nothing.
    pub async fn next(&mut self) -> Result<Option<C::Event>, LinkError> {
        if self.conn.transmit_bytes() > OUTPUT_HIGH_WATER_BYTES {
            self.flush().await?;
        }
        loop {
            match self.conn.poll_event() {
                Ok(Some(event)) => return Ok(Some(event)),
                Ok(None) => {}
                Err(e) => {
                    self.close().await;
                    return Err(e.into());
                }
            }
            if self.conn.is_closing() || self.ended {
                self.close().await;
                return Ok(None);
            }
            let deadline = self.conn.poll_timeout();
            let timer = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                step = poll_fn(|cx| self.poll_io(cx)) => step?,
                () = timer => self.conn.handle_timeout(Instant::now()),
            }
        }
    }

    /// Writes everything that waits. Fails when the peer takes nothing for five minutes.
    pub async fn flush(&mut self) -> Result<(), LinkError> {
        while self.fill_writing() {
            let wrote = tokio::time::timeout(OUTPUT_STALL, self.io.write(&self.writing)).await;
            let n = wrote.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            if n == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            self.writing.advance(n);
        }
        tokio::time::timeout(OUTPUT_STALL, self.io.flush())
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(())
    }

    /// Answers a STARTTLS event: sends what waits in the clear, shakes hands as the server, tells the connection.
    pub async fn accept_tls(&mut self, acceptor: &Acceptor) -> Result<(), LinkError> {
        self.flush().await?;
        let stream = self.io.take_plain()?;
        self.io = Transport::ServerTls(Box::new(within_handshake(acceptor.accept(stream)).await?));
        self.conn.tls_started(Instant::now());
        Ok(())
    }

    /// Goes under TLS as the client, when the server has agreed to it; `server_name` must stand in its certificate.
    pub async fn connect_tls(&mut self, connector: &Connector, server_name: &str) -> Result<(), LinkError> {
        self.flush().await?;
        let stream = self.io.take_plain()?;
        self.io =
            Transport::ClientTls(Box::new(within_handshake(connector.connect(server_name, stream)).await?));
        self.conn.tls_started(Instant::now());
        Ok(())
    }

    /// Sends what can still be sent, and closes.
    pub async fn close(&mut self) {
        // The peer may be gone already; there is nobody to tell about a failure to say goodbye.
        let _ = tokio::time::timeout(LAST_WORD, async {
            let _ = self.flush().await;
            let _ = self.io.shutdown().await;
        })
        .await;
    }

    /// Writes and reads at once: a peer that sends without reading cannot block itself and us.
    fn poll_io(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wrote = false;
        while self.fill_writing() {
            match Pin::new(&mut self.io).poll_write(cx, &self.writing)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(n) => {
                    self.writing.advance(n);
                    wrote = true;
                }
                Poll::Pending => break,
            }
        }
        if wrote || self.io.is_tls() {
            // Under TLS bytes may wait in the session's own buffer.
            if let Poll::Ready(flushed) = Pin::new(&mut self.io).poll_flush(cx) {
                flushed?;
            }
        }
        if !self.conn.wants_input() {
            return Poll::Pending;
        }
        // On the stack, not in the connection's buffer: an idle connection then holds no read buffer at all.
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut space);
        match Pin::new(&mut self.io).poll_read(cx, &mut read) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(e)) if is_plain_end(&e) => self.peer_ended(),
            Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
            Poll::Ready(Ok(())) if read.filled().is_empty() => self.peer_ended(),
            Poll::Ready(Ok(())) => {
                self.conn.receive(read.filled(), Instant::now());
                Poll::Ready(Ok(()))
            }
        }
    }

    fn peer_ended(&mut self) -> Poll<io::Result<()>> {
        self.ended = true;
        self.conn.receive_eof();
        Poll::Ready(Ok(()))
    }

    fn fill_writing(&mut self) -> bool {
        if self.writing.is_empty()
            && let Some(bytes) = self.conn.poll_transmit()
        {
            self.writing = bytes;
        }
        !self.writing.is_empty()
    }
}

/// Peers often close without the TLS farewell, or reset after their last command: both are an end, not a fault.
fn is_plain_end(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
}

async fn within_handshake<T>(handshake: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(HANDSHAKE, handshake).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

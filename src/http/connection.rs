//! An accepted TCP connection: the peer, the permit that counts it, and its writing half.
//!
//! Two parties write to a connection: its own task, through hyper and the WebSocket, and the dispatchers that send one
//! frame to many sockets, through [`Connection::send`]. The bytes of the two never mix within a frame.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::OwnedSemaphorePermit,
};

/// A connection, shared by its requests and its socket. The permit is released when the last reference is dropped: a
/// socket outlives the request that opened it.
pub struct Connection {
    pub peer: SocketAddr,
    _permit: OwnedSemaphorePermit,
    out: Mutex<Out>,
}

struct Out {
    writer: OwnedWriteHalf,
    /// True if the last write of the connection's own task ended within a frame.
    within_frame: bool,
    /// The unsent rest of a frame that [`Connection::send`] began.
    rest: Bytes,
}

/// The outcome of [`Connection::send`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteOutcome {
    /// The kernel has the whole frame.
    Complete,
    /// The kernel has a part of the frame. The rest is sent before anything else, when the connection's own task
    /// flushes or writes.
    Partial,
    /// Nothing was written: the peer is slow or gone, or the connection is within another frame.
    Refused,
}

impl Connection {
    /// Creates a connection, and its I/O half, which reads and writes like the stream itself.
    pub fn new(
        stream: TcpStream,
        peer: SocketAddr,
        permit: OwnedSemaphorePermit,
    ) -> (Arc<Self>, ConnectionIo) {
        let (read, writer) = stream.into_split();
        let out = Mutex::new(Out { writer, within_frame: false, rest: Bytes::new() });
        let connection = Arc::new(Connection { peer, _permit: permit, out });
        (Arc::clone(&connection), ConnectionIo { read, connection })
    }

    /// Writes a whole frame at once if that is possible. Never waits. The connection has to be a WebSocket already.
    pub fn send(&self, frame: &Bytes) -> WriteOutcome {
        let mut out = self.out();
        if out.within_frame || !out.rest.is_empty() {
            return WriteOutcome::Refused;
        }
        match out.writer.try_write(frame) {
            Ok(written) if written == frame.len() => WriteOutcome::Complete,
            Ok(written) => {
                out.rest = frame.slice(written..);
                WriteOutcome::Partial
            }
            // The connection's own task will meet the same error and handle it.
            Err(_) => WriteOutcome::Refused,
        }
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Out {
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            let written = ready!(Pin::new(&mut self.writer).poll_write(cx, &self.rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.rest.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

/// The I/O half of a connection, for its own task.
pub struct ConnectionIo {
    read: OwnedReadHalf,
    connection: Arc<Connection>,
}

impl AsyncRead for ConnectionIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buf)
    }
}

impl AsyncWrite for ConnectionIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut out = self.connection.out();
        ready!(out.poll_rest(cx))?;
        let written = ready!(Pin::new(&mut out.writer).poll_write_vectored(cx, bufs))?;
        // The WebSocket passes whole frames only, so a partial write ends within one.
        out.within_frame = written < bufs.iter().map(|buf| buf.len()).sum();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut out = self.connection.out();
        ready!(out.poll_rest(cx))?;
        Pin::new(&mut out.writer).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut out = self.connection.out();
        ready!(out.poll_rest(cx))?;
        Pin::new(&mut out.writer).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        sync::Semaphore,
    };

    use super::*;

    async fn connection() -> (Arc<Connection>, ConnectionIo, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let other = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connected");
        let (stream, peer) = listener.accept().await.expect("accepted");
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("a permit");
        let (connection, io) = Connection::new(stream, peer, permit);
        (connection, io, other)
    }

    /// Sends frames until the kernel takes no more, and returns how many bytes were accepted.
    fn fill(connection: &Connection, frame: &Bytes) -> usize {
        let mut accepted = 0;
        loop {
            match connection.send(frame) {
                WriteOutcome::Complete => accepted += frame.len(),
                WriteOutcome::Partial => return accepted + frame.len(),
                WriteOutcome::Refused => return accepted,
            }
        }
    }

    #[tokio::test]
    async fn a_partial_frame_is_completed_before_anything_else_is_written() {
        let (connection, mut io, mut other) = connection().await;
        // A length that divides no buffer evenly, so that the last frame is cut.
        let frame = Bytes::from(vec![b'f'; 100_003]);
        let accepted = fill(&connection, &frame);
        assert_eq!(
            connection.send(&frame),
            WriteOutcome::Refused,
            "a frame is not sent before the rest of another"
        );
        let read = tokio::spawn(async move {
            let mut all = Vec::new();
            other.read_to_end(&mut all).await.expect("read");
            all
        });
        io.write_all(b"own").await.expect("written");
        io.shutdown().await.expect("shut down");
        let all = read.await.expect("read");
        assert_eq!(all.len(), accepted + 3);
        assert!(all[..accepted].iter().all(|byte| *byte == b'f') && all.ends_with(b"own"));
    }

    #[tokio::test]
    async fn no_frame_is_sent_within_a_frame_of_the_own_task() {
        let (connection, mut io, mut other) = connection().await;
        let own = vec![b'o'; 64 * 1024 * 1024];
        let written = io.write(&own).await.expect("a part");
        assert!(written < own.len());
        assert_eq!(connection.send(&Bytes::from_static(b"frame")), WriteOutcome::Refused);
        let read = tokio::spawn(async move {
            let mut all = vec![0; own.len() + 5];
            other.read_exact(&mut all).await.expect("read");
            all
        });
        let own = vec![b'o'; 64 * 1024 * 1024];
        io.write_all(&own[written..]).await.expect("the rest");
        while connection.send(&Bytes::from_static(b"frame")) != WriteOutcome::Complete {
            tokio::task::yield_now().await;
        }
        assert!(read.await.expect("read").ends_with(b"oframe"));
    }

    #[tokio::test]
    async fn sent_frames_and_own_writes_arrive_in_order() {
        let (connection, mut io, mut other) = connection().await;
        io.write_all(b"head ").await.expect("written");
        assert_eq!(connection.send(&Bytes::from_static(b"frame ")), WriteOutcome::Complete);
        io.write_all(b"own").await.expect("written");
        let mut all = [0; 14];
        other.read_exact(&mut all).await.expect("read");
        assert_eq!(&all, b"head frame own");
    }
}

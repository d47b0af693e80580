//! A connection as it was accepted: who is at the other end, its place among those that there is room
//! for, and the way out.
//!
//! Two may write to it: its own task, through hyper and the WebSocket, and whoever has a whole frame
//! for many, through [`Connection::send`]. The bytes of the two never mix within a frame.

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

/// A connection. The place is free again when the last clone of it is dropped: a socket outlives the
/// request that opened it.
pub struct Connection {
    /// The other end.
    pub peer: SocketAddr,
    _place: OwnedSemaphorePermit,
    out: Mutex<Out>,
}

struct Out {
    half: OwnedWriteHalf,
    /// What its own task wrote last ends within a frame.
    midway: bool,
    /// What is left of a frame that [`Connection::send`] began.
    rest: Bytes,
}

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteOutcome {
    /// The kernel has it.
    Complete,
    /// The kernel has a part of it. The rest goes out before all else, when the connection's own task
    /// flushes or writes.
    Partial,
    /// Nothing of it was taken: the other end is slow or gone, or the connection is within a frame.
    Refused,
}

impl Connection {
    /// A connection, and its other half, which reads and writes like the stream itself.
    pub fn new(
        stream: TcpStream,
        peer: SocketAddr,
        place: OwnedSemaphorePermit,
    ) -> (Arc<Self>, ConnectionIo) {
        let (read, half) = stream.into_split();
        let out = Mutex::new(Out { half, midway: false, rest: Bytes::new() });
        let connection = Arc::new(Connection { peer, _place: place, out });
        (Arc::clone(&connection), ConnectionIo { read, connection })
    }

    /// Writes a whole frame at once, or says that this can't be done. Never waits. For a connection
    /// that is a WebSocket by now.
    pub fn send(&self, frame: &Bytes) -> WriteOutcome {
        let mut out = self.out();
        if out.midway || !out.rest.is_empty() {
            return WriteOutcome::Refused;
        }
        match out.half.try_write(frame) {
            Ok(written) if written == frame.len() => WriteOutcome::Complete,
            Ok(written) => {
                out.rest = frame.slice(written..);
                WriteOutcome::Partial
            }
            // Its own task finds out what it is.
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
            let written = ready!(Pin::new(&mut self.half).poll_write(cx, &self.rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.rest.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

/// The connection's bytes, for its own task.
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
        let written = ready!(Pin::new(&mut out.half).poll_write_vectored(cx, bufs))?;
        // The WebSocket gives all that it has, which is frames to their ends.
        out.midway = written < bufs.iter().map(|buf| buf.len()).sum();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut out = self.connection.out();
        ready!(out.poll_rest(cx))?;
        Pin::new(&mut out.half).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut out = self.connection.out();
        ready!(out.poll_rest(cx))?;
        Pin::new(&mut out.half).poll_shutdown(cx)
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
        let door = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let other = TcpStream::connect(door.local_addr().expect("an address")).await.expect("connected");
        let (stream, peer) = door.accept().await.expect("accepted");
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("a place");
        let (connection, io) = Connection::new(stream, peer, place);
        (connection, io, other)
    }

    /// Sends frames until the kernel takes no more; how many bytes were promised.
    fn fill(connection: &Connection, frame: &Bytes) -> usize {
        let mut promised = 0;
        loop {
            match connection.send(frame) {
                WriteOutcome::Complete => promised += frame.len(),
                WriteOutcome::Partial => return promised + frame.len(),
                WriteOutcome::Refused => return promised,
            }
        }
    }

    #[tokio::test]
    async fn a_frame_that_was_begun_ends_before_anything_else_is_written() {
        let (connection, mut io, mut other) = connection().await;
        // Of a length that fits into no buffer evenly, so that the last one is cut.
        let frame = Bytes::from(vec![b'f'; 100_003]);
        let promised = fill(&connection, &frame);
        assert_eq!(connection.send(&frame), WriteOutcome::Refused, "nothing goes out of turn");
        let read = tokio::spawn(async move {
            let mut all = Vec::new();
            other.read_to_end(&mut all).await.expect("read");
            all
        });
        io.write_all(b"own").await.expect("written");
        io.shutdown().await.expect("shut down");
        let all = read.await.expect("read");
        assert_eq!(all.len(), promised + 3);
        assert!(all[..promised].iter().all(|byte| *byte == b'f') && all.ends_with(b"own"));
    }

    #[tokio::test]
    async fn within_its_own_frame_no_other_is_let_in() {
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
    async fn what_is_sent_and_what_is_written_come_in_turn() {
        let (connection, mut io, mut other) = connection().await;
        io.write_all(b"head ").await.expect("written");
        assert_eq!(connection.send(&Bytes::from_static(b"frame ")), WriteOutcome::Complete);
        io.write_all(b"own").await.expect("written");
        let mut all = [0; 14];
        other.read_exact(&mut all).await.expect("read");
        assert_eq!(&all, b"head frame own");
    }
}

//! A connection as it was accepted: who is at the other end, its place among those that there is room
//! for, and the way out.
//!
//! Two may write to it: its own task, through hyper and the WebSocket, and whoever has a whole frame
//! for many, through [`Line::send`]. The bytes of the two never mix within a frame.

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
pub struct Line {
    /// The other end.
    pub peer: SocketAddr,
    _place: OwnedSemaphorePermit,
    out: Mutex<Out>,
}

struct Out {
    half: OwnedWriteHalf,
    /// What its own task wrote last ends within a frame.
    midway: bool,
    /// What is left of a frame that [`Line::send`] began.
    rest: Bytes,
}

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// The kernel has it.
    Whole,
    /// The kernel has a part of it. The rest goes out before all else, when the connection's own task
    /// flushes or writes.
    Begun,
    /// Nothing of it was taken: the other end is slow or gone, or the connection is within a frame.
    Not,
}

impl Line {
    /// A line, and its other half, which reads and writes like the stream itself.
    pub fn new(stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) -> (Arc<Self>, LineIo) {
        let (read, half) = stream.into_split();
        let out = Mutex::new(Out { half, midway: false, rest: Bytes::new() });
        let line = Arc::new(Line { peer, _place: place, out });
        (Arc::clone(&line), LineIo { read, line })
    }

    /// Writes a whole frame at once, or says that this can't be done. Never waits. For a connection
    /// that is a WebSocket by now.
    pub fn send(&self, frame: &Bytes) -> Sent {
        let mut out = self.out();
        if out.midway || !out.rest.is_empty() {
            return Sent::Not;
        }
        match out.half.try_write(frame) {
            Ok(written) if written == frame.len() => Sent::Whole,
            Ok(written) => {
                out.rest = frame.slice(written..);
                Sent::Begun
            }
            // Its own task finds out what it is.
            Err(_) => Sent::Not,
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
pub struct LineIo {
    read: OwnedReadHalf,
    line: Arc<Line>,
}

impl AsyncRead for LineIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buf)
    }
}

impl AsyncWrite for LineIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut out = self.line.out();
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
        let mut out = self.line.out();
        ready!(out.poll_rest(cx))?;
        Pin::new(&mut out.half).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut out = self.line.out();
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

    async fn line() -> (Arc<Line>, LineIo, TcpStream) {
        let door = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let other = TcpStream::connect(door.local_addr().expect("an address")).await.expect("connected");
        let (stream, peer) = door.accept().await.expect("accepted");
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("a place");
        let (line, io) = Line::new(stream, peer, place);
        (line, io, other)
    }

    /// Sends frames until the kernel takes no more; how many bytes were promised.
    fn fill(line: &Line, frame: &Bytes) -> usize {
        let mut promised = 0;
        loop {
            match line.send(frame) {
                Sent::Whole => promised += frame.len(),
                Sent::Begun => return promised + frame.len(),
                Sent::Not => return promised,
            }
        }
    }

    #[tokio::test]
    async fn a_frame_that_was_begun_ends_before_anything_else_is_written() {
        let (line, mut io, mut other) = line().await;
        // Of a length that fits into no buffer evenly, so that the last one is cut.
        let frame = Bytes::from(vec![b'f'; 100_003]);
        let promised = fill(&line, &frame);
        assert_eq!(line.send(&frame), Sent::Not, "nothing goes out of turn");
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
        let (line, mut io, mut other) = line().await;
        let own = vec![b'o'; 64 * 1024 * 1024];
        let written = io.write(&own).await.expect("a part");
        assert!(written < own.len());
        assert_eq!(line.send(&Bytes::from_static(b"frame")), Sent::Not);
        let read = tokio::spawn(async move {
            let mut all = vec![0; own.len() + 5];
            other.read_exact(&mut all).await.expect("read");
            all
        });
        let own = vec![b'o'; 64 * 1024 * 1024];
        io.write_all(&own[written..]).await.expect("the rest");
        while line.send(&Bytes::from_static(b"frame")) != Sent::Whole {
            tokio::task::yield_now().await;
        }
        assert!(read.await.expect("read").ends_with(b"oframe"));
    }

    #[tokio::test]
    async fn what_is_sent_and_what_is_written_come_in_turn() {
        let (line, mut io, mut other) = line().await;
        io.write_all(b"head ").await.expect("written");
        assert_eq!(line.send(&Bytes::from_static(b"frame ")), Sent::Whole);
        io.write_all(b"own").await.expect("written");
        let mut all = [0; 14];
        other.read_exact(&mut all).await.expect("read");
        assert_eq!(&all, b"head frame own");
    }
}

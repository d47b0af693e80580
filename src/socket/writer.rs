//! The writing side of a socket.

use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::Bytes;
use futures_util::SinkExt;
use serde::Serialize;

use crate::{app::App, events::Format, http::connection::Connection, wire::frames};

/// The socket is closed.
#[derive(Debug)]
pub(super) struct Closed;

impl From<axum::Error> for Closed {
    fn from(_: axum::Error) -> Self {
        Closed
    }
}

/// The socket that streams write to.
pub(super) struct SocketWriter {
    pub(super) app: Arc<App>,
    pub(super) connection: Arc<Connection>,
    pub(super) socket: WebSocket,
    pub(super) format: Format,
}

impl SocketWriter {
    /// Adds an encoded frame to the next write.
    pub(super) async fn feed(&mut self, frame: Bytes) -> Result<(), Closed> {
        match Utf8Bytes::try_from(frame) {
            Ok(text) => Ok(self.socket.feed(Message::Text(text)).await?),
            Err(_) => Ok(()), // every encoded frame is UTF-8
        }
    }

    /// Sends all frames that were added.
    pub(super) async fn flush(&mut self) -> Result<(), Closed> {
        Ok(self.socket.flush().await?)
    }

    /// Encodes a frame and sends it at once.
    pub(super) async fn send(&mut self, frame: &impl Serialize) -> Result<(), Closed> {
        self.feed(frames::encode(frame)).await?;
        self.flush().await
    }

    /// Closes the socket. The result is always an error, so that the caller ends.
    pub(super) async fn close<T>(&mut self, code: u16, reason: &'static str) -> Result<T, Closed> {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        self.socket.send(Message::Close(Some(frame))).await?;
        Err(Closed)
    }

    /// Closes the socket after the database could not be read: the client connects again and catches up.
    pub(super) async fn close_with_error<T>(&mut self) -> Result<T, Closed> {
        self.close(close_code::ERROR, "Something broke. Come back in a moment.").await
    }
}

//! `GET /api/v1/streaming`: one WebSocket for all live updates.
//!
//! A client subscribes to a stream with the number of the last item that it has:
//! `{"type":"subscribe","stream":"public","since":17}`. The server subscribes at the hub first, then replays from the
//! database what was missed, then continues with live events, and skips those that it has sent already. Whenever a
//! number is missing (the mailbox overflowed, or two servers raced), the same replay fills the gap. So nothing is lost,
//! nothing is sent twice, and everything arrives in order.
//!
//! This module opens the socket. [`subscriber`] is an open socket with its subscriptions, [`protocol`] the messages of
//! clients, [`public`], [`conversation`] and [`matching`] are the streams, and [`fast_path`] sends events without
//! waking the connection's task.

mod conversation;
mod conversation_encoder;
mod fast_path;
mod matching;
pub mod protocol;
mod public;
mod stream;
mod subscriber;
mod writer;

use std::sync::Arc;

use axum::{
    Extension,
    extract::{State, WebSocketUpgrade},
    http::{HeaderMap, header},
    response::Response,
};
use serde::Deserialize;

pub use self::conversation::MAX_TYPING_SUBSCRIBERS;
use self::{protocol::SubscribeRequest, subscriber::Subscriber, writer::SocketWriter};
use crate::{
    Error, Result,
    app::App,
    events::Format,
    http::{
        connection::Connection,
        input::Query,
        session::{Caller, ClientAddr, ip_hash},
    },
};

/// The largest message that a client may send: the longest valid one is a short subscription.
const MAX_MESSAGE: usize = 4096;

/// The query of the socket's URL: Mastodon's clients name their stream there.
#[derive(Deserialize)]
pub struct StreamingQuery {
    stream: Option<String>,
    since: Option<i64>,
    #[serde(default)]
    format: Option<String>,
}

/// Opens the socket for the site's own pages and for programs. Pages of other sites are refused.
pub async fn open(
    State(app): State<Arc<App>>,
    Query(query): Query<StreamingQuery>,
    headers: HeaderMap,
    ClientAddr(origin): ClientAddr,
    Extension(connection): Extension<Arc<Connection>>,
    caller: Caller,
    upgrade: WebSocketUpgrade,
) -> Result<Response> {
    if !same_origin(&app, &headers) {
        return Err(Error::Forbidden("That came from another site, so it was not done."));
    }
    let format = match query.format.as_deref() {
        None | Some("json") => Format::Json,
        Some("html") => Format::Html,
        Some(_) => return Err(Error::invalid("format", "The formats are json and html.")),
    };
    // Most sockets only receive, and there are many of them: small buffers, which grow when needed.
    let upgrade = upgrade
        .read_buffer_size(4096)
        .write_buffer_size(4096)
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE);
    let permit = app.limits.socket(origin, caller.account.as_ref().map(|account| account.id))?;
    let tasks = app.tasks.clone();
    Ok(upgrade.on_upgrade(move |socket| {
        tasks.track_future(async move {
            let ip_hash = ip_hash(&app, origin);
            let writer = SocketWriter { app, connection, socket, format };
            let mut subscriber = Subscriber::new(writer, caller, ip_hash, permit);
            let subscribed = match query.stream {
                Some(stream) => {
                    let request =
                        SubscribeRequest { stream, since: query.since, ..SubscribeRequest::default() };
                    subscriber.subscribe(&request).await
                }
                None => Ok(()),
            };
            if subscribed.is_ok() {
                // The socket is closed, so there is nobody to report an error to.
                let _ = subscriber.run().await;
            }
        })
    }))
}

/// Checks the `Origin` header: a page of another site sends that site's origin, programs send none.
fn same_origin(app: &App, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    origin.as_bytes() == app.config.base_url.as_str().as_bytes()
        || host.is_some_and(|host| headers.get(header::HOST).is_some_and(|h| h.as_bytes() == host.as_bytes()))
}

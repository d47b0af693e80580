//! The export of a room: all messages, as JSON for programs or as HTML for people.

use std::{convert::Infallible, sync::Arc};

use askama::Template;
use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::{
    Error, Result,
    app::App,
    domain::rooms::{Owner, RoomMember},
    store::{self, messages::Message},
    wire::{self, attachments, format::date_and_time, markup, rooms::Room},
};

/// The most messages that one query reads.
const BATCH: i64 = 500;

/// `GET /rooms/{key}/export.json`: for its owner.
pub async fn json(State(app): State<Arc<App>>, room_member: RoomMember) -> Result<Response> {
    let owner = room_member.owner()?;
    let room_member = owner.room_member();
    let room = Room::new(room_member, app.config.base_url.as_str());
    let head = json!({ "room": room, "exported_at": app.clock.now().rfc3339() }).to_string();
    // The list begins within the object, and ends after the last message.
    let head = format!("{},\"messages\":[", head.strip_suffix('}').unwrap_or(&head));
    let base = app.config.base_url.as_str().to_owned();
    let encode = move |message: &Message| {
        let message = wire::messages::Message::new(message, &base);
        let comma = if message.is_first() { "\n" } else { ",\n" };
        format!("{comma}{}", serde_json::to_string(&message).unwrap_or_default())
    };
    Ok(export(&app, owner, "application/json", "json", Parts { head, encode, tail: "\n]}\n" }))
}

#[derive(Template)]
#[template(path = "room_export.html")]
struct Head<'a> {
    room: &'a str,
    instance_name: &'a str,
    when: String,
}

#[derive(Template)]
#[template(path = "room_export_message.html")]
struct ExportedMessage<'a> {
    message: &'a Message,
    html_body: String,
    when: String,
    base: &'a str,
}

impl ExportedMessage<'_> {
    fn url(&self, file: &store::attachments::Attachment) -> String {
        format!("{}{}", self.base, attachments::path(file, self.message.conversation))
    }
}

/// `GET /rooms/{key}/export.html`: for its owner.
pub async fn html(State(app): State<Arc<App>>, room_member: RoomMember) -> Result<Response> {
    let owner = room_member.owner()?;
    let room_member = owner.room_member();
    let head = Head {
        room: &room_member.participant.conversation.name,
        instance_name: &app.config.name,
        when: date_and_time(app.clock.now()),
    };
    let head = head.render().map_err(Error::internal)?;
    let base = app.config.base_url.as_str().to_owned();
    let encode = move |message: &Message| {
        let html_body = markup::message(&message.body, &message.mentions, &base);
        let exported =
            ExportedMessage { message, html_body, when: date_and_time(message.created_at), base: &base };
        exported.render().unwrap_or_default()
    };
    let tail = "</ol>\n</body>\n</html>\n";
    Ok(export(&app, owner, "text/html; charset=utf-8", "html", Parts { head, encode, tail }))
}

/// The parts of an export.
struct Parts<F> {
    head: String,
    encode: F,
    tail: &'static str,
}

/// Streams the messages in batches, so that a large room does not fill the memory.
fn export<F>(
    app: &Arc<App>,
    owner: Owner,
    media_type: &'static str,
    ending: &str,
    parts: Parts<F>,
) -> Response
where
    F: Fn(&Message) -> String + Send + 'static,
{
    let Parts { head, encode, tail } = parts;
    let state = (Arc::clone(app), owner, encode, Some(0), Some(head));
    let batches = stream::unfold(state, move |(app, owner, encode, after, head)| async move {
        if let Some(head) = head {
            return Some((Ok::<_, Infallible>(Bytes::from(head)), (app, owner, encode, after, None)));
        }
        let after = after?;
        let text = match batch(&app, &owner, after).await {
            Ok((messages, Some(next))) => {
                let text: String = messages.iter().map(&encode).collect();
                return Some((Ok(Bytes::from(text)), (app, owner, encode, Some(next), None)));
            }
            Ok((messages, None)) => messages.iter().map(&encode).collect::<String>() + tail,
            // The status has been sent already. The missing end shows that the export is incomplete.
            Err(error) => {
                tracing::error!(%error, "An export failed after its beginning was sent");
                return None;
            }
        };
        Some((Ok(Bytes::from(text)), (app, owner, encode, None, None)))
    });
    let day = app.clock.now().utc().date();
    let disposition = format!("attachment; filename=\"room-{day}.{ending}\"");
    // The compression layer polls again after the end.
    let mut response = Body::from_stream(batches.fuse()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Ok(disposition) = HeaderValue::try_from(disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// Reads the next messages, and returns the number to continue after, if more may follow.
async fn batch(app: &App, owner: &Owner, after: i64) -> Result<(Vec<Message>, Option<i64>)> {
    let owner = owner.clone();
    let messages = app.db.read_long(move |read| owner.export(read, after, BATCH)).await?;
    let is_full = messages.len() == BATCH as usize;
    let next = messages.last().map(|last| last.seq).filter(|_| is_full);
    Ok((messages, next))
}

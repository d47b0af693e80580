//! The calls for messages, which `docs/api.md` describes. The paths are below `/api/v1/rooms/{key}`,
//! `/api/v1/threads/{thread}` and `/api/v1/conversations/{conversation}`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, Uri},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::list::{List, limit, page};
use crate::{
    Error, Result,
    app::App,
    domain::{
        access::Access,
        conversations::Participant,
        messages::{Body, Draft, Emoji},
    },
    events::{Encoded, Event, Topic, Tx, Typing},
    http::{
        idempotent::{EmptyBody, Post, answer, no_content},
        input::{Input, Query, from_path},
        session::{Caller, ClientAddr, find_or_join},
    },
    ids::{AttachmentId, IdempotencyKey, MessageId},
    socket,
    store::idempotency::{About, Answer},
    wire::messages::{Message, all},
};

/// The most messages in one call.
const MAX_BATCH: usize = 100;

/// A range of a conversation's messages.
#[derive(Deserialize, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MessageRange {
    /// Only messages after this number.
    #[param(minimum = 0)]
    since: Option<i64>,
    /// Only messages before this number.
    #[param(minimum = 0)]
    before: Option<i64>,
    /// The largest number of results: 50 unless given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// A conversation’s messages, oldest first.
///
/// The latest messages; or with `since` those after a number, with `before` those before one. `next` leads to newer
/// messages, and is null where there are none yet; `prev` leads to older ones.
#[utoipa::path(
    get, path = "/messages", params(MessageRange),
    responses((status = 200, description = "A page of messages.", body = List<Message>)),
)]
pub async fn list(
    State(app): State<Arc<App>>,
    uri: Uri,
    participant: Participant,
    caller: Caller,
    Query(paging): Query<MessageRange>,
) -> Result<List<Message>> {
    let (first_seq, last_seq) = (participant.history().after + 1, participant.conversation.last_seq);
    let limit = limit(paging.limit)?;
    for (name, number) in [("since", paging.since), ("before", paging.before)] {
        if number.is_some_and(|number| number < 0) {
            return Err(Error::invalid_query(name, "That is a message’s number, or 0."));
        }
    }
    let (since, before) = (paging.since, paging.before.unwrap_or(i64::MAX));
    let reader = participant.clone();
    let messages = app
        .db
        .read(move |read| match since {
            Some(since) => reader.messages_since(read, since, limit),
            None => reader.messages_before(read, before, limit),
        })
        .await?;
    if let Some(last) = messages.last().map(|last| last.seq)
        && participant.has_receipts()
        && last > participant.membership.delivered_seq
    {
        app.db.write(move |tx| participant.receive(tx, last)).await?;
    }
    let base = app.config.base_url.as_str();
    let address = |query: String| page(&format!("{base}{}", uri.path()), &caller, &query, limit);
    let older = messages.first().filter(|first| first.seq > first_seq);
    let newer = messages.last().filter(|last| last.seq < last_seq);
    Ok(List::new(all(&messages, base))
        .with_next(newer.map(|last| address(format!("since={}", last.seq))))
        .with_prev(older.map(|first| address(format!("before={}", first.seq)))))
}

/// A message to be sent. Unknown fields are refused.
#[derive(Serialize, Deserialize, Default, ToSchema)]
#[schema(as = NewMessage, example = json!({ "body": "Saturday at nine?" }))]
#[serde(default, deny_unknown_fields)]
pub struct NewMessage {
    /// 1 to 280 characters in a thread, unless the instance allows more, and up to 4,000 elsewhere. Text between
    /// backticks is code. May be empty only with attachments.
    body: String,
    /// The message that this one answers.
    reply_to: Option<MessageId>,
    /// The attached files: up to ten.
    #[schema(max_items = 10)]
    attachments: Vec<AttachmentId>,
    /// A repeated call with the same key returns the same message. For forms, which send no headers.
    idempotency_key: Option<String>,
    /// The person of the app who sends the message, if the key may act for them.
    r#as: Option<String>,
}

impl NewMessage {
    /// Returns the draft of the message, and the access of its author.
    async fn draft(self, app: &App, access: &Access, caller: &Caller) -> Result<(Access, Draft)> {
        let access = match self.r#as {
            Some(name) => access.clone().of(caller.speak_for(app, name).await.map_err(in_body)?),
            None => access.clone(),
        };
        let key = self.idempotency_key.map(|key| IdempotencyKey::parse(&key)).transpose()?;
        let only_files = self.body.trim().is_empty() && !self.attachments.is_empty();
        let draft = Draft {
            body: if only_files {
                Body::empty()
            } else {
                Body::parse(&self.body, &app.config.refused_words)?
            },
            reply_to: self.reply_to,
            attachments: self.attachments,
            idempotency_key: key,
        };
        Ok((access, draft))
    }
}

/// Moves errors about `as` from the query to the body, where the author was named.
fn in_body(error: Error) -> Error {
    match error {
        Error::Invalid(mut faults) => {
            faults.iter_mut().for_each(|fault| fault.in_query = false);
            Error::Invalid(faults)
        }
        other => other,
    }
}

/// Sends a message.
#[utoipa::path(
    post, path = "/messages", request_body = NewMessage,
    responses((status = 201, description = "The message.", body = Message)),
)]
pub async fn say(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    access: Access,
    caller: Caller,
    Post(idempotent, new): Post<NewMessage>,
) -> Result<Response> {
    let (access, draft) = new.draft(&app, &access, &caller).await?;
    let allowance = app.limits.say(origin, access.account().id)?;
    let (thread_limit, base) = (app.config.thread_limit, app.config.base_url.clone());
    let say = move |tx: &mut Tx<'_>| {
        let message = access.say(tx, &draft, thread_limit)?;
        let response = answer(StatusCode::CREATED, &Message::new(&message, base.as_str()))?;
        Ok(Answer { about: About::Message(message.id, message.conversation), ..response })
    };
    idempotent.with_rate_limit(allowance).answer(&app, say).await
}

/// Messages to be sent in one call.
#[derive(Deserialize, Default, ToSchema)]
#[schema(example = json!({ "messages": [{ "body": "One" }, { "body": "Two" }] }))]
#[serde(default, deny_unknown_fields)]
pub struct Batch {
    #[schema(required, min_items = 1, max_items = 100)]
    messages: Vec<NewMessage>,
}

/// Sends up to a hundred messages in one call: all of them or none.
#[utoipa::path(
    post, path = "/messages/batch", request_body = Batch,
    responses((status = 201, description = "The messages.", body = List<Message>)),
)]
pub async fn say_all(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    access: Access,
    caller: Caller,
    Post(idempotent, batch): Post<Batch>,
) -> Result<Response> {
    if !(1..=MAX_BATCH).contains(&batch.messages.len()) {
        return Err(Error::invalid("messages", "Send between 1 and 100 messages at once."));
    }
    let mut drafts = Vec::new();
    for (index, new) in batch.messages.into_iter().enumerate() {
        let (access, draft) =
            new.draft(&app, &access, &caller).await.map_err(|error| in_message(index, error))?;
        app.limits.say_in_batch(origin, access.account())?;
        drafts.push((access, draft));
    }
    let (thread_limit, base) = (app.config.thread_limit, app.config.base_url.clone());
    let say = move |tx: &mut Tx<'_>| {
        let mut sent = Vec::new();
        for (index, (access, draft)) in drafts.iter().enumerate() {
            let message = access.say(tx, draft, thread_limit).map_err(|error| in_message(index, error))?;
            sent.push(Message::new(&message, base.as_str()));
        }
        let about = sent.first().map_or(About::Nothing, |first| About::Messages(first.conversation_id));
        Ok(Answer { about, ..answer(StatusCode::CREATED, &List::new(sent))? })
    };
    idempotent.answer(&app, say).await
}

/// Adds the position of a message to the errors about it.
fn in_message(index: usize, error: Error) -> Error {
    match error {
        Error::Invalid(mut faults) => {
            for fault in faults.iter_mut().filter(|fault| !fault.in_query) {
                fault.field = format!("messages/{index}/{}", fault.field).into();
            }
            Error::Invalid(faults)
        }
        other => other,
    }
}

/// Shows the others for a few seconds that the caller is typing.
#[utoipa::path(post, path = "/typing", responses((status = 204, description = "They are told.")))]
pub async fn type_on(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    participant: Participant,
    EmptyBody(idempotent): EmptyBody,
) -> Result<Response> {
    app.limits.typing(origin, participant.id())?;
    let conversation = participant.conversation.id;
    let typist = participant.clone();
    app.db.read(move |read| typist.may_type(read)).await?;
    // With more subscribers the events would be too many to be useful.
    if app.events.subscribers(&Topic::Conversation(conversation)) <= socket::MAX_TYPING_SUBSCRIBERS {
        let typing = Typing { conversation, person: participant.person() };
        app.events
            .publish(&Topic::Conversation(conversation), &Event::Typing(Arc::new(Encoded::new(typing))));
    }
    idempotent.answer(&app, |_| Ok(no_content())).await
}

/// A message.
#[utoipa::path(
    get, path = "/messages/{id}", params(("id" = MessageId, Path, description = "The message’s id.")),
    responses((status = 200, description = "The message.", body = Message)),
)]
pub async fn get(
    State(app): State<Arc<App>>,
    participant: Participant,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Message>> {
    let id = from_path(&id)?;
    let message = app.db.read(move |read| participant.message(read, id)).await?;
    Ok(Json(Message::new(&message, app.config.base_url.as_str())))
}

/// The changes of a message.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = MessagePatch, example = json!({ "body": "Saturday at ten?" }))]
#[serde(default, deny_unknown_fields)]
pub struct MessagePatch {
    #[schema(required, min_length = 1)]
    body: String,
}

/// Edits the caller’s own message.
#[utoipa::path(
    patch, path = "/messages/{id}", params(("id" = MessageId, Path, description = "The message’s id.")),
    request_body = MessagePatch,
    responses((status = 200, description = "The message as it is now.", body = Message)),
)]
pub async fn edit(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    access: Access,
    Path((_, id)): Path<(String, String)>,
    Input(patch): Input<MessagePatch>,
) -> Result<Json<Message>> {
    app.limits.say(origin, access.account().id)?;
    let (id, body) = (from_path(&id)?, Body::parse(&patch.body, &app.config.refused_words)?);
    let thread_limit = app.config.thread_limit;
    let changed = app.db.write(move |tx| access.join(tx)?.edit(tx, id, &body, thread_limit)).await?;
    Ok(Json(Message::new(&changed, app.config.base_url.as_str())))
}

/// Deletes the caller’s own message, or as a room’s owner anyone’s.
///
/// A deleted message remains as a gap, with `deleted_at`.
#[utoipa::path(
    delete, path = "/messages/{id}", params(("id" = MessageId, Path, description = "The message’s id.")),
    responses((status = 204, description = "Its words are gone.")),
)]
pub async fn delete(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    access: Access,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode> {
    app.limits.say(origin, access.account().id)?;
    let id = from_path(&id)?;
    app.db.write(move |tx| access.join(tx)?.delete(tx, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds the caller’s reaction to a message.
#[utoipa::path(
    put, path = "/messages/{id}/reactions/{emoji}",
    params(
        ("id" = MessageId, Path, description = "The message’s id."),
        ("emoji" = String, Path, description = "One emoji, percent-encoded."),
    ),
    responses((status = 200, description = "The message with it.", body = Message)),
)]
pub async fn react(
    app: State<Arc<App>>,
    addr: ClientAddr,
    access: Access,
    Path((_, id, emoji)): Path<(String, String, String)>,
) -> Result<Json<Message>> {
    set_reaction(app, addr, access, &id, &emoji, true).await
}

/// Removes the caller’s reaction from a message.
#[utoipa::path(
    delete, path = "/messages/{id}/reactions/{emoji}",
    params(
        ("id" = MessageId, Path, description = "The message’s id."),
        ("emoji" = String, Path, description = "One emoji, percent-encoded."),
    ),
    responses((status = 200, description = "The message without it.", body = Message)),
)]
pub async fn unreact(
    app: State<Arc<App>>,
    addr: ClientAddr,
    access: Access,
    Path((_, id, emoji)): Path<(String, String, String)>,
) -> Result<Json<Message>> {
    set_reaction(app, addr, access, &id, &emoji, false).await
}

async fn set_reaction(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    access: Access,
    id: &str,
    emoji: &str,
    on: bool,
) -> Result<Json<Message>> {
    app.limits.say(origin, access.account().id)?;
    let emoji = if on { Emoji::parse(emoji)? } else { Emoji::parse_removed(emoji)? };
    let id = from_path(id)?;
    let changed = app.db.write(move |tx| access.join(tx)?.react(tx, id, &emoji, on)).await?;
    Ok(Json(Message::new(&changed, app.config.base_url.as_str())))
}

/// The caller’s read position.
#[derive(Deserialize, ToSchema)]
#[schema(as = ReadPosition, example = json!({ "seq": 1 }))]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// A message’s number.
    #[schema(minimum = 0)]
    seq: i64,
}

/// Moves the caller’s read position.
///
/// The position never moves back, and never beyond the last message.
#[utoipa::path(
    put, path = "/read", request_body = Read,
    responses((status = 204, description = "It is noted.")),
)]
pub async fn read(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    access: Access,
    Input(Read { seq }): Input<Read>,
) -> Result<StatusCode> {
    app.limits.write(origin)?;
    if seq < 0 {
        return Err(Error::invalid("seq", "That is a message’s number, or 0."));
    }
    let participant = find_or_join(&app, &access).await?;
    // A second tab sends the same position, which needs no write.
    if seq > participant.membership.read_seq {
        app.db.write(move |tx| participant.read(tx, seq)).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

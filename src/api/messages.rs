//! Messages: <docs/api.md> describes them. `…` is `/api/v1/rooms/{key}`, or `/api/v1/conversations/{conversation}`
//! of any that one is in.

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
        conversations::{Door, Participant},
        messages::{Body, Draft, Emoji},
    },
    events::{Encoded, Event, Topic, Tx, Typing},
    http::{
        idempotent::{Bare, Post, answer, nothing},
        input::{Input, Query, from_path},
        session::{ClientAddr, Viewer, come_in},
    },
    ids::{AttachmentId, IdempotencyKey, MessageId},
    socket,
    store::{
        self,
        idempotency::{About, Answer},
    },
    wire::messages::{Message, all},
};

/// Messages that are said at once.
const BATCH: usize = 100;

/// Which stretch of a conversation's messages.
#[derive(Deserialize, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Span {
    /// Those after this number.
    #[param(minimum = 0)]
    since: Option<i64>,
    /// Those before this number.
    #[param(minimum = 0)]
    before: Option<i64>,
    /// How many at most: 50 unless given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// What was said, oldest first.
///
/// The latest messages; or with `since` those after a number, with `before` those before one. `next` leads to newer
/// ones, and is null where there are none yet; `prev` leads to older ones.
#[utoipa::path(
    get, path = "/messages", params(Span),
    responses((status = 200, description = "A page of messages.", body = List<Message>)),
)]
pub async fn list(
    State(app): State<Arc<App>>,
    uri: Uri,
    participant: Participant,
    viewer: Viewer,
    Query(paging): Query<Span>,
) -> Result<List<Message>> {
    let (sight, last_seq) = (participant.sight(), participant.conversation.last_seq);
    let limit = limit(paging.limit)?;
    for (name, number) in [("since", paging.since), ("before", paging.before)] {
        if number.is_some_and(|number| number < 0) {
            return Err(Error::invalid_query(name, "That is a message’s number, or 0."));
        }
    }
    let (since, before) = (paging.since, paging.before.unwrap_or(i64::MAX));
    let found = app
        .db
        .read(move |read| match since {
            Some(since) => store::messages::since(read, sight, since, limit),
            None => store::messages::before(read, sight, before, limit),
        })
        .await?;
    if let Some(last) = found.last().map(|last| last.seq)
        && participant.has_receipts()
        && last > participant.seat.delivered_seq
    {
        app.db.write(move |tx| participant.receive(tx, last)).await?;
    }
    let base = app.config.base_url.as_str();
    let at = |query: String| page(&format!("{base}{}", uri.path()), &viewer, &query, limit);
    let older = found.first().filter(|first| first.seq > sight.after + 1);
    let newer = found.last().filter(|last| last.seq < last_seq);
    Ok(List::whole(all(&found, base))
        .with_next(newer.map(|last| at(format!("since={}", last.seq))))
        .with_prev(older.map(|first| at(format!("before={}", first.seq)))))
}

/// What a program says. Fields that nobody knows are refused, not lost in silence.
#[derive(Serialize, Deserialize, Default, ToSchema)]
#[schema(as = NewMessage, example = json!({ "body": "Saturday at nine?" }))]
#[serde(default, deny_unknown_fields)]
pub struct Posted {
    /// 1 to 280 characters in a thread, unless the place has room for more, and up to 4,000 elsewhere. What stands
    /// between backticks is code. Empty only where files go along.
    body: String,
    /// The message that it answers.
    reply_to: Option<MessageId>,
    /// The files that go along: up to ten.
    #[schema(max_items = 10)]
    attachments: Vec<AttachmentId>,
    /// The same key gets the same message: for forms, which send no headers.
    idempotency_key: Option<String>,
    /// Which of the app’s people says it, where the key may speak for them.
    r#as: Option<String>,
}

impl Posted {
    /// What is to be said, and the door of whoever says it.
    async fn draft(self, app: &App, door: &Door, viewer: &Viewer) -> Result<(Door, Draft)> {
        let door = match self.r#as {
            Some(name) => door.clone().of(viewer.speak_for(app, name).await.map_err(in_body)?),
            None => door.clone(),
        };
        app.config.refused_words.check(&self.body)?;
        let key = self.idempotency_key.map(|key| IdempotencyKey::parse(&key)).transpose()?;
        let only_files = self.body.trim().is_empty() && !self.attachments.is_empty();
        let draft = Draft {
            body: if only_files { Body::empty() } else { Body::parse(&self.body)? },
            reply_to: self.reply_to,
            attachments: self.attachments,
            idempotency_key: key,
        };
        Ok((door, draft))
    }
}

/// Whoever speaks was named in the body, and not in the query.
fn in_body(error: Error) -> Error {
    match error {
        Error::Invalid(mut faults) => {
            faults.iter_mut().for_each(|fault| fault.in_query = false);
            Error::Invalid(faults)
        }
        other => other,
    }
}

/// Says something.
#[utoipa::path(
    post, path = "/messages", request_body = Posted,
    responses((status = 201, description = "The message.", body = Message)),
)]
pub async fn say(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    door: Door,
    viewer: Viewer,
    Post(once, posted): Post<Posted>,
) -> Result<Response> {
    let (door, draft) = posted.draft(&app, &door, &viewer).await?;
    let allowance = app.limits.say(from, door.account().id)?;
    let (thread_limit, base) = (app.config.thread_limit, app.config.base_url.clone());
    let say = move |tx: &mut Tx<'_>| {
        let said = door.say(tx, &draft, thread_limit)?;
        let told = answer(StatusCode::CREATED, &Message::new(&said, base.as_str()))?;
        Ok(Answer { about: About::Message(said.id, said.conversation), ..told })
    };
    once.telling(allowance).answer(&app, say).await
}

/// Messages to be said at once, each as it would be said alone.
#[derive(Deserialize, Default, ToSchema)]
#[schema(example = json!({ "messages": [{ "body": "One" }, { "body": "Two" }] }))]
#[serde(default, deny_unknown_fields)]
pub struct Batch {
    #[schema(required, min_items = 1, max_items = 100)]
    messages: Vec<Posted>,
}

/// Says up to a hundred messages at once: all of them or none.
#[utoipa::path(
    post, path = "/messages/batch", request_body = Batch,
    responses((status = 201, description = "The messages.", body = List<Message>)),
)]
pub async fn say_all(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    door: Door,
    viewer: Viewer,
    Post(once, batch): Post<Batch>,
) -> Result<Response> {
    if !(1..=BATCH).contains(&batch.messages.len()) {
        return Err(Error::invalid("messages", "Send between 1 and 100 messages at once."));
    }
    let mut all = Vec::new();
    for (at, posted) in batch.messages.into_iter().enumerate() {
        let (door, draft) = posted.draft(&app, &door, &viewer).await.map_err(|error| within(at, error))?;
        app.limits.say_at_once(from, door.account())?;
        all.push((door, draft));
    }
    let (thread_limit, base) = (app.config.thread_limit, app.config.base_url.clone());
    let say = move |tx: &mut Tx<'_>| {
        let mut told = Vec::new();
        for (at, (door, draft)) in all.iter().enumerate() {
            let said = door.say(tx, draft, thread_limit).map_err(|error| within(at, error))?;
            told.push(Message::new(&said, base.as_str()));
        }
        let about = told.first().map_or(About::Nothing, |first| About::Messages(first.conversation_id));
        Ok(Answer { about, ..answer(StatusCode::CREATED, &List::whole(told))? })
    };
    once.answer(&app, say).await
}

/// What is wrong with one of several messages.
fn within(at: usize, error: Error) -> Error {
    match error {
        Error::Invalid(mut faults) => {
            for fault in faults.iter_mut().filter(|fault| !fault.in_query) {
                fault.field = format!("messages/{at}/{}", fault.field).into();
            }
            Error::Invalid(faults)
        }
        other => other,
    }
}

/// Tells the others that one types; it is believed for a few seconds.
#[utoipa::path(post, path = "/typing", responses((status = 204, description = "They are told.")))]
pub async fn type_on(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    participant: Participant,
    Bare(once): Bare,
) -> Result<Response> {
    app.limits.type_on(from, participant.id())?;
    let conversation = participant.conversation.id;
    let asked = participant.clone();
    app.db.read(move |read| asked.may_type(read)).await?;
    // Among more it would be a flicker, and a flood.
    if app.events.subscribers(&Topic::Conversation(conversation)) <= socket::CROWD {
        let typing = Typing { conversation, who: participant.person() };
        app.events
            .publish(&Topic::Conversation(conversation), &Event::Typing(Arc::new(Encoded::new(typing))));
    }
    once.answer(&app, |_| Ok(nothing())).await
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
    let found = app.db.read(move |read| store::messages::by_id(read, participant.sight(), id)).await?;
    Ok(Json(Message::new(&found, app.config.base_url.as_str())))
}

/// What a message is to say instead.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = MessagePatch, example = json!({ "body": "Saturday at ten?" }))]
#[serde(default, deny_unknown_fields)]
pub struct Edited {
    #[schema(required, min_length = 1)]
    body: String,
}

/// Edits one’s own message.
#[utoipa::path(
    patch, path = "/messages/{id}", params(("id" = MessageId, Path, description = "The message’s id.")),
    request_body = Edited,
    responses((status = 200, description = "The message as it is now.", body = Message)),
)]
pub async fn edit(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    door: Door,
    Path((_, id)): Path<(String, String)>,
    Input(edited): Input<Edited>,
) -> Result<Json<Message>> {
    app.limits.say(from, door.account().id)?;
    let (id, body) = (from_path(&id)?, Body::parse(&edited.body)?);
    app.config.refused_words.check(body.as_str())?;
    let thread_limit = app.config.thread_limit;
    let changed = app.db.write(move |tx| door.enter(tx)?.edit(tx, id, &body, thread_limit)).await?;
    Ok(Json(Message::new(&changed, app.config.base_url.as_str())))
}

/// Deletes one’s own message, or as a room’s owner anyone’s.
///
/// It stays as a gap, with `deleted_at`.
#[utoipa::path(
    delete, path = "/messages/{id}", params(("id" = MessageId, Path, description = "The message’s id.")),
    responses((status = 204, description = "Its words are gone.")),
)]
pub async fn delete(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    door: Door,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode> {
    app.limits.say(from, door.account().id)?;
    let id = from_path(&id)?;
    app.db.write(move |tx| door.enter(tx)?.delete(tx, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts an emoji under a message.
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
    from: ClientAddr,
    door: Door,
    Path((_, id, emoji)): Path<(String, String, String)>,
) -> Result<Json<Message>> {
    set_reaction(app, from, door, &id, &emoji, true).await
}

/// Takes one’s emoji away.
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
    from: ClientAddr,
    door: Door,
    Path((_, id, emoji)): Path<(String, String, String)>,
) -> Result<Json<Message>> {
    set_reaction(app, from, door, &id, &emoji, false).await
}

async fn set_reaction(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    door: Door,
    id: &str,
    emoji: &str,
    on: bool,
) -> Result<Json<Message>> {
    app.limits.say(from, door.account().id)?;
    let (id, emoji) = (from_path(id)?, Emoji::parse(emoji)?);
    let changed = app.db.write(move |tx| door.enter(tx)?.react(tx, id, &emoji, on)).await?;
    Ok(Json(Message::new(&changed, app.config.base_url.as_str())))
}

/// Up to where one has read.
#[derive(Deserialize, ToSchema)]
#[schema(as = ReadPosition, example = json!({ "seq": 1 }))]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// A message’s number.
    #[schema(minimum = 0)]
    seq: i64,
}

/// One has read up to here.
///
/// Never goes back, and never beyond the last message.
#[utoipa::path(
    put, path = "/read", request_body = Read,
    responses((status = 204, description = "It is noted.")),
)]
pub async fn read(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    door: Door,
    Input(Read { seq }): Input<Read>,
) -> Result<StatusCode> {
    app.limits.write(from)?;
    if seq < 0 {
        return Err(Error::invalid("seq", "That is a message’s number, or 0."));
    }
    let participant = come_in(&app, &door).await?;
    // A second tab says the same: that needs no write.
    if seq > participant.seat.read_seq {
        app.db.write(move |tx| participant.read(tx, seq)).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

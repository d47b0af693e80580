//! Messages: <docs/api.md> describes them. `…` is `/api/v1/rooms/{key}`, or `/api/v1/conversations/{conversation}`
//! of any that one is in.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, Uri},
    response::Response,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    attachments::File,
    list::{List, Paging, limit, page},
};
use crate::{
    Error, Result,
    app::App,
    clock::Time,
    domain::{
        conversations::{Door, Participant},
        messages::{Body, Draft, Emoji, Query as Words},
    },
    events::{Event, Said, Told, Topic, Tx, Typing},
    ids::{AccountId, AttachmentId, ConversationId, IdempotencyKey, MessageId},
    store::{
        self,
        accounts::{self, Kind},
        idempotency::{About, Answer},
        messages::{self, Reaction, Speaker},
    },
    web::{
        html::{excerpt, words},
        input::{Input, Query, from_path},
        once::{Post, answer},
        session::{ClientAddr, Viewer, come_in},
        socket,
    },
};

/// Messages that are said at once.
const BATCH: usize = 100;

/// A message as programs see it.
#[derive(Serialize)]
pub struct Message {
    id: MessageId,
    conversation_id: ConversationId,
    seq: i64,
    change: i64,
    body: String,
    html: String,
    account: Account,
    reply_to: Option<Quote>,
    reactions: Vec<Reaction>,
    attachments: Vec<File>,
    created_at: String,
    edited_at: Option<String>,
    deleted_at: Option<String>,
}

/// Who said it, as it is called where it said it.
#[derive(Serialize)]
pub struct Account {
    id: AccountId,
    kind: &'static str,
    username: Option<String>,
    name: String,
}

#[derive(Serialize)]
struct Quote {
    id: MessageId,
    seq: i64,
    account_id: AccountId,
    name: String,
    excerpt: String,
}

impl Account {
    /// An account under the name that it has somewhere.
    pub fn new(id: AccountId, kind: Kind, username: Option<&str>, name: &str) -> Self {
        Account { id, kind: kind.as_str(), username: username.map(Into::into), name: name.into() }
    }

    fn of(speaker: &Speaker) -> Self {
        Account::new(speaker.id, speaker.kind, speaker.username.as_deref(), &speaker.name)
    }
}

impl From<&accounts::Account> for Account {
    fn from(account: &accounts::Account) -> Self {
        Account::new(account.id, account.kind, account.username.as_deref(), &account.name)
    }
}

impl Message {
    /// The message as everyone sees it. `base` is the base URL.
    pub fn new(message: &messages::Message, base: &str) -> Self {
        let quote = message.reply_to.as_ref().map(|quote| Quote {
            id: quote.id,
            seq: quote.seq,
            account_id: quote.account_id,
            name: quote.name.clone(),
            excerpt: excerpt(&quote.body, 120),
        });
        Message {
            id: message.id,
            conversation_id: message.conversation,
            seq: message.seq,
            change: message.change,
            body: message.body.clone(),
            html: words::message(&message.body, &message.mentions, base),
            account: Account::of(&message.author),
            reply_to: quote,
            reactions: message.reactions.clone(),
            attachments: message
                .attachments
                .iter()
                .map(|file| File::new(file, message.conversation))
                .collect(),
            created_at: message.created_at.rfc3339(),
            edited_at: message.edited_at.map(Time::rfc3339),
            deleted_at: message.deleted_at.map(Time::rfc3339),
        }
    }
}

impl Message {
    /// Whether it is the first of its room.
    pub fn is_first(&self) -> bool {
        self.seq == 1
    }
}

#[derive(Serialize)]
struct Frame<'a> {
    event: &'static str,
    conversation_id: ConversationId,
    seq: i64,
    change: i64,
    message: &'a Message,
}

/// Something said, as the socket tells it to programs. `change` is up to where everything has been heard
/// with it.
pub fn frame(said: &Said, change: i64, base: &str) -> Bytes {
    let message = Message::new(&said.message, base);
    let frame = Frame {
        event: if said.new { "message" } else { "change" },
        conversation_id: message.conversation_id,
        seq: message.seq,
        change,
        message: &message,
    };
    serde_json::to_vec(&frame).unwrap_or_default().into()
}

/// Which stretch of a conversation's messages.
#[derive(Deserialize, Default)]
pub struct Span {
    /// Those after this number.
    since: Option<i64>,
    /// Those before this number.
    before: Option<i64>,
    /// How many at most.
    limit: Option<i64>,
}

/// `GET …/messages`: oldest first. Without `since` and `before` the latest.
pub async fn list(
    State(app): State<Arc<App>>,
    uri: Uri,
    participant: Participant,
    viewer: Viewer,
    Query(paging): Query<Span>,
) -> Result<List<Message>> {
    let (sight, last_seq) = (participant.sight(), participant.conversation.last_seq);
    let limit = limit(paging.limit);
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

fn all(messages: &[messages::Message], base: &str) -> Vec<Message> {
    messages.iter().map(|message| Message::new(message, base)).collect()
}

/// What a program says. Fields that nobody knows are refused, not lost in silence.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Posted {
    body: String,
    reply_to: Option<MessageId>,
    attachments: Vec<AttachmentId>,
    idempotency_key: Option<String>,
    /// Which of the app's people says it.
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

/// `POST …/messages`
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
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Batch {
    messages: Vec<Posted>,
}

/// `POST …/messages/batch`: up to a hundred, all of them or none.
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

/// `POST …/typing`: tells the others that one types; it is believed for a few seconds.
pub async fn type_on(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    participant: Participant,
) -> Result<StatusCode> {
    app.limits.type_on(from, participant.id())?;
    let conversation = participant.conversation.id;
    let asked = participant.clone();
    app.db.read(move |read| asked.may_type(read)).await?;
    if app.hub.subscribers(&Topic::Conversation(conversation)) > socket::CROWD {
        return Ok(StatusCode::NO_CONTENT); // it would be a flicker, and a flood
    }
    let typing = Typing { conversation, who: participant.somebody() };
    app.hub.publish(&Topic::Conversation(conversation), &Event::Typing(Arc::new(Told::new(typing))));
    Ok(StatusCode::NO_CONTENT)
}

/// `GET …/messages/{id}`
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
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Edited {
    body: String,
}

/// `PATCH …/messages/{id}`
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

/// `DELETE …/messages/{id}`
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

/// `PUT …/messages/{id}/reactions/{emoji}`
pub async fn react(
    app: State<Arc<App>>,
    from: ClientAddr,
    door: Door,
    Path((_, id, emoji)): Path<(String, String, String)>,
) -> Result<Json<Message>> {
    set_reaction(app, from, door, &id, &emoji, true).await
}

/// `DELETE …/messages/{id}/reactions/{emoji}`
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
#[derive(Deserialize)]
pub struct Read {
    seq: i64,
}

/// `PUT …/read`
pub async fn read(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    door: Door,
    Input(Read { seq }): Input<Read>,
) -> Result<StatusCode> {
    app.limits.write(from)?;
    let participant = come_in(&app, &door).await?;
    // A second tab says the same: that needs no write.
    if seq > participant.seat.read_seq {
        app.db.write(move |tx| participant.read(tx, seq)).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What is looked for, and where to go on.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Search {
    /// Up to four words.
    q: String,
    /// From the `next` of the page before.
    cursor: Option<String>,
    /// How many at most.
    limit: Option<i64>,
}

impl Search {
    fn after(&self) -> Result<Option<i64>> {
        let paging = Paging { cursor: self.cursor.clone(), limit: None };
        Ok(paging.after()?.map(|[after]| after))
    }

    /// The page of what was found. It goes on behind number `last`, where it goes on.
    fn found(
        &self,
        found: &[messages::Message],
        last: Option<i64>,
        path: &str,
        viewer: &Viewer,
        base: &str,
    ) -> List<Message> {
        let limit = limit(self.limit);
        let q = percent_encoding::utf8_percent_encode(&self.q, percent_encoding::NON_ALPHANUMERIC);
        let next = last.filter(|_| found.len() as i64 == limit);
        let next = next.map(|last| page(path, viewer, &format!("q={q}&cursor={last}"), limit));
        List::whole(all(found, base)).with_next(next)
    }
}

/// `GET …/search`: newest first.
pub async fn search(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    participant: Participant,
    viewer: Viewer,
    uri: Uri,
    Query(search): Query<Search>,
) -> Result<List<Message>> {
    // It reads many rows: as dear as a write.
    app.limits.write(from)?;
    let words = Words::parse(&search.q)?;
    let (limit, before) = (limit(search.limit), search.after()?);
    let found = app.db.read_long(move |read| words.run(read, &participant, before, limit)).await?;
    let path = format!("{}{}", app.config.base_url.as_str(), uri.path());
    let last = found.last().map(|last| last.seq);
    Ok(search.found(&found, last, &path, &viewer, app.config.base_url.as_str()))
}

/// `GET /api/v1/search`: in all rooms and threads that one is in, newest first.
pub async fn search_all(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: accounts::Account,
    viewer: Viewer,
    Query(search): Query<Search>,
) -> Result<List<Message>> {
    app.limits.write(from)?;
    let words = Words::parse(&search.q)?;
    let (limit, before) = (limit(search.limit), search.after()?.map(MessageId));
    let found = app.db.read_long(move |read| words.run_everywhere(read, account.id, before, limit)).await?;
    let base = app.config.base_url.as_str();
    let last = found.last().map(|last| last.id.0);
    Ok(search.found(&found, last, &format!("{base}/api/v1/search"), &viewer, base))
}

//! Threads: <docs/api.md> describes them.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    list::{List, Paging, page},
    messages::Account,
};
use crate::{
    Error, Result,
    app::App,
    db::Read,
    domain::threads::{self, Changes, History, MOST, Metadata, Names, Thread as Permission, ThreadName},
    domain::tokens::Grant,
    events::{Altered, Receipt, Tx},
    ids::{AccountId, ConversationId},
    store::{
        self,
        conversations::{Conversation, Participant, Seat},
        idempotency::{About, Answer},
    },
    web::{
        input::{Input, Query},
        once::{Post, answer, created},
        session::{ClientAddr, Viewer},
    },
};

/// A thread as someone in it sees it.
#[derive(Serialize)]
pub struct Thread {
    id: ConversationId,
    url: String,
    name: Option<String>,
    owner_id: Option<AccountId>,
    users: Vec<Account>,
    metadata: Map<String, Value>,
    muted: bool,
    last_seq: i64,
    read_seq: i64,
    unread: i64,
    active_at: String,
    created_at: String,
}

impl Thread {
    fn new(thread: &Conversation, seat: &Seat, people: &[Participant], base: &str) -> Self {
        Thread {
            id: thread.id,
            url: format!("{base}/threads/{}", thread.id),
            name: Some(thread.name.clone()).filter(|name| !name.is_empty()),
            owner_id: thread.owner,
            users: people.iter().map(|one| Account::from(&one.account)).collect(),
            metadata: serde_json::from_str(&thread.metadata).unwrap_or_default(),
            muted: seat.muted,
            last_seq: thread.last_seq,
            read_seq: seat.read_seq,
            unread: (thread.last_seq - seat.read_seq).max(0),
            active_at: thread.active_at.rfc3339(),
            created_at: thread.created_at.rfc3339(),
        }
    }

    fn seen(read: &Read<'_>, permission: &Permission, base: &str) -> Result<Self> {
        let participant = permission.participant();
        let people = store::conversations::participants(read, participant.conversation.id, MOST as i64)?;
        Ok(Thread::new(&participant.conversation, &participant.seat, &people, base))
    }
}

/// A thread after it was altered, as the socket tells it: the same for pages and programs.
pub fn altered_frame(altered: &Altered) -> Bytes {
    let users: Vec<_> = altered.people.iter().map(|one| json!({ "id": one.id, "name": one.name })).collect();
    let thread = json!({ "id": altered.id, "name": altered.name, "owner_id": altered.owner, "users": users });
    json!({ "event": "thread", "conversation_id": altered.id, "change": altered.change, "thread": thread })
        .to_string()
        .into()
}

/// How far someone has read, as the socket tells it.
pub fn receipt_frame(receipt: &Receipt) -> Bytes {
    let who = json!({ "id": receipt.who.id, "name": receipt.who.name });
    json!({
        "event": "receipt", "conversation_id": receipt.conversation, "account": who,
        "delivered_seq": receipt.delivered_seq, "read_seq": receipt.read_seq,
    })
    .to_string()
    .into()
}

/// A thread to be begun. Fields that nobody knows are refused, not lost in silence.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct New {
    users: Vec<String>,
    name: Option<String>,
    metadata: Map<String, Value>,
}

/// `POST /api/v1/threads`
pub async fn create(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: store::accounts::Account,
    viewer: Viewer,
    Post(once, new): Post<New>,
) -> Result<Response> {
    let beginning = threads::beginning(
        Names::parse(new.users.iter().map(String::as_str)),
        ThreadName::parse(new.name.as_deref().unwrap_or_default()),
        Metadata::parse(&new.metadata),
        viewer.grant.as_ref().and_then(Grant::speaks_for),
    )?;
    let allowance = app.limits.room(from, &account)?;
    let base = app.config.base_url.clone();
    let begin = move |tx: &mut Tx<'_>| {
        let begun = threads::begin(tx, &account, &beginning)?;
        let thread = Thread::seen(tx, &begun, base.as_str())?;
        let told = created(format!("/api/v1/threads/{}", thread.id), &thread)?;
        Ok(Answer { about: About::Conversation(thread.id), ..told })
    };
    once.telling(allowance).answer(&app, begin).await
}

/// `GET /api/v1/threads`: one's own, the one where something was said last first.
pub async fn list(
    State(app): State<Arc<App>>,
    account: store::accounts::Account,
    viewer: Viewer,
    Query(paging): Query<Paging>,
) -> Result<List<Thread>> {
    let stretch = paging.stretch(account.id)?;
    let (mine, people) = app
        .db
        .read(move |read| {
            Ok((store::threads::of(read, &stretch)?, store::threads::people_of(read, &stretch)?))
        })
        .await?;
    let mut people_of: HashMap<ConversationId, Vec<Participant>> = HashMap::new();
    for (id, one) in people {
        people_of.entry(id).or_default().push(one);
    }
    let (base, limit) = (app.config.base_url.as_str(), stretch.limit);
    let path = format!("{base}/api/v1/threads");
    let next = mine.last().filter(|_| mine.len() as i64 == limit).map(|last| &last.thread);
    let next = next.map(|last| format!("cursor={}.{}", last.active_at.ms(), last.id));
    let next = next.map(|cursor| page(&path, &viewer, &cursor, limit));
    let nobody = Vec::new();
    let threads = mine.iter().map(|mine| {
        let people = people_of.get(&mine.thread.id).unwrap_or(&nobody);
        Thread::new(&mine.thread, &mine.seat, people, base)
    });
    Ok(List::whole(threads.collect()).with_next(next))
}

/// `GET /api/v1/threads/{thread}`
pub async fn get(State(app): State<Arc<App>>, permission: Permission) -> Result<Json<Thread>> {
    let base = app.config.base_url.clone();
    app.db.read(move |read| Thread::seen(read, &permission, base.as_str())).await.map(Json)
}

/// What is to be changed. What is missing stays.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Patch {
    name: Option<String>,
    metadata: Option<Map<String, Value>>,
    muted: Option<bool>,
}

/// `PATCH /api/v1/threads/{thread}`: the name and the metadata for everyone, `muted` for oneself.
pub async fn change(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    permission: Permission,
    Input(patch): Input<Patch>,
) -> Result<Json<Thread>> {
    app.limits.say(from, permission.participant().id())?;
    let changes = Changes {
        name: patch.name.as_deref().map(ThreadName::parse).transpose()?,
        metadata: patch.metadata.as_ref().map(Metadata::parse).transpose()?,
        muted: patch.muted,
    };
    if changes.name.is_none() && changes.metadata.is_none() && changes.muted.is_none() {
        return Err(Error::invalid("", "Say what is to be changed: name, metadata or muted."));
    }
    let base = app.config.base_url.clone();
    let change = move |tx: &mut Tx<'_>| {
        let changed = permission.change(tx, &changes)?;
        Thread::seen(tx, &changed, base.as_str())
    };
    app.db.write(change).await.map(Json)
}

/// `DELETE /api/v1/threads/{thread}`: for whoever began it, and then for everyone.
pub async fn delete(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    permission: Permission,
) -> Result<StatusCode> {
    app.limits.say(from, permission.participant().id())?;
    app.db.write(move |tx| permission.delete(tx)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is to be added, and what they see.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct More {
    users: Vec<String>,
    history: Past,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Past {
    All,
    #[default]
    FromNow,
}

/// `POST /api/v1/threads/{thread}/users`
pub async fn add(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    permission: Permission,
    viewer: Viewer,
    Post(once, more): Post<More>,
) -> Result<Response> {
    let speaks_for = viewer.grant.as_ref().and_then(Grant::speaks_for);
    app.limits.say(from, permission.participant().id())?;
    let names = Names::parse(more.users.iter().map(String::as_str))?;
    let history = match more.history {
        Past::All => History::All,
        Past::FromNow => History::FromNow,
    };
    let base = app.config.base_url.clone();
    let add = move |tx: &mut Tx<'_>| {
        let now = permission.add(tx, &names, history, speaks_for)?;
        let thread = Thread::seen(tx, &now, base.as_str())?;
        Ok(Answer { about: About::Conversation(thread.id), ..answer(StatusCode::OK, &thread)? })
    };
    once.answer(&app, add).await
}

/// `DELETE /api/v1/threads/{thread}/users/{id}`: takes somebody out; `me` leaves.
pub async fn remove(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    permission: Permission,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode> {
    app.limits.say(from, permission.participant().id())?;
    let id = if id == "me" { permission.participant().id() } else { crate::web::input::from_path(&id)? };
    app.db.write(move |tx| permission.remove(tx, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How far one of the people has come.
#[derive(Serialize)]
pub struct Progress {
    account: Account,
    /// Everything up to this message has reached one of its devices.
    delivered_seq: i64,
    /// Everything up to this message has been read.
    read_seq: i64,
}

/// `GET /api/v1/threads/{thread}/receipts`: what has been delivered to whom, and read by whom.
pub async fn receipts(State(app): State<Arc<App>>, permission: Permission) -> Result<List<Progress>> {
    let id = permission.participant().conversation.id;
    let people = app.db.read(move |read| store::conversations::participants(read, id, MOST as i64)).await?;
    let all = people.iter().map(|one| Progress {
        account: Account::from(&one.account),
        delivered_seq: one.seat.delivered_seq,
        read_seq: one.seat.read_seq,
    });
    Ok(List::whole(all.collect()))
}

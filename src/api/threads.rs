//! The calls for threads, which `docs/api.md` describes.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    list::{List, Paging, page},
    rooms::nullable,
};
use crate::{
    Error, Result,
    app::App,
    domain::{
        threads::{self, Changes, History, Metadata, Names, Thread as Permission, ThreadName},
        tokens::Grant,
    },
    events::Tx,
    http::{
        idempotent::{Post, answer, created},
        input::{Input, Query},
        session::{Caller, ClientAddr},
    },
    ids::ConversationId,
    store::{
        self,
        idempotency::{About, Answer},
    },
    wire::{accounts::Account, threads::Thread},
};

/// A thread to be created. Unknown fields are refused.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = NewThread, example = json!({ "users": ["ify"], "name": "Cake day", "metadata": { "order": 17 } }))]
#[serde(default, deny_unknown_fields)]
pub struct NewThread {
    /// Usernames, each once, with or without an `@`; or the names that the app has for its people.
    #[schema(required, min_items = 1, max_items = 100)]
    users: Vec<String>,
    /// Up to 80 characters.
    name: Option<String>,
    /// A JSON object of up to 4 KiB that is stored with the thread.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// Creates a thread.
///
/// The caller is in the thread, and owns it. A server that acts for the people of its own product names at least two;
/// accounts are created for those whom it has not named before.
#[utoipa::path(
    post, path = "/api/v1/threads", request_body = NewThread,
    responses((status = 201, description = "The thread.", body = Thread)),
)]
pub async fn create(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: store::accounts::Account,
    caller: Caller,
    Post(idempotent, new): Post<NewThread>,
) -> Result<Response> {
    let draft = threads::draft(
        Names::parse(new.users.iter().map(String::as_str)),
        ThreadName::parse(new.name.as_deref().unwrap_or_default()),
        Metadata::parse(&new.metadata.unwrap_or_default()),
        caller.grant.as_ref().and_then(Grant::acts_for),
    )?;
    let allowance = app.limits.room(origin, &account)?;
    let base = app.config.base_url.clone();
    let begin = move |tx: &mut Tx<'_>| {
        let permission = threads::create(tx, &account, &draft)?;
        let thread = Thread::load(tx, &permission, base.as_str())?;
        let response = created(format!("/api/v1/threads/{}", thread.id), &thread)?;
        Ok(Answer { about: About::Conversation(thread.id), ..response })
    };
    idempotent.with_rate_limit(allowance).answer(&app, begin).await
}

/// The caller’s threads, most recently active first.
#[utoipa::path(
    get, path = "/api/v1/threads", params(Paging),
    responses((status = 200, description = "A page of them.", body = List<Thread>)),
)]
pub async fn list(
    State(app): State<Arc<App>>,
    account: store::accounts::Account,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<List<Thread>> {
    let range = paging.conversation_page(account.id)?;
    let rows = app.db.read(move |read| threads::page(read, &range)).await?;
    let (base, limit) = (app.config.base_url.as_str(), range.limit);
    let path = format!("{base}/api/v1/threads");
    let next = rows.last().filter(|_| rows.len() as i64 == limit).map(|(last, _)| &last.thread);
    let next = next.map(|last| format!("cursor={}.{}", last.active_at.ms(), last.id));
    let next = next.map(|cursor| page(&path, &caller, &cursor, limit));
    let threads = rows.iter().map(|(row, people)| Thread::new(&row.thread, &row.membership, people, base));
    Ok(List::new(threads.collect()).with_next(next))
}

/// A thread.
#[utoipa::path(
    get, path = "/api/v1/threads/{thread}",
    params(("thread" = ConversationId, Path, description = "The thread’s id.")),
    responses((status = 200, description = "The thread.", body = Thread)),
)]
pub async fn get(State(app): State<Arc<App>>, permission: Permission) -> Result<Json<Thread>> {
    let base = app.config.base_url.clone();
    app.db.read(move |read| Thread::load(read, &permission, base.as_str())).await.map(Json)
}

/// The changes of a thread. Missing fields stay as they are.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = ThreadPatch, example = json!({ "name": "Pie day" }))]
#[serde(default, deny_unknown_fields)]
pub struct Patch {
    /// Up to 80 characters; null or empty for none.
    #[serde(deserialize_with = "nullable")]
    name: Option<Option<String>>,
    /// Replaces the stored metadata; null removes it.
    #[schema(value_type = Option<Object>)]
    #[serde(deserialize_with = "nullable")]
    metadata: Option<Option<Map<String, Value>>>,
    /// True if the thread is muted for the caller.
    muted: Option<bool>,
}

/// Renames a thread, sets its metadata, or mutes it.
///
/// The name and the metadata are the same for everyone, `muted` is the caller’s own. Missing fields stay as they are.
#[utoipa::path(
    patch, path = "/api/v1/threads/{thread}",
    params(("thread" = ConversationId, Path, description = "The thread’s id.")),
    request_body = Patch,
    responses((status = 200, description = "The thread as it is now.", body = Thread)),
)]
pub async fn change(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    permission: Permission,
    Input(patch): Input<Patch>,
) -> Result<Json<Thread>> {
    app.limits.say(origin, permission.participant().id())?;
    let changes = Changes {
        name: patch.name.map(|name| ThreadName::parse(&name.unwrap_or_default())).transpose()?,
        metadata: patch
            .metadata
            .map(|metadata| Metadata::parse(&metadata.unwrap_or_default()))
            .transpose()?,
        muted: patch.muted,
    };
    if changes.name.is_none() && changes.metadata.is_none() && changes.muted.is_none() {
        return Err(Error::invalid("", "Say what is to be changed: name, metadata or muted."));
    }
    let base = app.config.base_url.clone();
    let change = move |tx: &mut Tx<'_>| {
        let changed = permission.change(tx, &changes)?;
        Thread::load(tx, &changed, base.as_str())
    };
    app.db.write(change).await.map(Json)
}

/// Deletes a thread, for everyone.
///
/// For the thread’s owner.
#[utoipa::path(
    delete, path = "/api/v1/threads/{thread}",
    params(("thread" = ConversationId, Path, description = "The thread’s id.")),
    responses((status = 204, description = "It is gone.")),
)]
pub async fn delete(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    permission: Permission,
) -> Result<StatusCode> {
    app.limits.say(origin, permission.participant().id())?;
    app.db.write(move |tx| permission.delete(tx)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The people to be added, and the messages that they see.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = MorePeople, example = json!({ "users": ["ha"], "history": "all" }))]
#[serde(default, deny_unknown_fields)]
pub struct MorePeople {
    #[schema(required, min_items = 1, max_items = 100)]
    users: Vec<String>,
    history: HistoryScope,
}

/// The messages that added people see.
#[derive(Serialize, Deserialize, Default, Clone, Copy, ToSchema)]
#[schema(as = History)]
#[serde(rename_all = "snake_case")]
enum HistoryScope {
    All,
    #[default]
    FromNow,
}

/// Adds people.
///
/// They see the messages from then on (`from_now`), or `all` that the caller sees.
#[utoipa::path(
    post, path = "/api/v1/threads/{thread}/users",
    params(("thread" = ConversationId, Path, description = "The thread’s id.")),
    request_body = MorePeople,
    responses((status = 200, description = "The thread with them in it.", body = Thread)),
)]
pub async fn add(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    permission: Permission,
    caller: Caller,
    Post(idempotent, more): Post<MorePeople>,
) -> Result<Response> {
    let acts_for = caller.grant.as_ref().and_then(Grant::acts_for);
    app.limits.say(origin, permission.participant().id())?;
    let names = Names::parse(more.users.iter().map(String::as_str))?;
    let history = match more.history {
        HistoryScope::All => History::All,
        HistoryScope::FromNow => History::FromNow,
    };
    let base = app.config.base_url.clone();
    let add = move |tx: &mut Tx<'_>| {
        let permission = permission.add(tx, &names, history, acts_for)?;
        let thread = Thread::load(tx, &permission, base.as_str())?;
        Ok(Answer { about: About::Conversation(thread.id), ..answer(StatusCode::OK, &thread)? })
    };
    idempotent.answer(&app, add).await
}

/// Removes somebody, or leaves.
///
/// The owner removes anyone; with `me` the caller leaves. The thread is deleted with its last person.
#[utoipa::path(
    delete, path = "/api/v1/threads/{thread}/users/{id}",
    params(
        ("thread" = ConversationId, Path, description = "The thread’s id."),
        ("id" = String, Path, description = "An account’s id, or `me`."),
    ),
    responses((status = 204, description = "It is not in the thread any more.")),
)]
pub async fn remove(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    permission: Permission,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode> {
    app.limits.say(origin, permission.participant().id())?;
    let id = if id == "me" { permission.participant().id() } else { crate::http::input::from_path(&id)? };
    app.db.write(move |tx| permission.remove(tx, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The receipts of a person.
#[derive(Serialize, ToSchema)]
pub struct Progress {
    account: Account,
    /// The number of the last message that was delivered to one of the person’s devices.
    delivered_seq: i64,
    /// The number of the last message that the person has read.
    read_seq: i64,
}

/// The receipts of everyone in a thread.
#[utoipa::path(
    get, path = "/api/v1/threads/{thread}/receipts",
    params(("thread" = ConversationId, Path, description = "The thread’s id.")),
    responses(
        (
            status = 200,
            description = "Everyone in the thread, in the order in which they came.",
            body = List<Progress>,
        ),
    ),
)]
pub async fn receipts(State(app): State<Arc<App>>, permission: Permission) -> Result<List<Progress>> {
    let people = app.db.read(move |read| permission.participant().everyone(read)).await?;
    let receipts = people.iter().map(|row| Progress {
        account: Account::from(&row.account),
        delivered_seq: row.membership.delivered_seq,
        read_seq: row.membership.read_seq,
    });
    Ok(List::new(receipts.collect()))
}

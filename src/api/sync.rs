//! Catching up: <docs/api.md> describes it.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::list::{limit, links, page};
use crate::{
    Result,
    app::App,
    domain::{
        conversations::Participant,
        rooms::Inside,
        sync::{self, Changes},
    },
    http::{
        input::Query,
        session::{ClientAddr, Viewer},
    },
    ids::{AccountId, ConversationId},
    store::{self, sync::Changed},
    wire::{accounts::Account, messages::Message, rooms::Room, threads::Thread},
};

/// Up to where one knows everything.
#[derive(Deserialize, Default, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Since {
    /// The `since` of the answer before. Without it one begins now.
    since: Option<String>,
    /// How many at most: 50 unless given. What was done at once stays together, even if it is more.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// What changed since one asked last.
#[derive(Serialize, ToSchema)]
pub struct Sync {
    /// In the order in which it changed, each as it is now.
    data: Vec<Change>,
    /// As whom one asks: one’s own messages are among them.
    account_id: AccountId,
    /// Up to where one knows everything with this: keep it, and ask with it next time.
    since: String,
    /// The address of what there is beyond this page; null where there is nothing yet.
    #[schema(required)]
    next: Option<String>,
}

/// Something that changed, as it is now.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Change {
    /// A thread is new, or has another name, other people, more messages or another read position.
    Thread { thread: Thread },
    /// The same of a room.
    Room { room: Room },
    /// A message is new, edited, deleted, or has other reactions.
    Message { message: Message },
    /// One is not in it any more, or it is gone.
    Left { conversation_id: ConversationId },
    /// Somebody else in a thread has come further.
    Receipt { conversation_id: ConversationId, account: Account, delivered_seq: i64, read_seq: i64 },
}

impl Change {
    fn new(account: &store::accounts::Account, change: sync::Change, base: &str) -> Self {
        match change {
            sync::Change::Message(message) => Change::Message { message: Message::new(&message, base) },
            sync::Change::Left(conversation_id) => Change::Left { conversation_id },
            sync::Change::Receipt(receipt) => Change::Receipt {
                conversation_id: receipt.conversation,
                account: Account::from(&receipt.account),
                delivered_seq: receipt.delivered_seq,
                read_seq: receipt.read_seq,
            },
            sync::Change::Conversation(changed) => {
                let Changed { conversation, seat, link, people, .. } = *changed;
                let Some(link) = link else {
                    return Change::Thread { thread: Thread::new(&conversation, &seat, &people, base) };
                };
                let participant = Participant { account: account.clone(), conversation, seat };
                Change::Room { room: Room::new(&Inside { participant, link }, base) }
            }
        }
    }
}

/// Everything that changed for oneself since, in one call and in order.
///
/// What changed more than once comes once, as it is now. What is fetched so counts as delivered. A thread or a room
/// that one comes into is told as such; what was said there before is to be fetched. Who has been away for more than
/// 30 days begins anew.
#[utoipa::path(
    get, path = "/api/v1/sync", params(Since),
    responses((status = 200, description = "What changed.", body = Sync)),
)]
pub async fn get(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    account: store::accounts::Account,
    viewer: Viewer,
    Query(Since { since, limit: asked }): Query<Since>,
) -> Result<Response> {
    app.limits.write(from)?; // it reads many rows
    let (mark, limit) = (since.map(|since| since.parse()).transpose()?, limit(asked)?);
    let id = account.id;
    let changes = app.db.read(move |read| sync::since(read, id, mark, limit)).await?;
    let reached = changes.reached();
    if !reached.is_empty() {
        let to = account.clone();
        app.db.write(move |tx| sync::deliver(tx, &to, &reached)).await?;
    }
    let Changes { all, upto, more } = changes;
    let base = app.config.base_url.as_str();
    let data = all.into_iter().map(|change| Change::new(&account, change, base)).collect();
    let path = format!("{base}/api/v1/sync");
    let next = more.then(|| page(&path, &viewer, &format!("since={upto}"), limit));
    let links = links(next.as_deref(), None);
    let mut response = Json(Sync { data, account_id: id, since: upto.to_string(), next }).into_response();
    response.headers_mut().extend(links.map(|links| (header::LINK, links)));
    Ok(response)
}

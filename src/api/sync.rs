//! The call that returns the changes since the previous one, which `docs/api.md` describes.

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
        rooms::RoomMember,
        sync::{self, Changes},
    },
    http::{
        input::Query,
        session::{Caller, ClientAddr},
    },
    ids::{AccountId, ConversationId},
    store::{self, sync::ChangedConversation},
    wire::{accounts::Account, messages::Message, rooms::Room, threads::Thread},
};

/// The position from which changes are returned.
#[derive(Deserialize, Default, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Since {
    /// The `since` of the previous response. Without it sync begins now.
    since: Option<String>,
    /// The largest number of results: 50 unless given. Changes of one transaction stay together, even if they are more.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// The changes since the previous call.
#[derive(Serialize, ToSchema)]
pub struct Sync {
    /// The changes in their order, each with the current state.
    data: Vec<Change>,
    /// The caller’s account, whose own messages are among the changes.
    account_id: AccountId,
    /// The token to be stored, and to be sent as `since` with the next call.
    since: String,
    /// The address of the next page; null where there is nothing more yet.
    #[schema(required)]
    next: Option<String>,
}

/// A change, with the current state.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Change {
    /// A thread that is new, or has another name, other people, more messages or another read position.
    Thread { thread: Thread },
    /// A room that is new, or has another name, other people, more messages or another read position.
    Room { room: Room },
    /// A message that is new, edited, deleted, or has other reactions.
    Message { message: Message },
    /// A conversation that was deleted, or that the caller is not in any more.
    Left { conversation_id: ConversationId },
    /// A receipt of somebody else in a thread.
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
                let ChangedConversation { conversation, membership, link, people, .. } = *changed;
                let Some(link) = link else {
                    return Change::Thread { thread: Thread::new(&conversation, &membership, &people, base) };
                };
                let participant = Participant { account: account.clone(), conversation, membership };
                Change::Room { room: Room::new(&RoomMember { participant, link }, base) }
            }
        }
    }
}

/// All changes for the caller since the previous call, in order.
///
/// Something that changed more than once is returned once, with its current state. Returned messages count as
/// delivered. A thread or a room that the caller has joined is returned itself; its earlier messages are to be fetched.
/// After more than 30 days a client has to begin anew.
#[utoipa::path(
    get, path = "/api/v1/sync", params(Since),
    responses((status = 200, description = "What changed.", body = Sync)),
)]
pub async fn get(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    account: store::accounts::Account,
    caller: Caller,
    Query(Since { since, limit: requested }): Query<Since>,
) -> Result<Response> {
    app.limits.write(origin)?; // sync reads many rows, so it is limited like a write
    let (token, limit) = (since.map(|since| since.parse()).transpose()?, limit(requested)?);
    let id = account.id;
    let changes = app.db.read(move |read| sync::since(read, id, token, limit)).await?;
    let reached = changes.reached();
    if !reached.is_empty() {
        let recipient = account.clone();
        app.db.write(move |tx| sync::deliver(tx, &recipient, &reached)).await?;
    }
    let Changes { all, next: token, more } = changes;
    let base = app.config.base_url.as_str();
    let data = all.into_iter().map(|change| Change::new(&account, change, base)).collect();
    let path = format!("{base}/api/v1/sync");
    let next = more.then(|| page(&path, &caller, &format!("since={token}"), limit));
    let links = links(next.as_deref(), None);
    let mut response = Json(Sync { data, account_id: id, since: token.to_string(), next }).into_response();
    response.headers_mut().extend(links.map(|links| (header::LINK, links)));
    Ok(response)
}

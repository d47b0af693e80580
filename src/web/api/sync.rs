//! Catching up: <docs/api.md> describes it.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    list::{limit, page},
    messages::{Account, Message},
    rooms::Room,
    threads::Thread,
};
use crate::{
    Result,
    app::App,
    db::Read,
    domain::{
        conversations::{Participant, still_in},
        rooms::Inside,
        sync::{self, Changes},
        threads::MOST,
    },
    events::Tx,
    ids::{AccountId, ConversationId},
    store::{self, sync::Changed},
    web::{
        input::Query,
        session::{ClientAddr, Viewer},
    },
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
    fn new(
        read: &Read<'_>,
        account: &store::accounts::Account,
        change: sync::Change,
        base: &str,
    ) -> Result<Self> {
        Ok(match change {
            sync::Change::Message(message) => Change::Message { message: Message::new(&message, base) },
            sync::Change::Left(conversation_id) => Change::Left { conversation_id },
            sync::Change::Receipt(receipt) => Change::Receipt {
                conversation_id: receipt.conversation,
                account: Account::from(&receipt.account),
                delivered_seq: receipt.delivered_seq,
                read_seq: receipt.read_seq,
            },
            sync::Change::Conversation(changed) => {
                let Changed { conversation, seat, link, .. } = *changed;
                match link {
                    Some(link) => {
                        let participant = Participant { account: account.clone(), conversation, seat };
                        Change::Room { room: Room::new(&Inside { participant, link }, base) }
                    }
                    None => {
                        let people = store::conversations::participants(read, conversation.id, MOST as i64)?;
                        Change::Thread { thread: Thread::new(&conversation, &seat, &people, base) }
                    }
                }
            }
        })
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
    let account_id = account.id;
    let (mark, limit) = (since.map(|since| since.parse()).transpose()?, limit(asked)?);
    let (base, asks) = (app.config.base_url.clone(), account.clone());
    let read = app.db.read(move |read| {
        let Changes { all, upto, more } = sync::since(read, asks.id, mark, limit)?;
        let mut reached: BTreeMap<ConversationId, i64> = BTreeMap::new();
        let mut data = Vec::new();
        for change in all {
            if let sync::Change::Message(message) = &change {
                let seq = reached.entry(message.conversation).or_default();
                *seq = message.seq.max(*seq);
            }
            data.push(Change::new(read, &asks, change, base.as_str())?);
        }
        Ok((data, upto, more, reached))
    });
    let (data, upto, more, reached) = read.await?;
    if !reached.is_empty() {
        app.db.write(move |tx| deliver(tx, &account, &reached)).await?;
    }
    let path = format!("{}/api/v1/sync", app.config.base_url.as_str());
    let next = more.then(|| page(&path, &viewer, &format!("since={upto}"), limit));
    let link = next.as_ref().and_then(|next| HeaderValue::try_from(format!("<{next}>; rel=\"next\"")).ok());
    let mut response = Json(Sync { data, account_id, since: upto.to_string(), next }).into_response();
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// Notes that everything up to these messages has reached a device.
fn deliver(
    tx: &mut Tx<'_>,
    account: &store::accounts::Account,
    reached: &BTreeMap<ConversationId, i64>,
) -> Result<()> {
    for (id, seq) in reached {
        if let Some(participant) = still_in(tx, account, *id)?
            && *seq > participant.seat.delivered_seq
        {
            participant.receive(tx, *seq)?;
        }
    }
    Ok(())
}

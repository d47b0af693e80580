//! The payloads of webhooks, in the same formats as the API's responses.

use serde_json::{Value, json};

use super::{accounts::Account, messages::Message, threads::Thread};
use crate::{
    Error, Result,
    db::Read,
    domain::conversations::find_participant,
    ids::{AccountId, MessageId},
    store::{
        self,
        webhooks::{Delivery, EventType, Webhook},
    },
};

/// Builds the payload of a delivery from the current state; `None` if its subject is gone, or the app is no longer in
/// the conversation. `base` is the base URL.
pub fn payload(read: &Read<'_>, delivery: &Delivery, webhook: &Webhook, base: &str) -> Result<Option<Value>> {
    let Some(app) = store::apps::by_id(read, webhook.app)? else { return Ok(None) };
    let bot = store::accounts::by_id(read, app.bot)?;
    let Some(participant) = find_participant(read, &bot, delivery.conversation)? else { return Ok(None) };
    let payload = match delivery.event {
        EventType::MessageCreated | EventType::MessageChanged => {
            match store::messages::by_id(read, participant.history(), MessageId(delivery.subject)) {
                Ok(message) => serde_json::to_value(Message::new(&message, base)),
                Err(Error::NotFound) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        EventType::ThreadChanged => serde_json::to_value(Thread::load_for(read, &participant, base)?),
        EventType::ReceiptChanged => {
            let account_id = AccountId(delivery.subject);
            let Some((_, membership)) =
                store::conversations::with_membership(read, delivery.conversation, account_id)?
            else {
                return Ok(None);
            };
            let account = Account::from(&store::accounts::by_id(read, account_id)?);
            Ok(json!({
                "conversation_id": delivery.conversation, "account": account,
                "delivered_seq": membership.delivered_seq, "read_seq": membership.read_seq,
            }))
        }
    };
    payload.map(Some).map_err(Error::internal)
}

//! The payloads of webhooks, in the same formats as the API's responses.

use serde_json::{Value, json};

use super::{accounts::Account, messages::Message, threads::Thread};
use crate::{Error, Result, domain::webhooks::Subject, store::webhooks::Delivery};

/// Returns the payload of a delivery about this subject. `base` is the base URL.
pub fn payload(delivery: &Delivery, subject: &Subject, base: &str) -> Result<Value> {
    let payload = match subject {
        Subject::Message(message) => serde_json::to_value(Message::new(message, base)),
        Subject::Thread(participant, people) => {
            let thread = Thread::new(&participant.conversation, &participant.membership, people, base);
            serde_json::to_value(thread)
        }
        Subject::Receipt(account, membership) => Ok(json!({
            "conversation_id": delivery.conversation, "account": Account::from(account),
            "delivered_seq": membership.delivered_seq, "read_seq": membership.read_seq,
        })),
    };
    payload.map_err(Error::internal)
}

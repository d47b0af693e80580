//! Messages as JSON.

use serde::Serialize;
use utoipa::ToSchema;

use super::{accounts::Account, attachments::File, format::excerpt, markup};
use crate::{
    clock::Time,
    ids::{AccountId, ConversationId, MessageId},
    store::messages,
};

/// A message of a conversation.
#[derive(Serialize, ToSchema)]
pub struct Message {
    id: MessageId,
    pub conversation_id: ConversationId,
    /// The message’s number in the conversation: 1, 2, 3 … without gaps.
    seq: i64,
    /// The number, among the conversation’s changes, of the last change of this message.
    change: i64,
    /// The text as it was written; empty once deleted, or if only files were sent.
    body: String,
    /// The text as HTML that is safe to show.
    html: String,
    account: Account,
    /// The message that this one replies to.
    #[schema(required)]
    reply_to: Option<Quote>,
    reactions: Vec<Reaction>,
    attachments: Vec<File>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime, required)]
    edited_at: Option<String>,
    #[schema(format = DateTime, required)]
    deleted_at: Option<String>,
}

/// An emoji under a message.
#[derive(Serialize, ToSchema)]
struct Reaction {
    emoji: String,
    /// The number of accounts that reacted with it.
    count: i64,
    /// The first fifty of these accounts.
    accounts: Vec<AccountId>,
}

impl From<&messages::Reaction> for Reaction {
    fn from(reaction: &messages::Reaction) -> Self {
        let messages::Reaction { emoji, count, accounts } = reaction;
        Reaction { emoji: emoji.clone(), count: *count, accounts: accounts.clone() }
    }
}

/// A message that another one replies to.
#[derive(Serialize, ToSchema)]
struct Quote {
    id: MessageId,
    seq: i64,
    account_id: AccountId,
    name: String,
    /// The beginning of the text; empty once deleted.
    excerpt: String,
}

impl Message {
    /// Converts a message. `base` is the base URL.
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
            html: markup::message(&message.body, &message.mentions, base),
            account: Account::of(&message.author),
            reply_to: quote,
            reactions: message.reactions.iter().map(Reaction::from).collect(),
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
    /// Checks whether the message is the first of its conversation.
    pub fn is_first(&self) -> bool {
        self.seq == 1
    }
}

/// Converts messages. `base` is the base URL.
pub fn all(messages: &[messages::Message], base: &str) -> Vec<Message> {
    messages.iter().map(|message| Message::new(message, base)).collect()
}

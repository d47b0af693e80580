//! The list of messages on a conversation's page.

use std::time::Duration;

use crate::{
    clock::Time,
    domain::conversations::Participant,
    ids::{AccountId, MessageId},
    store::messages::{Message, Speaker},
    wire::bubble::Bubble,
};

/// The time within which messages of one person are shown as a group. The same as in `chat-messages.js`.
const GROUP_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// A row of the list.
pub(super) enum Row {
    Day(String, Time),
    /// The line above the first unread message.
    Unread,
    Message(Box<Bubble>),
}

/// Returns an empty message that the page's script fills in, by the same template as sent messages.
pub(super) fn blank(participant: &Participant, now: Time) -> Bubble {
    let author = Speaker {
        id: participant.id(),
        kind: participant.account.kind,
        username: participant.account.username.clone(),
        name: participant.name().to_owned(),
    };
    let message = Message {
        id: MessageId(0),
        conversation: participant.conversation.id,
        seq: 0,
        change: 0,
        author,
        body: "…".into(),
        mentions: Vec::new(),
        reply_to: None,
        reactions: Vec::new(),
        attachments: Vec::new(),
        created_at: now,
        edited_at: None,
        deleted_at: None,
    };
    Bubble::new(message, Some(participant.id()))
}

/// Returns the rows: messages in groups and days, and the line above the unread ones. Days are in UTC until the page's
/// script shows them in the reader's time zone.
pub(super) fn rows(messages: Vec<Message>, viewer: AccountId, read_seq: i64) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::with_capacity(messages.len() + 4);
    let mut has_divider = false;
    let mut day = None;
    for message in messages {
        let date = message.created_at.utc().date();
        if day != Some(date) {
            rows.push(Row::Day(date.strftime("%A, %-d %B %Y").to_string(), message.created_at));
            day = Some(date);
        }
        // Without a read position every message is unread, and the line is of no use.
        let is_unread = message.seq > read_seq && read_seq > 0 && message.author.id != viewer;
        if is_unread && !has_divider {
            rows.push(Row::Unread);
            has_divider = true;
        }
        let mut bubble = Bubble::new(message, Some(viewer));
        if let Some(Row::Message(above)) = rows.last_mut() {
            let is_close = bubble.message.created_at.since(above.message.created_at) < GROUP_INTERVAL;
            if is_close
                && above.message.author.id == bubble.message.author.id
                && above.message.author.name == bubble.message.author.name
            {
                above.ends = false;
                bubble.starts = false;
            }
        }
        rows.push(Row::Message(Box::new(bubble)));
    }
    rows
}

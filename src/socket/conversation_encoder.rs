//! The encoding of a conversation's events for one participant.

use std::sync::Arc;

use bytes::Bytes;

use super::fast_path::{Delivery, Order, StreamEncoder};
use crate::{
    app::App,
    events::{Event, Format, MessageEvent, PresenceChanged},
    ids::AccountId,
    store::messages::Message,
    wire::frames,
};

/// The position up to which a participant has received everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    /// The number of the last message that was sent.
    pub(super) seq: i64,
    /// The number of the last change that was sent or skipped.
    pub(super) change: i64,
}

/// The encoder of a conversation for one participant.
pub(super) struct ConversationEncoder {
    pub(super) app: Arc<App>,
    pub(super) format: Format,
    pub(super) account: AccountId,
    /// The last message that the participant may not see, nor any before it.
    pub(super) visible_after: i64,
}

impl StreamEncoder for ConversationEncoder {
    type Cursor = Cursor;

    fn encode<'e>(&self, cursor: &mut Cursor, event: &'e Event) -> Delivery<'e> {
        match event {
            Event::MessageChanged(message) => {
                if quotes(&message.value.message, self.visible_after) {
                    return Delivery::Handle;
                }
                let Some(change) = event.number() else { return Delivery::Ignore };
                match Order::of(change, cursor.change) {
                    Order::Old => return Delivery::Ignore,
                    Order::Gap => return Delivery::CatchUp,
                    Order::Next => cursor.change = change,
                }
                let seq = message.value.message.seq;
                if (message.value.new && seq <= cursor.seq) || seq <= self.visible_after {
                    return Delivery::Ignore; // sent by a replay already, or from before the participant joined
                }
                cursor.seq = cursor.seq.max(seq);
                let encode = |event: &MessageEvent| message_frame(&self.app, self.format, event, change);
                Delivery::Send(message.frame(self.format, encode))
            }
            Event::PresenceChanged(present) => {
                Delivery::Send(present.frame(self.format, |present| presence_frame(self.format, present)))
            }
            Event::ReceiptChanged(receipt) => Delivery::Send(receipt.frame(Format::Json, frames::receipt)),
            Event::Typing(typing) if typing.value.person.id == self.account => Delivery::Ignore,
            Event::Typing(typing) => Delivery::Send(typing.frame(Format::Json, frames::typing)),
            Event::ConversationUpdated(_) | Event::ParticipantLeft { .. } | Event::ConversationDeleted => {
                Delivery::Handle
            }
            Event::PeepChanged(_)
            | Event::PeepCountsChanged(_)
            | Event::PageChanged(_)
            | Event::JobDue
            | Event::MatchChanged
            | Event::WaitingQueueChanged(_) => Delivery::Ignore,
        }
    }
}

/// Checks whether the message quotes one of those up to `after`.
fn quotes(message: &Message, after: i64) -> bool {
    message.reply_to.as_ref().is_some_and(|quote| quote.seq <= after)
}

pub(super) fn presence_frame(format: Format, present: &PresenceChanged) -> Bytes {
    match format {
        Format::Json => frames::presence(present),
        Format::Html => frames::presence_html(present),
    }
}

/// `change` is the number up to which the participant has received everything with this frame.
pub(super) fn message_frame(app: &App, format: Format, event: &MessageEvent, change: i64) -> Bytes {
    match format {
        Format::Json => frames::message(event, change, app.config.base_url.as_str()),
        Format::Html => frames::message_html(event, change),
    }
}

//! The streams of a socket behind one type.

use super::{
    conversation::ConversationStream,
    matching::MatchStream,
    protocol::SubscribeRequest,
    public::{self, PublicStream},
    writer::{Closed, SocketWriter},
};
use crate::events::{Event, Topic};

/// A stream that a socket is subscribed to.
pub(super) enum Stream {
    Public(PublicStream),
    Conversation(Box<ConversationStream>),
    Match(Box<MatchStream>),
}

/// Whether a stream continues after an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flow {
    Continues,
    Ended,
}

impl Stream {
    /// Opens the fast path. Everything that was fed to the socket has been flushed.
    pub(super) fn arm(&self) {
        match self {
            Stream::Public(public) => public.arm(),
            Stream::Conversation(conversation) => conversation.arm(),
            Stream::Match(_) => {} // its frames are for one account alone
        }
    }

    /// Closes the fast path: from now on the connection's task sends the stream's events.
    pub(super) fn disarm(&mut self) {
        match self {
            Stream::Public(public) => public.disarm(),
            Stream::Conversation(conversation) => conversation.disarm(),
            Stream::Match(_) => {}
        }
    }

    /// Returns the topics that the stream is subscribed to.
    pub(super) fn topics(&self) -> Vec<Topic> {
        match self {
            Stream::Public(_) => vec![Topic::Public],
            Stream::Conversation(conversation) => vec![Topic::Conversation(conversation.id())],
            Stream::Match(stream) => vec![Topic::Account(stream.account()), Topic::WaitingQueue],
        }
    }

    pub(super) fn has_topic(&self, topic: &Topic) -> bool {
        match self {
            Stream::Public(_) => *topic == Topic::Public,
            Stream::Conversation(conversation) => *topic == Topic::Conversation(conversation.id()),
            Stream::Match(stream) => {
                *topic == Topic::WaitingQueue || *topic == Topic::Account(stream.account())
            }
        }
    }

    /// Returns whether a request names this stream.
    pub(super) fn is_requested(&self, request: &SubscribeRequest) -> bool {
        match self {
            Stream::Public(_) => public::is_public(&request.stream),
            Stream::Conversation(conversation) => {
                matches!(request.stream.as_str(), "room" | "conversation")
                    && conversation.matches(&request.room, &request.conversation)
            }
            Stream::Match(_) => request.stream == "match",
        }
    }

    /// Sends an event from the mailbox to the client.
    pub(super) async fn deliver(&mut self, writer: &mut SocketWriter, event: &Event) -> Result<Flow, Closed> {
        match self {
            Stream::Public(public) => public.deliver(writer, event).await.map(|()| Flow::Continues),
            Stream::Conversation(conversation) => conversation.deliver(writer, event).await,
            Stream::Match(stream) => stream.deliver(writer, event).await.map(|()| Flow::Continues),
        }
    }

    /// Sends the events that the client has missed from the database.
    pub(super) async fn catch_up(&mut self, writer: &mut SocketWriter) -> Result<Flow, Closed> {
        match self {
            Stream::Public(public) => public.catch_up(writer).await.map(|()| Flow::Continues),
            Stream::Conversation(conversation) => conversation.catch_up(writer).await,
            Stream::Match(stream) => stream.catch_up(writer).await.map(|()| Flow::Continues),
        }
    }
}

//! The messages that a client may send on a socket: small JSON objects with a `type`.

use serde::Deserialize;

/// A message of a client.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ClientMessage {
    /// Subscribes to a stream, from some number on.
    Subscribe(SubscribeRequest),
    Unsubscribe(SubscribeRequest),
    /// Reports that the client's user is typing in a conversation.
    Typing {
        /// The key of a room.
        #[serde(default)]
        room: String,
        /// The id of any conversation, in place of the key.
        #[serde(default)]
        conversation: String,
    },
    /// Asks for a `pong`.
    Ping,
}

/// A stream, and the position after which the client receives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct SubscribeRequest {
    /// `public`, `room`, `conversation` or `match`.
    pub stream: String,
    /// The key of the room.
    #[serde(default)]
    pub room: String,
    /// The id of the conversation.
    #[serde(default)]
    pub conversation: String,
    /// The `seq` of the last message or peep that the client has.
    pub since: Option<i64>,
    /// The `change` of the last frame that the client has of a conversation.
    pub change: Option<i64>,
}

impl ClientMessage {
    /// Parses a message; `None` if it is not one of those above.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_messages_are_parsed_and_all_others_refused() {
        let subscribe =
            ClientMessage::parse(r#"{"type":"subscribe","stream":"room","room":"k","since":3,"later":1}"#);
        let request = SubscribeRequest {
            stream: "room".into(),
            room: "k".into(),
            since: Some(3),
            ..SubscribeRequest::default()
        };
        assert_eq!(subscribe, Some(ClientMessage::Subscribe(request)), "unknown members are ignored");
        assert_eq!(ClientMessage::parse(r#"{"type":"ping"}"#), Some(ClientMessage::Ping));
        for nonsense in ["", "{}", "[]", r#"{"type":"Ping"}"#, r#"{"type":"subscribe"}"#] {
            assert_eq!(ClientMessage::parse(nonsense), None, "{nonsense}");
        }
    }
}

//! What a client may say on a socket: small JSON objects with a `type`.

use serde::Deserialize;

/// Something that a client says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ClientMessage {
    /// It wants to hear a stream, from some number on.
    Subscribe(SubscribeRequest),
    /// It no longer wants to.
    Unsubscribe(SubscribeRequest),
    /// Its person types in this conversation.
    Typing {
        /// The key, of a room.
        #[serde(default)]
        room: String,
        /// Or the id, of any conversation.
        #[serde(default)]
        conversation: String,
    },
    /// It wants to know whether anybody is there.
    Ping,
}

/// A stream, and from where on.
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
    /// The `seq` of the last thing that the client has.
    pub since: Option<i64>,
    /// The `change` of the last frame that the client has, in a room.
    pub change: Option<i64>,
}

impl ClientMessage {
    /// Reads what was said; `None` where it makes no sense.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_sense_is_understood_and_nothing_else() {
        let subscribe =
            ClientMessage::parse(r#"{"type":"subscribe","stream":"room","room":"k","since":3,"later":1}"#);
        let request = SubscribeRequest {
            stream: "room".into(),
            room: "k".into(),
            since: Some(3),
            ..SubscribeRequest::default()
        };
        assert_eq!(subscribe, Some(ClientMessage::Subscribe(request)), "what is yet to come is passed over");
        assert_eq!(ClientMessage::parse(r#"{"type":"ping"}"#), Some(ClientMessage::Ping));
        for nonsense in ["", "{}", "[]", r#"{"type":"Ping"}"#, r#"{"type":"subscribe"}"#] {
            assert_eq!(ClientMessage::parse(nonsense), None, "{nonsense}");
        }
    }
}

//! The description of the socket: AsyncAPI 3.0. The server's messages are derived from the types of its frames, and the
//! schemas that they refer to are those of the OpenAPI document.

use serde_json::{Map, Value, json};

use super::DOCUMENT;
use crate::wire::frames::{self, FrameSchema};

/// Returns the messages of a client.
fn client_messages() -> Vec<Value> {
    let subscription = || {
        json!({
            "stream": { "enum": ["public", "room", "conversation", "match"] },
            "room": text("The key of the room."),
            "conversation": text("The id of the conversation."),
            "since": number("The seq of the last item that the client has: later ones are replayed."),
            "change": number("The change of the last frame that the client has."),
        })
    };
    let client_message = |kind: &str, summary: &str, mut members: Value, required: &[&str]| {
        members["type"] = json!({ "const": kind });
        let required = [&["type"], required].concat();
        let payload = json!({ "type": "object", "properties": members, "required": required });
        message(kind, summary, payload)
    };
    vec![
        client_message(
            "subscribe",
            "Subscribes to a stream, from some number on.",
            subscription(),
            &["stream"],
        ),
        client_message("unsubscribe", "Ends a subscription.", subscription(), &["stream"]),
        client_message(
            "typing",
            "Reports that the caller is typing in a conversation.",
            json!({ "room": text("The key of the room."), "conversation": text("The id of the conversation.") }),
            &[],
        ),
        client_message("ping", "Asks for a pong.", json!({}), &[]),
    ]
}

/// Returns the message of a frame. The first paragraph of its type's documentation is the summary.
fn frame_message(frame: &FrameSchema) -> Value {
    let mut payload = serde_json::to_value(&frame.schema).unwrap_or_default();
    let summary = payload.as_object_mut().and_then(|schema| schema.remove("description"));
    message(frame.name, summary.as_ref().and_then(Value::as_str).unwrap_or_default(), payload)
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn number(description: &str) -> Value {
    json!({ "type": "integer", "description": description })
}

fn message(name: &str, summary: &str, mut payload: Value) -> Value {
    payload["additionalProperties"] = false.into();
    json!({ "name": name, "summary": summary, "contentType": "application/json", "payload": payload })
}

/// Returns the document. `host` is the address of the instance, and `is_https` whether it is reached by TLS.
pub fn asyncapi(host: &str, is_https: bool) -> Value {
    let mut messages = Map::new();
    let mut operation = |action: &str, summary: &str, prefix: &str, list: Vec<Value>| {
        let mut refs = Vec::new();
        for message in list {
            let key = format!("{prefix}_{}", message["name"].as_str().unwrap_or_default());
            refs.push(json!({ "$ref": format!("#/channels/streaming/messages/{key}") }));
            messages.insert(key, message);
        }
        json!({ "action": action, "summary": summary, "channel": { "$ref": "#/channels/streaming" }, "messages": refs })
    };
    let frames = frames::schemas();
    let receive = operation("receive", "The messages of a client.", "ask", client_messages());
    let send =
        operation("send", "The messages of the server.", "tell", frames.iter().map(frame_message).collect());
    let document = serde_json::to_value(&*DOCUMENT).unwrap_or_default();
    let mut schemas = document["components"]["schemas"].clone();
    for (name, schema) in frames.into_iter().flat_map(|frame| frame.referenced) {
        if schemas[&name].is_null() {
            schemas[&name] = serde_json::to_value(schema).unwrap_or_default();
        }
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Chitter, live", "version": env!("CARGO_PKG_VERSION"),
            "description": "One WebSocket for everything that is live. It takes the token as Authorization: Bearer, or \
                            the cookie of a page. Messages are numbered: nothing is lost, nothing comes twice, all in \
                            order.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": {
            "here": { "host": host, "protocol": if is_https { "wss" } else { "ws" } },
        },
        "channels": {
            "streaming": { "address": "/api/v1/streaming", "messages": messages },
        },
        "operations": { "hear": receive, "tell": send },
        "components": { "schemas": schemas },
    })
}

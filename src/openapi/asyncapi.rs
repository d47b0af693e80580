//! What is said on the socket, as AsyncAPI 3.0. The shapes in it are those of the API's document.

use serde_json::{Map, Value, json};

use super::DOCUMENT;

/// What a client says.
fn asked() -> Vec<Value> {
    let wanted = || {
        json!({
            "stream": { "enum": ["public", "room", "conversation", "match"] },
            "room": text("The key of the room."),
            "conversation": text("The id of the conversation."),
            "since": number("The seq of the last thing that one has: what came after it is replayed."),
            "change": number("The change of the last frame that one has."),
        })
    };
    let of = |kind: &str, about: &str, mut members: Value, required: &[&str]| {
        members["type"] = json!({ "const": kind });
        message(kind, about, &members, &[&["type"], required].concat())
    };
    vec![
        of("subscribe", "Hears a stream, from some number on.", wanted(), &["stream"]),
        of("unsubscribe", "Hears it no longer.", wanted(), &["stream"]),
        of(
            "typing",
            "Somebody types here.",
            json!({ "room": text("The key of the room."), "conversation": text("The id of the conversation.") }),
            &[],
        ),
        of("ping", "Is anybody there?", json!({}), &[]),
    ]
}

/// What the server says.
fn told() -> Vec<Value> {
    let of = |name: &str, events: &[&str], about: &str, mut members: Value, required: &[&str]| {
        members["event"] = json!({ "enum": events });
        message(name, about, &members, &[&["event"], required].concat())
    };
    let conversation = || text("The conversation’s id.");
    let change = || number("Up to which change everything has been heard with it.");
    let somebody =
        || json!({ "type": "object", "properties": { "id": text("Its id."), "name": text("Its name.") } });
    let said = || {
        json!({
            "conversation_id": conversation(), "seq": number("The message’s number."), "change": change(),
            "message": shape("Message"),
        })
    };
    let said_members = ["conversation_id", "seq", "change", "message"];
    vec![
        of(
            "subscribed",
            &["subscribed"],
            "What follows comes after this.",
            json!({
                "stream": text("Which stream."), "seq": number("After this number."), "change": change(),
                "conversation_id": conversation(), "account_id": text("As whom one is there."),
                "room": shape("Room"), "match": { "oneOf": [shape("Match"), { "type": "null" }] },
            }),
            &["stream"],
        ),
        of(
            "status",
            &["update", "status.update", "delete"],
            "A peep is new, edited or deleted.",
            json!({
                "stream": { "type": "array", "items": { "const": "public" } },
                "payload": text("A Status as JSON within a string; of a deleted one its id."),
                "seq": number("Its number in the public stream."),
            }),
            &["stream", "payload", "seq"],
        ),
        of(
            "counts",
            &["counts"],
            "Other numbers under a peep. Not replayed.",
            json!({ "id": text("The peep’s id."), "likes": number("Likes."), "replies": number("Replies.") }),
            &["id", "likes", "replies"],
        ),
        of("message", &["message"], "Something was said.", said(), &said_members),
        of("change", &["change"], "An earlier message as it is now.", said(), &said_members),
        of(
            "room",
            &["room"],
            "A room has another name, link or owner, or is locked or no longer.",
            json!({ "conversation_id": conversation(), "change": change(), "room": { "type": "object" } }),
            &["conversation_id", "change", "room"],
        ),
        of(
            "thread",
            &["thread"],
            "A thread has another name, owner or other people.",
            json!({ "conversation_id": conversation(), "change": change(), "thread": { "type": "object" } }),
            &["conversation_id", "change", "thread"],
        ),
        of(
            "receipt",
            &["receipt"],
            "Somebody in a thread has come further. Not replayed.",
            json!({
                "conversation_id": conversation(), "account": somebody(),
                "delivered_seq": number("Everything up to this message has reached one of its devices."),
                "read_seq": number("Everything up to this message has been read."),
            }),
            &["conversation_id", "account", "delivered_seq", "read_seq"],
        ),
        of(
            "here",
            &["here"],
            "Who has it open. Not replayed.",
            json!({
                "conversation_id": conversation(), "count": number("How many."), "guests": number("How many guests."),
                "people": { "type": "array", "items": somebody() },
            }),
            &["conversation_id", "count", "guests", "people"],
        ),
        of(
            "typing",
            &["typing"],
            "Somebody else types. Not replayed.",
            json!({ "conversation_id": conversation(), "account": somebody() }),
            &["conversation_id", "account"],
        ),
        of(
            "match",
            &["waiting", "matched", "reconnecting", "reconnected", "changed", "partner_left", "ended"],
            "How far one is with a match.",
            json!({ "stream": { "const": "match" }, "match": { "oneOf": [shape("Match"), { "type": "null" }] } }),
            &["stream", "match"],
        ),
        of(
            "left",
            &["left"],
            "One is out, or it is gone: nothing more comes.",
            json!({ "conversation_id": conversation(), "room": text("The key that it was asked for by.") }),
            &["conversation_id"],
        ),
        of(
            "reset",
            &["reset"],
            "One missed more than is replayed: fetch what is wanted; it goes on from here.",
            json!({ "conversation_id": conversation(), "seq": number("From here."), "change": change() }),
            &["seq"],
        ),
        of("pong", &["pong"], "Yes.", json!({}), &[]),
        of(
            "error",
            &["error"],
            "It was not understood, or can’t be subscribed to.",
            json!({
                "error": text("Why, in plain words."), "stream": text("Of what."), "room": text("Of what."),
                "conversation": text("Of what."),
            }),
            &["error"],
        ),
    ]
}

fn text(about: &str) -> Value {
    json!({ "type": "string", "description": about })
}

fn number(about: &str) -> Value {
    json!({ "type": "integer", "description": about })
}

fn shape(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn message(name: &str, about: &str, members: &Value, required: &[&str]) -> Value {
    json!({
        "name": name, "summary": about, "contentType": "application/json",
        "payload": {
            "type": "object", "properties": members, "required": required, "additionalProperties": false,
        },
    })
}

/// The document. `host` is where the place is, and `is_https` whether it is there securely.
pub fn asyncapi(host: &str, is_https: bool) -> Value {
    let mut messages = Map::new();
    let mut operation = |action: &str, about: &str, prefix: &str, all: Vec<Value>| {
        let mut refs = Vec::new();
        for one in all {
            let key = format!("{prefix}_{}", one["name"].as_str().unwrap_or_default());
            refs.push(json!({ "$ref": format!("#/channels/streaming/messages/{key}") }));
            messages.insert(key, one);
        }
        json!({ "action": action, "summary": about, "channel": { "$ref": "#/channels/streaming" }, "messages": refs })
    };
    let hears = operation("receive", "What a client says.", "ask", asked());
    let tells = operation("send", "What the server says.", "tell", told());
    let document = serde_json::to_value(&*DOCUMENT).unwrap_or_default();
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
        "operations": { "hear": hears, "tell": tells },
        "components": { "schemas": document["components"]["schemas"] },
    })
}

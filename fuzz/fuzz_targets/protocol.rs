//! Any input on a socket or at a hook is parsed or refused.
#![no_main]

use chitter::{
    api::hooks,
    domain::{attachments::FileName, rooms::Key, text::RefusedWords},
    ids::ConversationId,
    socket::protocol::ClientMessage,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match ClientMessage::parse(text) {
        Some(ClientMessage::Subscribe(request) | ClientMessage::Unsubscribe(request)) => {
            let _ = Key::parse(&request.room);
        }
        Some(ClientMessage::Typing { room, conversation }) => {
            let _ = (Key::parse(&room), conversation.parse::<ConversationId>());
        }
        Some(ClientMessage::Ping) | None => {}
    }
    if let Ok(call) = serde_json::from_str::<hooks::Call>(text) {
        let _ = call.body(&RefusedWords::default());
    }
    let name = FileName::parse(text);
    assert!(!name.as_str().is_empty() && !name.as_str().contains(['/', '\\', '\0', '\n']));
});

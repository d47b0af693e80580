//! Any input on a socket or at a hook is parsed or refused.
#![no_main]

use chitter::{
    api::hooks,
    domain::{attachments::FileName, rooms::Key},
    ids::ConversationId,
    socket::protocol::Said,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|said: &str| {
    match Said::parse(said) {
        Some(Said::Subscribe(wanted) | Said::Unsubscribe(wanted)) => {
            let _ = Key::parse(&wanted.room);
        }
        Some(Said::Typing { room, conversation }) => {
            let _ = (Key::parse(&room), conversation.parse::<ConversationId>());
        }
        Some(Said::Ping) | None => {}
    }
    if let Ok(call) = serde_json::from_str::<hooks::Call>(said) {
        let _ = call.body();
    }
    let name = FileName::parse(said);
    assert!(!name.as_str().is_empty() && !name.as_str().contains(['/', '\\', '\0', '\n']));
});

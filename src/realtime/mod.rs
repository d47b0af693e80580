//! Publish-subscribe, WebSocket frames and presence: generic, without imports from the rest of the crate.

pub mod frame;
pub mod hub;
pub mod presence;

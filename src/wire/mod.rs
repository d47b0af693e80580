//! The formats in which data leaves the server: JSON, socket frames, and text as HTML.

pub mod accounts;
pub mod attachments;
pub mod avatars;
pub mod bubble;
pub mod filters;
pub mod format;
pub mod frames;
pub mod hooks;
pub mod markup;
pub mod match_state;
pub mod match_waiting;
pub mod matches;
pub mod messages;
pub mod peep_card;
pub mod peeps;
pub mod rooms;
pub mod threads;
pub mod webhooks;

//! The nouns and their verbs: synchronous, over a transaction. No HTTP, no SQL, no waiting.

pub mod access;
pub mod accounts;
pub mod apps;
pub mod attachments;
pub mod blocks;
pub mod conversations;
pub mod hooks;
pub mod idempotency;
pub mod jobs;
pub mod matches;
pub mod messages;
pub mod names;
pub mod pages;
pub mod pairings;
pub mod peeps;
pub mod rooms;
pub mod sessions;
pub mod sync;
pub mod text;
pub mod threads;
pub mod tokens;
pub mod viewer;
pub mod webhooks;

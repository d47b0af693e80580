//! Queries: one function per statement, with the SQL beside it. Rules are in the domain.

pub mod accounts;
pub mod apps;
pub mod attachments;
pub mod blocks;
pub mod conversations;
mod dialect;
pub mod hooks;
pub mod idempotency;
pub mod jobs;
pub mod matches;
pub mod messages;
pub mod pages;
pub mod pairings;
pub mod peeps;
pub mod rooms;
pub mod sessions;
pub mod sync;
pub mod threads;
pub mod tokens;
pub mod webhooks;

//! One function per query, the SQL beside it. Rows in, rows out: the rules are the domain's.

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

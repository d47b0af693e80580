//! The API for programs: a file per noun. Parse, call one verb, serialize.

pub mod accounts;
pub mod attachments;
mod entities;
pub mod hooks;
mod list;
pub mod matches;
pub mod messages;
pub mod pairings;
pub mod peeps;
pub mod rooms;
pub mod sessions;
pub mod threads;

pub use entities::status_frame;

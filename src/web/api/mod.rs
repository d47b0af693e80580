//! The API for programs: a file per noun. Parse, call one verb, serialize.

pub mod attachments;
mod entities;
pub mod hooks;
pub mod matches;
pub mod messages;
pub mod pairings;
pub mod peeps;
pub mod rooms;
pub mod sessions;

pub use entities::status_frame;

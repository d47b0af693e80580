//! The pages of rooms, threads and matches, and the parts that they share.

pub mod chat;
pub mod match_talk;
pub mod matches;
pub mod message_list;
pub mod messages;
pub mod pairings;
pub mod room_about;
pub mod room_export;
pub mod rooms;
pub mod threads;

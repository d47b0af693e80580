//! Chitter's integration tests: the real router over real sockets, on SQLite and on PostgreSQL.
//!
//! Every behaviour is told as a story with a small cast, on both engines, each in a place of its
//! own. The clock is the test's; nothing here waits for time to pass, only for things to happen.

#[macro_use]
mod common;

mod accounts;
mod api;
mod attachments;
mod bad_input;
mod config;
mod conversations;
mod crash;
mod deleting;
mod editing;
mod exports;
mod feeds;
mod full_disk;
mod guests;
mod hooks;
mod idempotency;
mod liking;
mod limits;
mod lists;
mod mail;
mod matches;
mod matching;
mod messages;
mod migrations;
mod own_pages;
mod pages;
mod pairings;
mod peeps;
mod reactions;
mod reference;
mod requests;
mod room_owners;
mod room_pages;
mod room_races;
mod room_socket;
mod rooms;
mod socket;
mod statements;
mod store;
mod sync;
mod threads;
mod tokens;
mod webhooks;

//! Chitter's integration tests: the real router over real sockets, on SQLite and on PostgreSQL.
//!
//! Each test is a short scenario with a small cast. It runs on both engines, each time on an instance of its
//! own, with a clock that the test controls. Tests never wait for time to pass, only for events.

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

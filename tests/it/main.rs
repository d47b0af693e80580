//! Chitter's integration tests: the real router over real sockets, on SQLite and on PostgreSQL.
//!
//! Every behaviour is told as a story with a small cast, on both engines, each in a place of its
//! own. The clock is the test's; nothing here waits for time to pass, only for things to happen.

#[macro_use]
mod common;

mod accounts;
mod api;
mod bad_input;
mod config;
mod conversations;
mod crash;
mod deleting;
mod editing;
mod feeds;
mod full_disk;
mod liking;
mod limits;
mod lists;
mod mail;
mod pages;
mod peeps;
mod requests;
mod socket;
mod statements;
mod store;

//! Chitter: a home for a community, in one binary.
//!
//! This is the map. Five layers, and calls only go down:
//!
//! | layer | what it knows |
//! |---|---|
//! | [`web`] | HTTP: URLs, cookies, forms, pages, JSON, sockets. A file per noun: parse, call one verb, render |
//! | [`jobs`] | the outbox worker and its deliveries |
//! | [`domain`] | the nouns with their verbs: synchronous, no HTTP, no SQL, no waiting |
//! | [`store`] | one function per query, the SQL beside it |
//! | [`db`] | transactions over SQLite and PostgreSQL |
//!
//! Beside them stand [`realtime`], which is generic, [`events`] (what may be said, and to whom), and
//! what everyone uses: [`clock`], [`ids`], [`error`], [`config`]. [`app`] holds it all together.
//! `ARCHITECTURE.md` walks a peep through these layers.

pub mod admin;
pub mod api;
pub mod app;
pub mod assets;
pub mod clock;
pub mod config;
pub mod db;
pub mod domain;
pub mod error;
pub mod events;
pub mod html;
pub mod http;
pub mod ids;
pub mod jobs;
pub mod logging;
pub mod openapi;
pub mod realtime;
pub mod seed;
pub mod server;
pub mod services;
pub mod socket;
pub mod store;
pub mod wire;

pub use error::{Error, Result};
pub use server::{Server, serve};

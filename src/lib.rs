//! Chitter: a home for a community, in one binary.
//!
//! The layers, from the highest to the lowest. A module calls only modules below it (`tests/tidy` checks this):
//!
//! | layer | contents |
//! |---|---|
//! | [`server`] | the routes, the outermost middleware, start and stop |
//! | [`html`], [`api`], [`socket`], [`openapi`] | the edges. A file per noun: parse, call one verb, render |
//! | [`http`] | shared by the edges: sessions, input, problem JSON, connections |
//! | [`jobs`] | the outbox worker, its deliveries and scheduled tasks |
//! | [`app`] | the services and the database, put together |
//! | [`wire`] | the JSON and the HTML of objects, as all edges send them |
//! | [`services`] | the state of the process besides the database |
//! | [`domain`] | the nouns with their verbs: synchronous, no HTTP, no SQL, no waiting |
//! | [`events`] | the events that transactions emit, and their topics |
//! | [`store`] | one function per query, the SQL beside it |
//! | [`db`] | transactions over SQLite and PostgreSQL |
//! | [`realtime`] | subscriptions and presence, generic over their events |
//!
//! Every layer may use [`clock`], [`ids`], [`error`] and [`tls`]; [`config`] holds the settings. `ARCHITECTURE.md`
//! follows a peep through these layers.

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
pub mod tls;
pub mod wire;

pub use error::{Error, Result};
pub use server::{Server, serve};

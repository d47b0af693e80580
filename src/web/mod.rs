//! The edge: the only place that knows HTTP.

pub mod api;
pub mod assets;
pub mod conditional;
pub mod cors;
pub mod drain;
pub mod drawing;
pub mod hosts;
pub mod html;
pub mod input;
pub mod limits;
pub mod line;
pub mod once;
pub mod openapi;
pub mod passwords;
pub mod pictures;
pub mod pool;
pub mod presence;
pub mod problem;
pub mod public;
pub mod respond;
pub mod routes;
pub mod server;
pub mod session;
pub mod socket;

//! The parts that the edges share: callers, bodies, errors, idempotency, rate limits and the connection.

pub mod assets;
pub mod cached;
pub mod conditional;
pub mod connection;
pub mod cors;
pub mod drain;
pub mod hosts;
pub mod idempotent;
pub mod input;
pub mod problem;
pub mod ratelimit;
pub mod respond;
pub mod session;

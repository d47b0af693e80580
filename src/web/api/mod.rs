//! The API for programs: a file per noun. Parse, call one verb, serialize.

mod entities;
pub mod peeps;

pub use entities::status_frame;

//! The session of a request: its address, the cookie or token, the account behind it, and the room whose key is in the
//! path.

mod client_addr;
mod cookie;
mod extractors;
mod viewer;

pub use self::{
    client_addr::{ClientAddr, count, place},
    cookie::set_cookie,
    extractors::{come_in, enter, rule, welcome},
    viewer::{Viewer, has_session},
};

//! Who makes a request: its address, the session in its cookie or header, the account behind the session, and the room
//! whose key is in the path.

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

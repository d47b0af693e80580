//! The session of a request: the client's address, the cookie or token, the account behind it, and the permission that
//! the path names.

mod caller;
mod client_addr;
mod cookie;
mod extractors;

pub use self::{
    caller::{Caller, has_session},
    client_addr::{ClientAddr, count, ip_hash},
    cookie::set_cookie,
    extractors::{as_owner, find_or_join, find_or_join_room, start_guest_session},
};

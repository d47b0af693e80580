//! One function per query, the SQL beside it. Rows in, rows out: the rules are the domain's.

pub mod accounts;
mod dialect;
pub mod jobs;
pub mod peeps;
pub mod sessions;

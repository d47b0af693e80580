//! Who hears what, and who is there: generic, imports nothing of ours.

pub mod frame;
pub mod hub;
pub mod presence;

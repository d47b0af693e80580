//! Who hears what, and who is there: generic, imports nothing of ours.

pub mod hub;
pub mod presence;

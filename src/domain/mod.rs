//! The nouns and their verbs: synchronous, over a transaction. No HTTP, no SQL, no waiting.

pub mod accounts;
pub mod peeps;
pub mod sessions;
pub mod text;

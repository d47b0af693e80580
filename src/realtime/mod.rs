//! Who hears what, now. Generic: it imports nothing of ours and knows no peep.

pub mod hub;

//! The people who are present in a conversation, as HTML.

use askama::Template;

use super::format::initials;
use crate::events::{Person, PresenceChanged};

/// A row of avatars of the first people present.
#[derive(Template)]
#[template(path = "avatars.html")]
struct Avatars<'a> {
    people: &'a [Person],
}

impl Avatars<'_> {
    fn initials(&self, name: &str) -> String {
        initials(name)
    }
}

/// Renders the avatars of the first people present.
pub fn avatars(presence: &PresenceChanged) -> String {
    Avatars { people: &presence.people }.render().unwrap_or_default()
}

/// Returns the number of people present: "7 here, 2 as guests".
pub fn here_now(presence: &PresenceChanged) -> String {
    match (presence.count, presence.guests) {
        (1, 1) => "1 guest here".into(),
        (count, guests) if count == guests && count > 0 => format!("{count} guests here"),
        (count, 0) => format!("{count} here"),
        (count, 1) => format!("{count} here, 1 as a guest"),
        (count, guests) => format!("{count} here, {guests} as guests"),
    }
}

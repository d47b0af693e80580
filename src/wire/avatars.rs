//! Who is present in a room, as HTML.

use askama::Template;

use super::format::initials;
use crate::events::{Person, PresenceChanged};

/// The first of those who are here, as a row of avatars.
#[derive(Template)]
#[template(path = "flock.html")]
struct Flock<'a> {
    people: &'a [Person],
}

impl Flock<'_> {
    fn initials(&self, name: &str) -> String {
        initials(name)
    }
}

/// The first of those who are here, rendered.
pub fn flock(here: &PresenceChanged) -> String {
    Flock { people: &here.people }.render().unwrap_or_default()
}

/// "7 here, 2 as guests"
pub fn here_now(here: &PresenceChanged) -> String {
    match (here.count, here.guests) {
        (1, 1) => "1 guest here".into(),
        (count, guests) if count == guests && count > 0 => format!("{count} guests here"),
        (count, 0) => format!("{count} here"),
        (count, 1) => format!("{count} here, 1 as a guest"),
        (count, guests) => format!("{count} here, {guests} as guests"),
    }
}

//! Peeps as HTML: one template for pages and for the socket.

use askama::Template;

use super::{
    filters,
    format::{ago, date_and_time, excerpt, initials},
    markup,
};
use crate::{
    assets,
    clock::Time,
    domain::accounts::Member,
    store::{accounts::AccountKind, peeps::Peep},
};

/// The data of a peep's template.
pub struct Card {
    pub peep: Peep,
    now: Time,
    pub is_own: bool,
    pub may_delete: bool,
    /// True if the peep is the subject of its page: shown larger, with the full date.
    pub lead: bool,
    /// True if the peep that this one replies to is shown right above it.
    pub answers_above: bool,
}

impl Card {
    pub fn new(peep: Peep, viewer: Option<&Member>, now: Time) -> Self {
        Card {
            is_own: viewer.is_some_and(|v| v.id() == peep.author.id),
            may_delete: viewer.is_some_and(|v| v.may_delete(&peep)),
            peep,
            now,
            lead: false,
            answers_above: false,
        }
    }

    /// Makes the peep the subject of its page.
    pub fn lead(self) -> Self {
        Card { lead: true, answers_above: true, ..self }
    }

    /// Places the card below another one. The line about the parent is left out if `above` shows the parent.
    pub fn below(self, above: Option<&Card>) -> Self {
        let parent = self.peep.reply_to.as_ref().map(|p| p.id);
        Card { answers_above: parent.is_some() && parent == above.map(|c| c.peep.id), ..self }
    }

    pub fn is_deleted(&self) -> bool {
        self.peep.deleted_at.is_some()
    }

    pub fn assets(&self) -> &'static str {
        &assets::VERSION
    }

    pub fn body_html(&self) -> String {
        markup::html(&self.peep.body, &self.peep.mentions, "")
    }

    pub fn path(&self) -> String {
        format!("/@{}/{}", self.peep.author.username, self.peep.id)
    }

    pub fn ago(&self) -> String {
        ago(self.now, self.peep.created_at)
    }

    pub fn when(&self) -> String {
        date_and_time(self.peep.created_at)
    }

    pub fn initials(&self) -> String {
        initials(&self.peep.author.name)
    }

    /// Returns the beginning of the parent's text on one line.
    pub fn parent_excerpt(&self) -> String {
        let body = self.peep.reply_to.as_ref().map_or("", |parent| parent.body.as_str());
        excerpt(body, 80)
    }

    pub fn tags(&self) -> String {
        let tags = crate::domain::text::segments(&self.peep.body).into_iter().filter_map(|s| match s {
            crate::domain::text::Segment::Tag(_, tag) => Some(tag),
            _ => None,
        });
        tags.collect::<Vec<_>>().join(" ")
    }

    pub fn is_bot(&self) -> bool {
        self.peep.author.kind == AccountKind::Bot
    }
}

#[derive(Template)]
#[template(path = "peep.html")]
struct Fragment {
    card: Card,
}

/// Renders a peep by itself for the site's own scripts, as `viewer` or an anonymous visitor sees it.
pub fn fragment(peep: Peep, viewer: Option<&Member>, now: Time) -> String {
    let fragment = Fragment { card: Card::new(peep, viewer, now) };
    fragment.render().unwrap_or_default()
}

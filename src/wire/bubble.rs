//! A message as HTML: one template for pages and for the socket.

use askama::Template;

use super::{
    attachments, filters,
    format::{date_and_time, excerpt, initials},
    markup,
};
use crate::{
    assets,
    ids::AccountId,
    store::{
        accounts,
        attachments::Attachment,
        messages::{Message, Reaction},
    },
};

/// Everything that the template of a message needs.
pub struct Bubble {
    pub message: Message,
    /// The viewer said it.
    pub mine: bool,
    /// It is the first, or the last, that this person says in one breath.
    pub starts: bool,
    pub ends: bool,
    me: Option<AccountId>,
}

impl Bubble {
    pub fn new(message: Message, me: Option<AccountId>) -> Self {
        let mine = me == Some(message.author.id);
        Bubble { message, mine, starts: true, ends: true, me }
    }

    pub fn gone(&self) -> bool {
        self.message.deleted_at.is_some()
    }

    pub fn assets(&self) -> &'static str {
        &assets::VERSION
    }

    pub fn words(&self) -> String {
        markup::message(&self.message.body, &self.message.mentions, "")
    }

    pub fn initials(&self) -> String {
        initials(&self.message.author.name)
    }

    /// The time of day, in UTC until the page's script tells it in the reader's own time.
    pub fn clock(&self) -> String {
        self.message.created_at.utc().strftime("%H:%M").to_string()
    }

    pub fn when(&self) -> String {
        date_and_time(self.message.created_at)
    }

    /// `guest` or `bot`, beside the name of one.
    pub fn tag(&self) -> Option<&'static str> {
        match self.message.author.kind {
            accounts::Kind::Guest => Some("guest"),
            accounts::Kind::Bot => Some("bot"),
            accounts::Kind::Member | accounts::Kind::Managed | accounts::Kind::Stranger => None,
        }
    }

    pub fn quoted(&self) -> String {
        match &self.message.reply_to {
            Some(quote) if quote.body.is_empty() => "…".into(),
            Some(quote) => excerpt(&quote.body, 90),
            None => String::new(),
        }
    }

    pub fn url(&self, file: &Attachment) -> String {
        attachments::path(file, self.message.conversation)
    }

    pub fn size(&self, file: &Attachment) -> String {
        file_size(file.bytes)
    }

    pub fn by(&self, reaction: &Reaction) -> String {
        reaction.accounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    pub fn reacted(&self, reaction: &Reaction) -> bool {
        self.me.is_some_and(|me| reaction.accounts.contains(&me))
    }
}

/// `870 bytes`, `12 KB`, `2.1 MB`
fn file_size(bytes: i64) -> String {
    match bytes {
        1 => "1 byte".into(),
        ..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} KB", (bytes + 500) / 1_000),
        _ => format!("{:.1} MB", bytes as f64 / 1_000_000.0),
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct Fragment {
    bubble: Bubble,
}

/// A message by itself, for our own scripts, as everyone sees it.
pub fn message_fragment(message: &Message) -> String {
    let fragment = Fragment { bubble: Bubble::new(message.clone(), None) };
    fragment.render().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_as_large_as_a_person_would_say() {
        for (bytes, said) in [(0, "0 bytes"), (999, "999 bytes"), (1_499, "1 KB"), (2_140_000, "2.1 MB")] {
            assert_eq!(file_size(bytes), said);
        }
    }
}

//! Messages as HTML: one template for pages and for the socket.

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

/// The data of a message's template.
pub struct Bubble {
    pub message: Message,
    /// True if the viewer is the author.
    pub is_own: bool,
    /// True if the message is the first, or the last, of consecutive messages by the same author.
    pub starts: bool,
    pub ends: bool,
    viewer: Option<AccountId>,
}

impl Bubble {
    pub fn new(message: Message, viewer: Option<AccountId>) -> Self {
        let is_own = viewer == Some(message.author.id);
        Bubble { message, is_own, starts: true, ends: true, viewer }
    }

    pub fn is_deleted(&self) -> bool {
        self.message.deleted_at.is_some()
    }

    pub fn assets(&self) -> &'static str {
        &assets::VERSION
    }

    pub fn body_html(&self) -> String {
        markup::message(&self.message.body, &self.message.mentions, "")
    }

    pub fn initials(&self) -> String {
        initials(&self.message.author.name)
    }

    /// Returns the time of day in UTC, which the page's script replaces by the reader's local time.
    pub fn clock(&self) -> String {
        self.message.created_at.utc().strftime("%H:%M").to_string()
    }

    pub fn when(&self) -> String {
        date_and_time(self.message.created_at)
    }

    /// Returns the tag beside the name of a guest or a bot.
    pub fn tag(&self) -> Option<&'static str> {
        match self.message.author.kind {
            accounts::AccountKind::Guest => Some("guest"),
            accounts::AccountKind::Bot => Some("bot"),
            accounts::AccountKind::Member
            | accounts::AccountKind::Managed
            | accounts::AccountKind::Stranger => None,
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

    pub fn account_ids(&self, reaction: &Reaction) -> String {
        reaction.accounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    pub fn has_reacted(&self, reaction: &Reaction) -> bool {
        self.viewer.is_some_and(|viewer| reaction.accounts.contains(&viewer))
    }
}

/// Formats a size in bytes: `870 bytes`, `12 KB`, `2.1 MB`.
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

/// Renders a message by itself for the site's own scripts, as a viewer other than the author sees it.
pub fn message_fragment(message: &Message) -> String {
    let fragment = Fragment { bubble: Bubble::new(message.clone(), None) };
    fragment.render().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_sizes_are_rounded_to_a_readable_unit() {
        for (bytes, expected) in [(0, "0 bytes"), (999, "999 bytes"), (1_499, "1 KB"), (2_140_000, "2.1 MB")]
        {
            assert_eq!(file_size(bytes), expected);
        }
    }
}

//! A peep as it is shown: one template for pages and for the socket.

use askama::Template;
use unicode_segmentation::UnicodeSegmentation;

use super::words;
use crate::{
    clock::Time,
    domain::accounts::Member,
    store::{accounts::Kind, peeps::Peep},
    web::assets,
};

/// Everything that the template of a peep needs.
pub struct Card {
    /// The peep.
    pub peep: Peep,
    now: Time,
    pub(super) mine: bool,
    pub(super) may_delete: bool,
    /// It is what its page is about: shown larger, with the whole date.
    pub(super) lead: bool,
    /// What it answers stands right above it already.
    pub(super) answers_above: bool,
}

impl Card {
    pub(super) fn new(peep: Peep, viewer: Option<&Member>, now: Time) -> Self {
        Card {
            mine: viewer.is_some_and(|v| v.id() == peep.author.id),
            may_delete: viewer.is_some_and(|v| v.may_delete(&peep)),
            peep,
            now,
            lead: false,
            answers_above: false,
        }
    }

    pub(super) fn lead(self) -> Self {
        Card { lead: true, answers_above: true, ..self }
    }

    /// In a conversation the line about what it answers is needed only where that is not the one
    /// right above.
    pub(super) fn below(self, above: Option<&Card>) -> Self {
        let parent = self.peep.reply_to.as_ref().map(|p| p.id);
        Card { answers_above: parent.is_some() && parent == above.map(|c| c.peep.id), ..self }
    }

    pub(super) fn gone(&self) -> bool {
        self.peep.deleted_at.is_some()
    }

    pub(super) fn assets(&self) -> &'static str {
        &assets::VERSION
    }

    pub(super) fn words(&self) -> String {
        words::html(&self.peep.body, &self.peep.mentions, "")
    }

    pub(super) fn path(&self) -> String {
        format!("/@{}/{}", self.peep.author.username, self.peep.id)
    }

    pub(super) fn ago(&self) -> String {
        ago(self.now, self.peep.created_at)
    }

    pub(super) fn when(&self) -> String {
        date_and_time(self.peep.created_at)
    }

    pub(super) fn initials(&self) -> String {
        initials(&self.peep.author.name)
    }

    /// The beginning of what it answers, on one line.
    pub(super) fn parent_words(&self) -> String {
        let body = self.peep.reply_to.as_ref().map_or("", |parent| parent.body.as_str());
        excerpt(body, 80)
    }

    pub(super) fn tags(&self) -> String {
        let found = crate::domain::text::segments(&self.peep.body).into_iter().filter_map(|s| match s {
            crate::domain::text::Segment::Tag(_, tag) => Some(tag),
            _ => None,
        });
        found.collect::<Vec<_>>().join(" ")
    }

    pub(super) fn bot(&self) -> bool {
        self.peep.author.kind == Kind::Bot
    }
}

#[derive(Template)]
#[template(path = "peep.html")]
struct Fragment {
    card: Card,
}

/// A peep by itself, for our own scripts: as everyone sees it, or as `viewer` does.
pub fn fragment(peep: Peep, viewer: Option<&Member>, now: Time) -> String {
    let fragment = Fragment { card: Card::new(peep, viewer, now) };
    fragment.render().unwrap_or_default()
}

/// The beginning of a text on one line, at most `limit` characters.
pub fn excerpt(text: &str, limit: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.grapheme_indices(true).nth(limit) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

/// The first letters of the first and the last word of a name, in capitals.
pub(super) fn initials(name: &str) -> String {
    // What stands in brackets after a name is no part of it: "Ana (guest)", "Ify (@ify)".
    let bare = name.split(" (").next().unwrap_or(name);
    let mut words = bare.split_whitespace();
    let first = words.next();
    let last = words.next_back();
    let letters = [first, last].into_iter().flatten().filter_map(|word| {
        let mut clusters = word.graphemes(true);
        clusters.clone().find(|c| c.chars().any(char::is_alphanumeric)).or_else(|| clusters.next())
    });
    letters.map(str::to_uppercase).collect()
}

/// How long ago something was: `now`, `3m`, `2h`, `5d`, then the date. `times.js` says the same.
pub(super) fn ago(now: Time, then: Time) -> String {
    let seconds = now.since(then).as_secs();
    match seconds {
        0..60 => "now".into(),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        86_400..604_800 => format!("{}d", seconds / 86_400),
        _ if then.utc().year() == now.utc().year() => then.utc().strftime("%-d %b").to_string(),
        _ => then.utc().strftime("%-d %b %Y").to_string(),
    }
}

/// `20 November 2026 at 14:31 UTC`
pub(super) fn date_and_time(then: Time) -> String {
    then.utc().strftime("%-d %B %Y at %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_shortly() {
        let then = Time::from_ms(1_795_185_067_512); // 20 November 2026, 14:31:07
        for (later, said) in [
            (0, "now"),
            (59, "now"),
            (60, "1m"),
            (3_599, "59m"),
            (3_600, "1h"),
            (86_400, "1d"),
            (604_799, "6d"),
            (604_800, "20 Nov"),
            (86_400 * 60, "20 Nov 2026"),
        ] {
            assert_eq!(ago(then + std::time::Duration::from_secs(later), then), said);
        }
        assert_eq!(date_and_time(then), "20 November 2026 at 14:31 UTC");
    }

    #[test]
    fn initials_are_two_letters_of_any_script() {
        for (name, said) in [
            ("Nell Ashby", "NA"),
            ("Jörg Großmann", "JG"),
            ("Nguyễn Thị Hà", "NH"),
            ("ليلى حداد", "لح"),
            ("nell", "N"),
            ("🐦", "🐦"),
            ("'t Hooft", "TH"),
            ("Ana (guest)", "A"),
            ("Ifeoma Okafor (@ify)", "IO"),
        ] {
            assert_eq!(initials(name), said);
        }
    }

    #[test]
    fn an_excerpt_ends_between_characters() {
        assert_eq!(excerpt("a\n\nb", 80), "a b");
        assert_eq!(excerpt("👨‍👩‍👧‍👦👨‍👩‍👧‍👦 c", 1), "👨‍👩‍👧‍👦…");
    }
}

//! Names: their rules, and the comparison of names that look alike.

use std::{collections::HashSet, sync::LazyLock};

use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection;

use super::text::{self, Rules};
use crate::{Error, Result};

/// Reserved usernames, which could be mistaken for the instance, for one of its pages or for everyone.
const RESERVED: &[&str] = &[
    "about",
    "admin",
    "administrator",
    "all",
    "anyone",
    "api",
    "assets",
    "bot",
    "chitter",
    "everyone",
    "feed",
    "guest",
    "help",
    "here",
    "host",
    "info",
    "login",
    "logout",
    "mail",
    "match",
    "me",
    "mod",
    "moderator",
    "nobody",
    "null",
    "official",
    "owner",
    "page",
    "peep",
    "peeps",
    "postmaster",
    "room",
    "rooms",
    "root",
    "security",
    "settings",
    "signup",
    "staff",
    "stream",
    "stranger",
    "support",
    "system",
    "tags",
    "team",
    "thread",
    "threads",
    "undefined",
    "webmaster",
    "you",
];

/// The length of the longest username, in characters.
pub const MAX_USERNAME: usize = 30;

/// A username: 1 to 30 of `a-z 0-9 _`, in lower case, not reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Parses a username in any case, with or without an `@` before it.
    pub fn parse(raw: &str) -> Result<Self> {
        let refuse = |message: &str| Err(Error::invalid("username", message));
        let username = raw.trim().trim_start_matches('@').to_ascii_lowercase();
        if username.is_empty() {
            return refuse("Choose a username.");
        }
        if !username.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return refuse("Only letters a to z, digits and _ go into a username.");
        }
        if username.len() > MAX_USERNAME {
            return refuse("A username has 30 characters at the most.");
        }
        if RESERVED.contains(&username.as_str()) {
            return refuse("That username is kept for the house. Choose another.");
        }
        Ok(Username(username))
    }

    /// Returns the username in lower case, without the `@`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A display name: 1 to 50 characters on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Cleans a name. Refuses characters that are invisible or change the direction of text.
    pub fn parse(raw: &str) -> Result<Self> {
        let rules = Rules { field: "name", limit: 50, lines: false, empty: "Tell us what to call you." };
        if text::is_disguised(raw) {
            return Err(Error::invalid(
                "name",
                "There is a character in it that can’t be seen. Type it anew.",
            ));
        }
        text::clean(raw, rules).map(|name| Name(name.split_whitespace().collect::<Vec<_>>().join(" ")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the skeleton of a name. Names that look alike have the same skeleton. The steps are NFKC, then confusable
/// characters (UTS #39) before and after case folding, then letters and digits alone. A small i becomes an l, because a
/// capital I looks like one. A name without letters is its own skeleton.
pub fn skeleton(name: &str) -> String {
    let plain: String = name.nfkc().collect();
    // Confusables are folded both before and after the case, because a capital and its small form may look like
    // different letters.
    let folded: String = confusable_detection::skeleton(&plain).flat_map(char::to_lowercase).collect();
    let skeleton = confusable_detection::skeleton(&folded).flat_map(char::to_lowercase);
    let skeleton = skeleton.filter(|c| c.is_alphanumeric());
    let skeleton: String = skeleton.map(|c| if matches!(c, 'i' | 'ı') { 'l' } else { c }).collect();
    if skeleton.is_empty() { plain } else { skeleton }
}

/// Returns whether a name looks like a reserved one.
pub fn is_reserved(name: &Name) -> bool {
    static SKELETONS: LazyLock<HashSet<String>> =
        LazyLock::new(|| RESERVED.iter().map(|reserved| skeleton(reserved)).collect());
    SKELETONS.contains(&skeleton(name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_is_the_same_in_any_case_and_with_an_at() {
        for raw in ["sjmog", "@SJMOG", " Sjmog "] {
            assert_eq!(Username::parse(raw).expect("fine").as_str(), "sjmog");
        }
    }

    #[test]
    fn usernames_that_do_not_fit_are_refused() {
        for raw in ["", "@", "a b", "é", "a-b", "a.b", "admin", "API", "ｎｅｌｌ", &"a".repeat(31)] {
            assert!(Username::parse(raw).is_err(), "{raw:?}");
        }
        assert!(Username::parse(&"a".repeat(30)).is_ok());
    }

    #[test]
    fn names_are_on_one_line_and_have_no_hidden_characters() {
        assert_eq!(Name::parse("  Nell   Ashby ").expect("fine").as_str(), "Nell Ashby");
        for raw in
            ["", "  ", "a\nb", "\u{202E}lleN", "Ne\u{200B}ll", "Nell\u{200D}", "Ne\u{AD}ll", &"n".repeat(51)]
        {
            assert!(Name::parse(raw).is_err(), "{raw:?}");
        }
        for raw in ["👩‍🚒 Ha", "می‌خواهم", "❤️", "ليلى حداد", "Ha\u{0300}"] {
            assert!(Name::parse(raw).is_ok(), "{raw:?}");
        }
    }

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        for similar in
            ["Nell", "nell", "NELL", "NeII", "ne11", "Νell", "Ｎｅｌｌ", "N e l l", "n.e-l_l", "Nęll"]
        {
            assert_eq!(skeleton(similar), skeleton("nell"), "{similar}");
        }
        for other in ["Nel", "Nelly", "Ellen", "Noll", "🐦"] {
            assert_ne!(skeleton(other), skeleton("nell"), "{other}");
        }
        assert_ne!(skeleton("🐦"), skeleton("👩‍🚒"), "names without letters differ, too");
    }

    #[test]
    fn names_that_look_like_reserved_ones_are_reserved() {
        for reserved in ["admin", "Admin", "АDMIN", "Mod", "Chitter", "support"] {
            assert!(is_reserved(&Name::parse(reserved).expect("a name")), "{reserved}");
        }
        assert!(!is_reserved(&Name::parse("Admina").expect("a name")));
    }
}

//! The criteria of a search: the interests, the language, and a pair or a group.

use std::collections::BTreeSet;

use crate::{
    Error, Result,
    domain::text::{self, Rules},
};

/// The maximum number of interests in a search.
const MAX_INTERESTS: usize = 5;

/// The maximum number of characters of an interest.
const MAX_LENGTH: usize = 24;

/// The match key of tickets that accept anyone.
pub(super) const ANYONE_AT_ALL: &str = "*";

/// The interests of a search: up to five tags, normalized for comparison and sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interests(BTreeSet<String>);

impl Interests {
    /// Parses tags of 1 to 24 characters each. Empty tags are ignored, and tags that differ only in case count once.
    pub fn parse<'a>(raw: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let rules = Rules { field: "interests", limit: MAX_LENGTH, lines: false, empty: "" };
        let mut tags = BTreeSet::new();
        for tag in raw.into_iter().filter(|tag| !tag.trim().is_empty()) {
            let folded = text::folded(&text::clean(tag.trim().trim_start_matches('#'), rules)?);
            let tag = folded.split_whitespace().collect::<Vec<_>>().join(" ");
            // Folding turns some characters into several, so the folded tag has a limit of its own.
            if tag.is_empty() || tag == ANYONE_AT_ALL || tag.chars().count() > 2 * MAX_LENGTH {
                return Err(Error::invalid("interests", "An interest is a word or two."));
            }
            tags.insert(tag);
        }
        if tags.len() > MAX_INTERESTS {
            return Err(Error::invalid("interests", "Five interests at most. The best ones."));
        }
        Ok(Interests(tags))
    }

    /// Reads the stored form.
    pub(super) fn from_stored(stored: &str) -> Self {
        Interests(tags(stored).into_iter().map(Into::into).collect())
    }

    /// Returns the stored form: one tag a line.
    pub(super) fn stored(&self) -> String {
        self.0.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Returns the tags in the stored form of interests.
pub fn tags(interests: &str) -> Vec<&str> {
    interests.lines().collect()
}

/// The code of a language to talk in; empty for any language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Language(String);

impl Language {
    /// The languages that can be chosen: the code, and the language's name in the language itself.
    pub const ALL: [(&'static str, &'static str); 24] = [
        ("ar", "العربية"),
        ("cs", "Čeština"),
        ("da", "Dansk"),
        ("de", "Deutsch"),
        ("el", "Ελληνικά"),
        ("en", "English"),
        ("es", "Español"),
        ("fa", "فارسی"),
        ("fi", "Suomi"),
        ("fr", "Français"),
        ("he", "עברית"),
        ("hi", "हिन्दी"),
        ("it", "Italiano"),
        ("ja", "日本語"),
        ("ko", "한국어"),
        ("nl", "Nederlands"),
        ("no", "Norsk"),
        ("pl", "Polski"),
        ("pt", "Português"),
        ("ro", "Română"),
        ("sv", "Svenska"),
        ("tr", "Türkçe"),
        ("uk", "Українська"),
        ("zh", "中文"),
    ];

    /// Parses the code of one of [`Language::ALL`], or an empty string.
    pub fn parse(raw: &str) -> Result<Self> {
        let code = raw.trim().to_ascii_lowercase();
        if code.is_empty() || Language::ALL.iter().any(|(listed, _)| *listed == code) {
            Ok(Language(code))
        } else {
            Err(Error::invalid("language", "Choose a language of the list by its two letters, or none."))
        }
    }
}

/// The criteria of a search.
#[derive(Clone, Debug, Default)]
pub struct Search {
    pub interests: Interests,
    pub language: Language,
    /// True for a talk of a few, false for a talk of two.
    pub group: bool,
    /// True if the username is shown from the beginning.
    pub shows_name: bool,
}

impl Language {
    pub(super) fn code(&self) -> &str {
        &self.0
    }

    /// Reads a stored code.
    pub(super) fn from_stored(code: &str) -> Self {
        Language(code.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interests_are_compared_without_regard_to_case_and_accents() {
        let interests = Interests::parse(["Bread", " #bread", "Old  bicycles", "Café"]).expect("three");
        assert_eq!(interests.stored(), "bread\ncafe\nold bicycles");
        let long_when_folded = "\u{FDFA}".repeat(24);
        for refused in [
            vec![long_when_folded.as_str()],
            vec!["a\nb"],
            vec!["*"],
            vec!["#"],
            vec!["a", "b", "c", "d", "e", "f"],
        ] {
            assert!(Interests::parse(refused.clone()).is_err(), "{refused:?}");
        }
        assert_eq!(Interests::parse(["", " "]).expect("none").stored(), "");
    }
}

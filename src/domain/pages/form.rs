//! The form of a section: fields by name, and the fields of list items as `title.0`, `title.1` and so on.

use std::{collections::BTreeMap, str::FromStr};

use url::Url;

use super::pictures::Picture;
use crate::{
    Error, Result,
    domain::text::{self, Rules},
    error::Faults,
};

/// The maximum length of a URL.
const MAX_URL: usize = 500;

/// The fields of a form.
#[derive(Clone, Debug, Default)]
pub struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Creates fields from names and values.
    pub fn new(fields: impl IntoIterator<Item = (String, String)>) -> Self {
        Fields(fields.into_iter().collect())
    }

    /// Returns the value of a field; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Sets a field.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// Sets the fields of a picture, whose names end with `ending`.
    pub fn set_picture(&mut self, picture: Option<&Picture>, ending: &str) {
        if let Some(picture) = picture {
            self.set(format!("picture{ending}"), picture.id.to_string());
            self.set(format!("alt{ending}"), picture.alt.clone());
        }
    }

    /// Ticks a box where `is_on`. A box that is not ticked has no field.
    pub fn tick(&mut self, name: impl Into<String>, is_on: bool) {
        if is_on {
            self.set(name, "on");
        }
    }

    /// Removes the fields of a list item.
    pub fn remove_item(&mut self, index: usize) {
        let ending = format!(".{index}");
        self.0.retain(|name, _| !name.ends_with(&ending));
    }

    /// Swaps two list items.
    pub fn swap_items(&mut self, one: usize, other: usize) {
        let (one, other) = (format!(".{one}"), format!(".{other}"));
        let swapped = |name: String| match (name.strip_suffix(&one), name.strip_suffix(&other)) {
            (Some(name), _) => format!("{name}{other}"),
            (_, Some(name)) => format!("{name}{one}"),
            _ => name,
        };
        self.0 =
            std::mem::take(&mut self.0).into_iter().map(|(name, value)| (swapped(name), value)).collect();
    }

    /// Adds the fields of an earlier form that are missing here. Boxes are not added, because a missing box is one that
    /// is not ticked, and list items are not, because a missing item may have been removed.
    #[must_use]
    pub fn fill_missing(mut self, before: &Fields) -> Self {
        let boxes = ["form", "email"];
        for (name, value) in &before.0 {
            if !boxes.contains(&name.as_str()) && !name.contains('.') {
                self.0.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        self
    }

    /// Returns whether a box is ticked.
    pub fn is_on(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    /// Returns the ids of the ticked boxes that are named like `room.17`.
    pub fn ticked<T: FromStr>(&self, name: &str) -> Vec<T> {
        self.0.keys().filter_map(|key| key.strip_prefix(name)?.strip_prefix('.')?.parse().ok()).collect()
    }

    /// Returns the number of list items, by the highest index of a field of this name.
    pub fn count(&self, name: &str) -> usize {
        let numbers = self.0.keys().filter_map(|key| key.strip_prefix(name)?.strip_prefix('.')?.parse().ok());
        numbers.max().map_or(0, |highest: usize| highest.saturating_add(1).min(1000))
    }

    /// Parses text of one line, which may be empty.
    pub fn line(&self, name: &str, limit: usize) -> Result<String> {
        self.clean(name, limit, false)
    }

    /// Parses text with line breaks, which may be empty.
    pub fn text(&self, name: &str, limit: usize) -> Result<String> {
        self.clean(name, limit, true)
    }

    fn clean(&self, name: &str, limit: usize, lines: bool) -> Result<String> {
        let raw = self.get(name);
        if raw.trim().is_empty() {
            return Ok(String::new());
        }
        let rules = Rules { field: "", limit, lines, empty: "There is nothing to be seen in it." };
        text::clean(raw, rules).map_err(|error| error.about(name))
    }

    /// Parses a URL of the web or of a mailbox, which may be empty.
    pub fn address(&self, name: &str) -> Result<String> {
        let raw = self.get(name).trim();
        if raw.is_empty() { Ok(String::new()) } else { address(raw).map_err(|error| error.about(name)) }
    }

    /// Parses a picture: its id in `picture`, its alternative text in `alt`, and `no_picture` to remove it. All three
    /// names end with `ending`.
    pub fn picture(&self, ending: &str) -> Result<Option<Picture>> {
        let field = |name: &str| format!("{name}{ending}");
        let raw = self.get(&field("picture"));
        if raw.is_empty() || self.is_on(&field("no_picture")) {
            return Ok(None);
        }
        let id = raw.parse().map_err(|_| Error::invalid(field("picture"), "There is no such picture."))?;
        Ok(Some(Picture { id, alt: self.line(&field("alt"), 200)? }))
    }

    /// Parses list items, in order. `read` gets the ending of the names of an item's fields, and returns `None` for an
    /// empty item.
    pub fn items<T>(
        &self,
        name: &str,
        max: usize,
        read: impl Fn(&str) -> Result<Option<T>>,
    ) -> Result<Vec<T>> {
        let (mut items, mut faults) = (Vec::new(), Faults::default());
        for index in 0..self.count(name) {
            items.extend(faults.check(read(&format!(".{index}")))?.flatten());
        }
        faults.done()?;
        if items.len() > max {
            let message = format!("There is room for {max}. Take {} out.", items.len() - max);
            return Err(Error::invalid(format!("{name}.{max}"), message));
        }
        Ok(items)
    }
}

/// Parses the URL of a link: `https`, `http` or `mailto`. A URL without a scheme gets `https`.
pub fn address(raw: &str) -> Result<String> {
    let refuse = || Error::invalid("", "Write an address as https://example.org.");
    let raw = raw.trim();
    let has_scheme = raw.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            && !rest.starts_with(|c: char| c.is_ascii_digit())
    });
    let absolute = if has_scheme { raw.to_owned() } else { format!("https://{raw}") };
    let url = Url::parse(&absolute).map_err(|_| refuse())?;
    let fits = match url.scheme() {
        "http" | "https" => {
            url.host_str().is_some_and(is_host) && url.username().is_empty() && url.password().is_none()
        }
        "mailto" => url.path().contains('@'),
        _ => false,
    };
    let url = String::from(url);
    if fits && url.len() <= MAX_URL { Ok(url) } else { Err(refuse()) }
}

/// Returns whether other programs accept the host. The URL Standard allows more characters than they do.
fn is_host(host: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    host.bytes().all(plain) && (host.contains(['.', ':']) || host == "localhost")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_a_url_of_the_web_or_of_a_mailbox() {
        for (raw, expected) in [
            ("https://doris.press", "https://doris.press/"),
            ("doris.press/diary", "https://doris.press/diary"),
            ("HTTP://Doris.Press/A", "http://doris.press/A"),
            ("localhost:3000", "https://localhost:3000/"),
            ("mailto:ify@doris.press", "mailto:ify@doris.press"),
        ] {
            assert_eq!(address(raw).expect(raw), expected);
        }
        for raw in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\tscript:alert(1)",
            " javascript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "https://",
            "https://me:secret@x.example",
            "just words",
            "mailto:nobody",
            "https://\".a",
            "https://a'b.example",
        ] {
            assert!(address(raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn empty_items_are_left_out() {
        let mut fields = Fields::default();
        for (name, value) in [("label.0", "a"), ("label.1", ""), ("label.3", "b")] {
            fields.set(name, value);
        }
        let read =
            |end: &str| Ok(Some(fields.line(&format!("label{end}"), 10)?).filter(|label| !label.is_empty()));
        assert_eq!(fields.items("label", 5, read).expect("fine"), ["a", "b"]);
        assert!(fields.items("label", 1, read).is_err(), "too many");
    }

    proptest! {
        #[test]
        fn no_address_runs_a_script(raw in "\\PC{0,40}|(javascript|data):\\PC{0,20}|[\\x00-\\x20a-z:/.@]{0,30}") {
            if let Ok(url) = address(&raw) {
                let schemes = ["http://", "https://", "mailto:"];
                prop_assert!(schemes.iter().any(|scheme| url.starts_with(scheme)), "{url}");
                prop_assert!(!url.contains(['"', '<', '>', '\n']), "{url}");
            }
        }
    }
}

//! The blurb: text in Markdown (CommonMark), with pictures of its owner.

use pulldown_cmark::{Event, Parser, Tag};
use serde::{Deserialize, Serialize};

use super::form::Fields;
use crate::{Result, domain::text, error::Faults, ids::PictureId};

/// The prefix of a picture's address in the text.
const PICTURE: &str = "picture:";

/// The maximum length in characters: a long read, but not a book.
const MAX_LENGTH: usize = 20_000;

/// The content of a blurb.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Blurb {
    pub title: String,
    /// The Markdown.
    pub text: String,
}

impl Default for Blurb {
    fn default() -> Self {
        Blurb { title: "About".into(), text: String::new() }
    }
}

impl Blurb {
    /// Returns the form fields of the section.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set("title", &self.title);
        fields.set("text", &self.text);
        fields
    }

    /// Reads the section from a form. A picture that is uploaded with it is appended to the text.
    pub(super) fn from_fields(fields: &Fields) -> Result<Self> {
        let mut faults = Faults::default();
        let title = faults.check(fields.line("title", 60))?;
        let text = faults.check(fields.text("text", MAX_LENGTH))?;
        let picture = faults.check(fields.picture(""))?.flatten();
        faults.done()?;
        let mut text = text.unwrap_or_default();
        if let Some(picture) = picture {
            let alt: String = picture.alt.chars().filter(|c| !"[]\\".contains(*c)).collect();
            text = format!("{text}\n\n![{alt}]({PICTURE}{})", picture.id);
        }
        text::fits(&text, "text", MAX_LENGTH)?;
        Ok(Blurb { title: title.unwrap_or_default(), text: text.trim_start().to_owned() })
    }

    /// Returns the pictures in the text.
    pub fn pictures(&self) -> Vec<PictureId> {
        let pictures = Parser::new(&self.text).filter_map(|event| match event {
            Event::Start(Tag::Image { dest_url, .. }) => picture(&dest_url),
            _ => None,
        });
        pictures.collect()
    }
}

/// Returns the picture of an address in the text; `None` where it is another address.
pub fn picture(address: &str) -> Option<PictureId> {
    address.strip_prefix(PICTURE)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pictures_of_a_text_are_listed_and_none_of_its_code() {
        let text = "![a](picture:7)\n\n- ![b](picture:8)\n\n`![c](picture:9)` ![d](https://x.example/y.png)";
        let blurb = Blurb { title: String::new(), text: text.into() };
        assert_eq!(blurb.pictures(), [PictureId(7), PictureId(8)]);
    }
}

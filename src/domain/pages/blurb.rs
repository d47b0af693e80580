//! Blurb: text in Markdown (CommonMark), with pictures from among one's own.

use pulldown_cmark::{Event, Parser, Tag};
use serde::{Deserialize, Serialize};

use super::form::Fields;
use crate::{Result, domain::text, error::Faults, ids::PictureId};

/// How the address of a picture begins, in the text.
const PICTURE: &str = "picture:";

/// Characters: a long read, and not a book.
const LONGEST: usize = 20_000;

/// Text.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Blurb {
    /// What stands beside it.
    pub title: String,
    /// The text, as it was typed.
    pub text: String,
}

impl Default for Blurb {
    fn default() -> Self {
        Blurb { title: "About".into(), text: String::new() }
    }
}

impl Blurb {
    /// As a form says it.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set("title", &self.title);
        fields.set("text", &self.text);
        fields
    }

    /// What a form says. A picture that comes with it is appended.
    pub(super) fn of(fields: &Fields) -> Result<Self> {
        let mut faults = Faults::default();
        let title = faults.check(fields.line("title", 60))?;
        let text = faults.check(fields.text("text", LONGEST))?;
        let picture = faults.check(fields.picture(""))?.flatten();
        faults.done()?;
        let mut text = text.unwrap_or_default();
        if let Some(picture) = picture {
            let alt: String = picture.alt.chars().filter(|c| !"[]\\".contains(*c)).collect();
            text = format!("{text}\n\n![{alt}]({PICTURE}{})", picture.id);
        }
        text::fits(&text, "text", LONGEST)?;
        Ok(Blurb { title: title.unwrap_or_default(), text: text.trim_start().to_owned() })
    }

    /// The pictures in it.
    pub fn pictures(&self) -> Vec<PictureId> {
        let pictures = Parser::new(&self.text).filter_map(|event| match event {
            Event::Start(Tag::Image { dest_url, .. }) => picture(&dest_url),
            _ => None,
        });
        pictures.collect()
    }
}

/// The picture that an address in the text is about.
pub fn picture(address: &str) -> Option<PictureId> {
    address.strip_prefix(PICTURE)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pictures_of_a_text_are_found_wherever_they_stand() {
        let text = "![a](picture:7)\n\n- ![b](picture:8)\n\n`![c](picture:9)` ![d](https://x.example/y.png)";
        let blurb = Blurb { title: String::new(), text: text.into() };
        assert_eq!(blurb.pictures(), [PictureId(7), PictureId(8)]);
    }
}

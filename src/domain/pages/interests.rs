//! Interests: what one likes, as tiles that turn over.

use serde::{Deserialize, Serialize};

use super::{form::Fields, pictures::Picture};
use crate::{Result, error::Faults};

/// What one likes.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Interests {
    /// What stands beside them.
    pub title: String,
    /// From the first to the last.
    pub items: Vec<Interest>,
}

impl Default for Interests {
    fn default() -> Self {
        Interests { title: "Interests".into(), items: Vec::new() }
    }
}

/// One of them.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Interest {
    /// What it is.
    pub title: String,
    /// What there is to say about it, on the back.
    pub text: String,
    /// How it looks.
    pub picture: Option<Picture>,
}

impl Interests {
    /// The most that there may be.
    pub const MOST: usize = 24;

    /// As a form says it.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set("title", &self.title);
        for (at, item) in self.items.iter().enumerate() {
            fields.set(format!("item_title.{at}"), &item.title);
            fields.set(format!("item_text.{at}"), &item.text);
            fields.set_picture(item.picture.as_ref(), &format!(".{at}"));
        }
        fields
    }

    /// What a form says.
    pub(super) fn of(fields: &Fields) -> Result<Self> {
        let mut faults = Faults::default();
        let title = faults.check(fields.line("title", 60))?;
        let items = faults.check(fields.items("item_title", Self::MOST, |end| {
            let mut faults = Faults::default();
            let interest = Interest {
                title: faults.check(fields.line(&format!("item_title{end}"), 40))?.unwrap_or_default(),
                text: faults.check(fields.line(&format!("item_text{end}"), 100))?.unwrap_or_default(),
                picture: faults.check(fields.picture(end))?.flatten(),
            };
            faults.done()?;
            Ok(Some(interest).filter(|interest| *interest != Interest::default()))
        }))?;
        faults.done()?;
        Ok(Interests { title: title.unwrap_or_default(), items: items.unwrap_or_default() })
    }
}

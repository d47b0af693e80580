//! Interests of a member, shown as tiles that turn over.

use serde::{Deserialize, Serialize};

use super::{
    form::Fields,
    list::{Item, List},
    pictures::Picture,
};
use crate::{Result, error::Faults};

/// The content of an interests section.
pub type Interests = List<Interest>;

/// A tile with an interest.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Interest {
    pub title: String,
    /// The text on the back of the tile.
    pub text: String,
    pub picture: Option<Picture>,
}

impl Item for Interest {
    const TITLE: &'static str = "Interests";
    const MAX: usize = 24;
    const FIELD: &'static str = "item_title";

    fn set(&self, fields: &mut Fields, ending: &str) {
        fields.set(format!("item_title{ending}"), &self.title);
        fields.set(format!("item_text{ending}"), &self.text);
        fields.set_picture(self.picture.as_ref(), ending);
    }

    fn parse(fields: &Fields, ending: &str) -> Result<Option<Self>> {
        let mut faults = Faults::default();
        let interest = Interest {
            title: faults.check(fields.line(&format!("item_title{ending}"), 40))?.unwrap_or_default(),
            text: faults.check(fields.line(&format!("item_text{ending}"), 100))?.unwrap_or_default(),
            picture: faults.check(fields.picture(ending))?.flatten(),
        };
        faults.done()?;
        Ok(Some(interest).filter(|interest| *interest != Interest::default()))
    }
}

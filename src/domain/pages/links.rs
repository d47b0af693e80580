//! Links to a member's pages elsewhere.

use serde::{Deserialize, Serialize};

use super::{
    form::Fields,
    list::{Item, List},
};
use crate::{Error, Result, error::Faults};

/// The content of a links section.
pub type Links = List<Link>;

/// A link to another site.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Link {
    /// The text of the link; empty where the address is enough.
    pub label: String,
    pub url: String,
}

impl Item for Link {
    const TITLE: &'static str = "Links";
    const MAX: usize = 30;
    const FIELD: &'static str = "link";

    fn set(&self, fields: &mut Fields, ending: &str) {
        fields.set(format!("label{ending}"), &self.label);
        fields.set(format!("link{ending}"), &self.url);
    }

    fn parse(fields: &Fields, ending: &str) -> Result<Option<Self>> {
        let mut faults = Faults::default();
        let label = faults.check(fields.line(&format!("label{ending}"), 60))?.unwrap_or_default();
        let url = faults.check(fields.address(&format!("link{ending}")))?.unwrap_or_default();
        faults.done()?;
        match (label.is_empty(), url.is_empty()) {
            (true, true) => Ok(None),
            (false, true) => Err(Error::invalid(format!("link{ending}"), "Say where it leads.")),
            _ => Ok(Some(Link { label, url })),
        }
    }
}

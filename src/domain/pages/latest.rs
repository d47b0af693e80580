//! The latest peeps of the owner.

use serde::{Deserialize, Serialize};

use super::form::Fields;
use crate::{Error, Result, error::Faults};

/// The content of a section with the latest peeps.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Latest {
    pub title: String,
    /// The number of peeps.
    pub count: u8,
}

impl Default for Latest {
    fn default() -> Self {
        Latest { title: "Latest peeps".into(), count: 3 }
    }
}

impl Latest {
    /// The maximum number of peeps.
    pub const MAX: u8 = 10;

    /// Returns the form fields of the section.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set("title", &self.title);
        fields.set("count", self.count.to_string());
        fields
    }

    /// Reads the section from a form.
    pub(super) fn from_fields(fields: &Fields) -> Result<Self> {
        let mut faults = Faults::default();
        let title = faults.check(fields.line("title", 60))?.unwrap_or_default();
        let count = fields.get("count").parse().ok().filter(|count| (1..=Self::MAX).contains(count));
        let count = faults.check(count.ok_or_else(|| Error::invalid("count", "Show 1 to 10 of them.")))?;
        faults.done()?;
        Ok(Latest { title, count: count.unwrap_or_default() })
    }
}

//! Latest: what one said last on the public stream.

use serde::{Deserialize, Serialize};

use super::form::Fields;
use crate::{Error, Result, error::Faults};

/// What one said last.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Latest {
    /// What stands beside it.
    pub title: String,
    /// How many peeps.
    pub count: u8,
}

impl Default for Latest {
    fn default() -> Self {
        Latest { title: "Latest peeps".into(), count: 3 }
    }
}

impl Latest {
    /// The most that there may be.
    pub const MOST: u8 = 10;

    /// As a form says it.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set("title", &self.title);
        fields.set("count", self.count.to_string());
        fields
    }

    /// What a form says.
    pub(super) fn of(fields: &Fields) -> Result<Self> {
        let mut faults = Faults::default();
        let title = faults.check(fields.line("title", 60))?.unwrap_or_default();
        let count = fields.get("count").parse().ok().filter(|count| (1..=Self::MOST).contains(count));
        let count = faults.check(count.ok_or_else(|| Error::invalid("count", "Show 1 to 10 of them.")))?;
        faults.done()?;
        Ok(Latest { title, count: count.unwrap_or_default() })
    }
}

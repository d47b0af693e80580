//! Contact: how one is reached, at the foot.

use serde::{Deserialize, Serialize};

use super::form::Fields;
use crate::{Result, error::Faults};

/// How one is reached.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Contact {
    /// What it says, large.
    pub title: String,
    /// And below.
    pub text: String,
    /// Whether one can be written to by a form.
    pub form: bool,
    /// Whether people, and only they, are told the address.
    pub email: bool,
}

impl Default for Contact {
    fn default() -> Self {
        Contact { title: "Write to me".into(), text: String::new(), form: true, email: false }
    }
}

impl Contact {
    /// As a form says it.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set("title", &self.title);
        fields.set("text", &self.text);
        fields.tick("form", self.form);
        fields.tick("email", self.email);
        fields
    }

    /// What a form says.
    pub(super) fn of(fields: &Fields) -> Result<Self> {
        let mut faults = Faults::default();
        let title = faults.check(fields.line("title", 60))?.unwrap_or_default();
        let text = faults.check(fields.text("text", 400))?.unwrap_or_default();
        faults.done()?;
        Ok(Contact { title, text, form: fields.is_on("form"), email: fields.is_on("email") })
    }
}

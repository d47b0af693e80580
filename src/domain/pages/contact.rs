//! The contact section, at the end of a page.

use serde::{Deserialize, Serialize};

use super::form::Fields;
use crate::{Result, error::Faults};

/// The content of a contact section.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Contact {
    pub title: String,
    /// The text below the title.
    pub text: String,
    /// True if there is a contact form.
    pub form: bool,
    /// True if visitors can see the email address, after a check that keeps out programs.
    pub email: bool,
}

impl Default for Contact {
    fn default() -> Self {
        Contact { title: "Write to me".into(), text: String::new(), form: true, email: false }
    }
}

impl Contact {
    /// Returns the form fields of the section.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set("title", &self.title);
        fields.set("text", &self.text);
        fields.tick("form", self.form);
        fields.tick("email", self.email);
        fields
    }

    /// Reads the section from a form.
    pub(super) fn from_fields(fields: &Fields) -> Result<Self> {
        let mut faults = Faults::default();
        let title = faults.check(fields.line("title", 60))?.unwrap_or_default();
        let text = faults.check(fields.text("text", 400))?.unwrap_or_default();
        faults.done()?;
        Ok(Contact { title, text, form: fields.is_on("form"), email: fields.is_on("email") })
    }
}

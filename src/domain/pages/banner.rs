//! The banner: a short statement in large type.

use serde::{Deserialize, Serialize};

use super::form::Fields;
use crate::Result;

/// The content of a banner.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Banner {
    pub text: String,
}

impl Banner {
    /// Returns the form fields of the section.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set("text", &self.text);
        fields
    }

    /// Reads the section from a form.
    pub(super) fn from_fields(fields: &Fields) -> Result<Self> {
        Ok(Banner { text: fields.line("text", 140)? })
    }
}

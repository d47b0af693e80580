//! Banner: a short statement, large.

use serde::{Deserialize, Serialize};

use super::form::Fields;
use crate::Result;

/// A short statement.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Banner {
    /// What it says.
    pub text: String,
}

impl Banner {
    /// As a form says it.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set("text", &self.text);
        fields
    }

    /// What a form says.
    pub(super) fn of(fields: &Fields) -> Result<Self> {
        Ok(Banner { text: fields.line("text", 140)? })
    }
}

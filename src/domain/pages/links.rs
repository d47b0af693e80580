//! Links: where else one is.

use serde::{Deserialize, Serialize};

use super::form::Fields;
use crate::{Error, Result, error::Faults};

/// Where else one is.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Links {
    /// What stands beside them.
    pub title: String,
    /// From the first to the last.
    pub items: Vec<Link>,
}

impl Default for Links {
    fn default() -> Self {
        Links { title: "Links".into(), items: Vec::new() }
    }
}

/// One of them.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Link {
    /// What it is called; empty where the address says enough.
    pub label: String,
    /// Where it leads.
    pub url: String,
}

impl Links {
    /// The most that there may be.
    pub const MOST: usize = 30;

    /// As a form says it.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set("title", &self.title);
        for (at, item) in self.items.iter().enumerate() {
            fields.set(format!("label.{at}"), &item.label);
            fields.set(format!("link.{at}"), &item.url);
        }
        fields
    }

    /// What a form says.
    pub(super) fn of(fields: &Fields) -> Result<Self> {
        let mut faults = Faults::default();
        let title = faults.check(fields.line("title", 60))?;
        let items = faults.check(fields.items("link", Self::MOST, |end| {
            let mut faults = Faults::default();
            let label = faults.check(fields.line(&format!("label{end}"), 60))?.unwrap_or_default();
            let url = faults.check(fields.address(&format!("link{end}")))?.unwrap_or_default();
            faults.done()?;
            match (label.is_empty(), url.is_empty()) {
                (true, true) => Ok(None),
                (false, true) => Err(Error::invalid(format!("link{end}"), "Say where it leads.")),
                _ => Ok(Some(Link { label, url })),
            }
        }))?;
        faults.done()?;
        Ok(Links { title: title.unwrap_or_default(), items: items.unwrap_or_default() })
    }
}

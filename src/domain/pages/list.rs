//! A section that is a list of items under a title: projects, interests, links.

use serde::{Deserialize, Serialize};

use super::form::Fields;
use crate::{Result, error::Faults};

/// An item of a list.
pub trait Item: Sized {
    /// The title of a new list.
    const TITLE: &'static str;
    /// The maximum number of items in a list.
    const MAX: usize;
    /// The name of a form field that every item has; the number of items is read from it.
    const FIELD: &'static str;

    /// Sets the form fields of the item. Their names end with `ending`.
    fn set(&self, fields: &mut Fields, ending: &str);

    /// Reads an item from the form fields that end with `ending`; `None` where all of them are empty.
    fn parse(fields: &Fields, ending: &str) -> Result<Option<Self>>;
}

/// A title and items.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct List<T> {
    pub title: String,
    pub items: Vec<T>,
}

impl<T: Item> Default for List<T> {
    fn default() -> Self {
        List { title: T::TITLE.into(), items: Vec::new() }
    }
}

impl<T: Item> List<T> {
    /// Returns the form fields of the list.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set("title", &self.title);
        for (index, item) in self.items.iter().enumerate() {
            item.set(&mut fields, &format!(".{index}"));
        }
        fields
    }

    /// Reads a list from a form. The error names every field that is wrong.
    pub(super) fn from_fields(fields: &Fields) -> Result<Self> {
        let mut faults = Faults::default();
        let title = faults.check(fields.line("title", 60))?;
        let items = faults.check(fields.items(T::FIELD, T::MAX, |ending| T::parse(fields, ending)))?;
        faults.done()?;
        Ok(List { title: title.unwrap_or_default(), items: items.unwrap_or_default() })
    }
}

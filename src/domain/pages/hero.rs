//! The hero: the name of the owner, at the top of a page.

use serde::{Deserialize, Serialize};

use super::{form::Fields, pictures::Picture};
use crate::{Error, Result, error::Faults};

/// The content of a hero.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Hero {
    pub name: String,
    /// The line below the name.
    pub line: String,
    #[serde(default)]
    pub backdrop: Backdrop,
    /// The picture, which is stored even while another backdrop is chosen.
    pub picture: Option<Picture>,
    pub call: Option<Call>,
}

/// The background of a hero.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "snake_case")]
pub enum Backdrop {
    #[default]
    Plain,
    Gradient,
    Picture,
}

impl Backdrop {
    /// All backdrops, with their names in forms and for people.
    pub const ALL: [(Backdrop, &'static str, &'static str); 3] = [
        (Backdrop::Plain, "plain", "Just paper"),
        (Backdrop::Gradient, "gradient", "A gradient of your colour"),
        (Backdrop::Picture, "picture", "A picture"),
    ];
}

/// A button with a link (call to action).
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Call {
    pub label: String,
    pub url: String,
}

impl Hero {
    /// Returns the form fields of the section.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set("name", &self.name);
        fields.set("line", &self.line);
        let backdrop = Backdrop::ALL.into_iter().find(|(backdrop, ..)| *backdrop == self.backdrop);
        fields.set("backdrop", backdrop.map_or("", |(_, name, _)| name));
        fields.set_picture(self.picture.as_ref(), "");
        if let Some(call) = &self.call {
            fields.set("label", &call.label);
            fields.set("url", &call.url);
        }
        fields
    }

    /// Reads the section from a form.
    pub(super) fn from_fields(fields: &Fields) -> Result<Self> {
        let mut faults = Faults::default();
        let name = faults.check(fields.line("name", 60))?.unwrap_or_default();
        let line = faults.check(fields.line("line", 160))?.unwrap_or_default();
        let picture = faults.check(fields.picture(""))?.flatten();
        let label = faults.check(fields.line("label", 40))?.unwrap_or_default();
        let url = faults.check(fields.address("url"))?.unwrap_or_default();
        let chosen = Backdrop::ALL.into_iter().find(|(_, name, _)| *name == fields.get("backdrop"));
        let call = match (label.is_empty(), url.is_empty()) {
            (true, true) => None,
            (false, false) => Some(Call { label, url }),
            (true, false) => faults.check(Err(Error::invalid("label", "Say what the button does.")))?,
            (false, true) if fields.get("url").is_empty() => {
                faults.check(Err(Error::invalid("url", "Say where the button leads.")))?
            }
            _ => None,
        };
        faults.done()?;
        let backdrop = chosen.map_or(Backdrop::Plain, |(backdrop, ..)| backdrop);
        Ok(Hero { name, line, backdrop, picture, call })
    }
}

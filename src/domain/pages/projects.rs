//! Projects: what one has made, as cards.

use serde::{Deserialize, Serialize};

use super::{form::Fields, pictures::Picture};
use crate::{Result, error::Faults};

/// What one has made.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Projects {
    /// What stands beside them.
    pub title: String,
    /// From the first to the last.
    pub items: Vec<Project>,
}

impl Default for Projects {
    fn default() -> Self {
        Projects { title: "Projects".into(), items: Vec::new() }
    }
}

/// One of them.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Project {
    /// What it is called.
    pub title: String,
    /// What it is.
    pub text: String,
    /// Where it is; empty where it is nowhere.
    pub link: String,
    /// A few words to it.
    pub tags: Vec<String>,
    /// How it looks.
    pub picture: Option<Picture>,
}

/// Tags of one project.
const TAGS: usize = 8;

impl Projects {
    /// The most that there may be.
    pub const MOST: usize = 24;

    /// As a form says it.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set("title", &self.title);
        for (at, item) in self.items.iter().enumerate() {
            fields.set(format!("item_title.{at}"), &item.title);
            fields.set(format!("item_text.{at}"), &item.text);
            fields.set(format!("link.{at}"), &item.link);
            fields.set(format!("tags.{at}"), item.tags.join(", "));
            fields.set_picture(item.picture.as_ref(), &format!(".{at}"));
        }
        fields
    }

    /// What a form says.
    pub(super) fn of(fields: &Fields) -> Result<Self> {
        let mut faults = Faults::default();
        let title = faults.check(fields.line("title", 60))?;
        let items = faults.check(fields.items("item_title", Self::MOST, |end| {
            let mut faults = Faults::default();
            let tags = faults.check(fields.line(&format!("tags{end}"), 200))?.unwrap_or_default();
            let tags = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).take(TAGS);
            let project = Project {
                title: faults.check(fields.line(&format!("item_title{end}"), 80))?.unwrap_or_default(),
                text: faults.check(fields.text(&format!("item_text{end}"), 400))?.unwrap_or_default(),
                link: faults.check(fields.address(&format!("link{end}")))?.unwrap_or_default(),
                tags: tags.map(str::to_owned).collect(),
                picture: faults.check(fields.picture(end))?.flatten(),
            };
            faults.done()?;
            Ok(Some(project).filter(|project| *project != Project::default()))
        }))?;
        faults.done()?;
        Ok(Projects { title: title.unwrap_or_default(), items: items.unwrap_or_default() })
    }
}

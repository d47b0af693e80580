//! Projects of a member, shown as cards.

use serde::{Deserialize, Serialize};

use super::{
    form::Fields,
    list::{Item, List},
    pictures::Picture,
};
use crate::{Result, error::Faults};

/// The content of a projects section.
pub type Projects = List<Project>;

/// A card with a project.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Project {
    pub title: String,
    pub text: String,
    /// The address of the project; may be empty.
    pub link: String,
    pub tags: Vec<String>,
    pub picture: Option<Picture>,
}

/// The maximum number of tags of one project; further ones are dropped.
const MAX_TAGS: usize = 8;

impl Item for Project {
    const TITLE: &'static str = "Projects";
    const MAX: usize = 24;
    const FIELD: &'static str = "item_title";

    fn set(&self, fields: &mut Fields, ending: &str) {
        fields.set(format!("item_title{ending}"), &self.title);
        fields.set(format!("item_text{ending}"), &self.text);
        fields.set(format!("link{ending}"), &self.link);
        fields.set(format!("tags{ending}"), self.tags.join(", "));
        fields.set_picture(self.picture.as_ref(), ending);
    }

    fn parse(fields: &Fields, ending: &str) -> Result<Option<Self>> {
        let mut faults = Faults::default();
        let tags = faults.check(fields.line(&format!("tags{ending}"), 200))?.unwrap_or_default();
        let tags = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).take(MAX_TAGS);
        let project = Project {
            title: faults.check(fields.line(&format!("item_title{ending}"), 80))?.unwrap_or_default(),
            text: faults.check(fields.text(&format!("item_text{ending}"), 400))?.unwrap_or_default(),
            link: faults.check(fields.address(&format!("link{ending}")))?.unwrap_or_default(),
            tags: tags.map(str::to_owned).collect(),
            picture: faults.check(fields.picture(ending))?.flatten(),
        };
        faults.done()?;
        Ok(Some(project).filter(|project| *project != Project::default()))
    }
}

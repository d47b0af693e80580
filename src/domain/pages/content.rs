//! The content of a section: a variant for each kind, and a file for each variant.

use serde::{Deserialize, Serialize};

use super::{
    banner::Banner,
    blurb::Blurb,
    contact::Contact,
    form::Fields,
    hero::{Backdrop, Hero},
    interests::Interests,
    latest::Latest,
    links::Links,
    projects::Projects,
    rooms::Rooms,
};
use crate::{Result, ids::PictureId};

/// The content of a section.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    Hero(Hero),
    Banner(Banner),
    Blurb(Blurb),
    Projects(Projects),
    Interests(Interests),
    Links(Links),
    Latest(Latest),
    Rooms(Rooms),
    Contact(Contact),
}

impl Content {
    /// Returns empty content of every kind, in the order in which the editor offers them.
    pub fn kinds() -> [Content; 9] {
        [
            Content::Hero(Hero::default()),
            Content::Banner(Banner::default()),
            Content::Blurb(Blurb::default()),
            Content::Projects(Projects::default()),
            Content::Interests(Interests::default()),
            Content::Links(Links::default()),
            Content::Latest(Latest::default()),
            Content::Rooms(Rooms::default()),
            Content::Contact(Contact::default()),
        ]
    }

    /// Returns the name of the kind in forms.
    pub fn kind(&self) -> &'static str {
        match self {
            Content::Hero(_) => "hero",
            Content::Banner(_) => "banner",
            Content::Blurb(_) => "blurb",
            Content::Projects(_) => "projects",
            Content::Interests(_) => "interests",
            Content::Links(_) => "links",
            Content::Latest(_) => "latest",
            Content::Rooms(_) => "rooms",
            Content::Contact(_) => "contact",
        }
    }

    /// Returns the name of the kind for people.
    pub fn label(&self) -> &'static str {
        match self {
            Content::Hero(_) => "Hero",
            Content::Banner(_) => "Banner",
            Content::Blurb(_) => "Text",
            Content::Projects(_) => "Projects",
            Content::Interests(_) => "Interests",
            Content::Links(_) => "Links",
            Content::Latest(_) => "Latest peeps",
            Content::Rooms(_) => "Open rooms",
            Content::Contact(_) => "Contact",
        }
    }

    /// Returns the purpose of the kind, in a few words.
    pub fn purpose(&self) -> &'static str {
        match self {
            Content::Hero(_) => "Your name, a line, a picture",
            Content::Banner(_) => "One statement, large",
            Content::Blurb(_) => "Paragraphs, headings, lists, pictures",
            Content::Projects(_) => "What you have made, as cards",
            Content::Interests(_) => "What you like, as tiles",
            Content::Links(_) => "Where else you are",
            Content::Latest(_) => "What you said last",
            Content::Rooms(_) => "Rooms that anyone may walk into",
            Content::Contact(_) => "How people reach you",
        }
    }

    /// Reads content of the same kind from a form. The error names every field that is wrong.
    pub fn filled(&self, fields: &Fields) -> Result<Content> {
        Ok(match self {
            Content::Hero(_) => Content::Hero(Hero::from_fields(fields)?),
            Content::Banner(_) => Content::Banner(Banner::from_fields(fields)?),
            Content::Blurb(_) => Content::Blurb(Blurb::from_fields(fields)?),
            Content::Projects(_) => Content::Projects(Projects::from_fields(fields)?),
            Content::Interests(_) => Content::Interests(Interests::from_fields(fields)?),
            Content::Links(_) => Content::Links(Links::from_fields(fields)?),
            Content::Latest(_) => Content::Latest(Latest::from_fields(fields)?),
            Content::Rooms(_) => Content::Rooms(Rooms::from_fields(fields)?),
            Content::Contact(_) => Content::Contact(Contact::from_fields(fields)?),
        })
    }

    /// Returns the form fields of the content.
    pub fn fields(&self) -> Fields {
        match self {
            Content::Hero(hero) => hero.fields(),
            Content::Banner(banner) => banner.fields(),
            Content::Blurb(blurb) => blurb.fields(),
            Content::Projects(projects) => projects.fields(),
            Content::Interests(interests) => interests.fields(),
            Content::Links(links) => links.fields(),
            Content::Latest(latest) => latest.fields(),
            Content::Rooms(rooms) => rooms.fields(),
            Content::Contact(contact) => contact.fields(),
        }
    }

    /// Returns the pictures that visitors see.
    pub fn shown_pictures(&self) -> Vec<PictureId> {
        match self {
            Content::Hero(hero) if hero.backdrop != Backdrop::Picture => Vec::new(),
            _ => self.pictures(),
        }
    }

    /// Returns all pictures, also those that are not shown now.
    pub fn pictures(&self) -> Vec<PictureId> {
        match self {
            Content::Hero(hero) => hero.picture.iter().map(|picture| picture.id).collect(),
            Content::Blurb(blurb) => blurb.pictures(),
            Content::Projects(projects) => {
                projects.items.iter().filter_map(|item| Some(item.picture.as_ref()?.id)).collect()
            }
            Content::Interests(interests) => {
                interests.items.iter().filter_map(|item| Some(item.picture.as_ref()?.id)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the URLs of its links.
    pub fn links(&self) -> Vec<&str> {
        match self {
            Content::Hero(hero) => hero.call.iter().map(|call| call.url.as_str()).collect(),
            Content::Projects(projects) => {
                projects.items.iter().map(|item| item.link.as_str()).filter(|link| !link.is_empty()).collect()
            }
            Content::Links(links) => links.items.iter().map(|item| item.url.as_str()).collect(),
            _ => Vec::new(),
        }
    }
}

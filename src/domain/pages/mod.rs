//! Pages: the websites of members. A page is an appearance and a list of sections. It is stored twice: as the draft
//! that its owner edits, and as the published page.
//!
//! A kind of section is a file here (its content and its form), a template in `templates/page/`, and the fields of its
//! form in `templates/page/edit/`.

pub mod banner;
pub mod blurb;
pub mod contact;
pub mod contact_messages;
pub mod content;
pub mod draft;
pub mod form;
pub mod hero;
pub mod host;
pub mod interests;
pub mod latest;
pub mod links;
pub mod list;
pub mod look;
pub mod pictures;
pub mod projects;
pub mod rooms;
pub mod visits;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::{content::Content, hero::Hero, look::Look};
use super::accounts::Member;
pub use crate::store::pages::Audience;
use crate::{Error, Result, clock::Time, db::Read, ids::PictureId, store};

/// The version of the stored JSON. A change of its meaning needs a further step in [`UPGRADES`].
const VERSION: usize = UPGRADES.len() + 1;

/// The upgrades from each version to the next one.
const UPGRADES: &[fn(&mut Value)] = &[];

/// A page.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    #[serde(default)]
    pub look: Look,
    /// The sections, from top to bottom.
    pub sections: Vec<Section>,
    /// The highest id that a section of the page ever had.
    #[serde(default)]
    pub last_id: u32,
}

/// A part of a page.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// The id within the page, which stays when the section is moved.
    pub id: u32,
    pub audience: Audience,
    #[serde(flatten)]
    pub content: Content,
}

impl Page {
    /// Reads a stored page, also one of an older version.
    pub fn from_json(json: &str) -> Result<Self> {
        let mut value: Value = serde_json::from_str(json).map_err(Error::internal)?;
        let version = value.get("version").and_then(Value::as_u64).unwrap_or(1) as usize;
        if version > VERSION {
            return Err(Error::internal("a page that a newer version of Chitter stored"));
        }
        UPGRADES[version.saturating_sub(1)..].iter().for_each(|upgrade| upgrade(&mut value));
        serde_json::from_value(value).map_err(Error::internal)
    }

    /// Returns the page as it is stored.
    pub fn to_json(&self) -> Result<String> {
        let mut value = serde_json::to_value(self).map_err(Error::internal)?;
        value["version"] = VERSION.into();
        Ok(value.to_string())
    }

    /// Returns the sections that an audience sees.
    pub fn seen_by(&self, audience: Audience) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter(move |section| section.audience >= audience)
    }

    /// Returns an id that no section of the page has had.
    fn new_id(&mut self) -> u32 {
        let highest = self.sections.iter().map(|section| section.id).max().unwrap_or(0);
        self.last_id = self.last_id.max(highest) + 1;
        self.last_id
    }

    /// Returns the widest audience of each picture, which applies when the page is published.
    fn pictures(&self) -> BTreeMap<PictureId, Audience> {
        let mut audiences = BTreeMap::new();
        for section in &self.sections {
            for picture in section.content.shown_pictures() {
                let widest = audiences.entry(picture).or_insert(section.audience);
                *widest = section.audience.max(*widest);
            }
        }
        audiences
    }

    /// Returns whether a section that members see has a link to the URL.
    pub fn leads_to(&self, url: &str) -> bool {
        self.seen_by(Audience::Members).any(|section| section.content.links().contains(&url))
    }

    /// Returns whether both pages look the same to visitors.
    fn is_like(&self, other: &Page) -> bool {
        self.look == other.look && self.sections == other.sections
    }

    fn index_of(&self, id: u32) -> Result<usize> {
        self.sections.iter().position(|section| section.id == id).ok_or(Error::NotFound)
    }

    /// Returns the name in the first hero, if there is one.
    pub fn name(&self) -> Option<&str> {
        self.hero().map(|hero| hero.name.as_str()).filter(|name| !name.is_empty())
    }

    /// Returns the first hero that everyone sees.
    pub fn hero(&self) -> Option<&Hero> {
        self.seen_by(Audience::Everyone).find_map(|section| match &section.content {
            Content::Hero(hero) => Some(hero),
            _ => None,
        })
    }
}

/// A published page.
#[derive(Clone, Debug)]
pub struct Published {
    pub page: Page,
    /// The time of the publication.
    pub at: Time,
    /// The host name under which the page is the front page.
    pub host: Option<String>,
}

/// Returns the published page of a member, if there is one.
pub fn published(read: &Read<'_>, member: &Member) -> Result<Option<Published>> {
    let Some(row) = store::pages::by_account(read, member.id())? else { return Ok(None) };
    let (Some(json), Some(at)) = (row.published, row.published_at) else { return Ok(None) };
    Ok(Some(Published { page: Page::from_json(&json)?, at, host: row.host }))
}

/// Returns at most `limit` usernames of members whose pages are published without a host name of their own, with the
/// time of the publication, the latest first.
pub fn all_published(read: &Read<'_>, limit: i64) -> Result<Vec<(String, Time)>> {
    store::pages::published(read, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page as version 1 stored it. Later versions must read it, too.
    const FIRST: &str = r##"{"version":1,"look":{"theme":"harbour","accent":"#2e7079"},"sections":[
        {"id":1,"audience":"everyone","kind":"hero","name":"Ifeoma Okafor","line":"Letterpress printer.",
         "backdrop":"picture","picture":{"id":"7","alt":"A terrace"},
         "call":{"label":"Shop","url":"https://doris.press/"}},
        {"id":2,"audience":"everyone","kind":"banner","text":"Open on Thursdays"},
        {"id":3,"audience":"members","kind":"blurb","title":"About","text":"I *print*."},
        {"id":4,"audience":"everyone","kind":"projects","title":"Projects","items":[
         {"title":"Oi","text":"A poster","link":"https://doris.press/oi","tags":["poster"],"picture":null}]},
        {"id":5,"audience":"everyone","kind":"interests","title":"Interests",
         "items":[{"title":"Rye","text":"","picture":null}]},
        {"id":6,"audience":"everyone","kind":"links","title":"Links",
         "items":[{"label":"Shop","url":"https://doris.press/"}]},
        {"id":7,"audience":"everyone","kind":"latest","title":"Latest peeps","count":3},
        {"id":8,"audience":"nobody","kind":"rooms","title":"Open rooms","rooms":["8"]},
        {"id":9,"audience":"everyone","kind":"contact","title":"Write to me","text":"","form":true,"email":false}]}"##;

    #[test]
    fn a_page_that_the_first_version_stored_is_read() {
        let page = Page::from_json(FIRST).expect("a page");
        let kinds: Vec<_> = page.sections.iter().map(|section| section.content.kind()).collect();
        assert_eq!(kinds, Content::kinds().each_ref().map(Content::kind));
        assert_eq!(page.name(), Some("Ifeoma Okafor"));
        assert_eq!(page.pictures(), BTreeMap::from([(PictureId(7), Audience::Everyone)]));
        assert!(page.leads_to("https://doris.press/oi") && !page.leads_to("https://evil.example/"));
        for section in &page.sections {
            let filled = section.content.filled(&section.content.fields()).expect("a valid form");
            assert_eq!(filled, section.content, "the form has the whole content");
        }
        let copy = Page::from_json(&page.to_json().expect("JSON")).expect("a page");
        assert_eq!(copy, page);
        assert!(
            Page::from_json(&FIRST.replace("\"version\":1", "\"version\":99")).is_err(),
            "a newer version is refused"
        );
    }

    #[test]
    fn each_audience_sees_its_sections() {
        let page = Page::from_json(FIRST).expect("a page");
        let seen = |audience| page.seen_by(audience).map(|section| section.id).collect::<Vec<_>>();
        assert_eq!(seen(Audience::Everyone), [1, 2, 4, 5, 6, 7, 9]);
        assert_eq!(seen(Audience::Members), [1, 2, 3, 4, 5, 6, 7, 9]);
        assert_eq!(seen(Audience::Nobody).len(), 9);
    }
}

//! Pages: a member's own site. A page is a look and a list of sections; it is kept twice, as the draft that its
//! owner works on and as what others see.
//!
//! A kind of section is a file here (what it holds, and how a form fills it), a template in `templates/page/` and
//! the fields of its form in `templates/page/edit/`.

pub mod banner;
pub mod blurb;
pub mod contact;
pub mod content;
pub mod draft;
pub mod form;
pub mod hero;
pub mod host;
pub mod interests;
pub mod latest;
pub mod letters;
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
use crate::{Error, Result, clock::Time, db::Read, ids::PictureId, store};

/// What the JSON is written as. Whoever changes what it means adds a step to [`UPGRADES`].
const VERSION: usize = UPGRADES.len() + 1;

/// From each version to the next one.
const UPGRADES: &[fn(&mut Value)] = &[];

/// Who sees a section.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Its owner, in the editor.
    Nobody,
    /// Whoever is logged in as a member.
    Members,
    /// Everyone, strangers and search engines included.
    #[default]
    Everyone,
}

impl Audience {
    /// All there are, the widest first.
    pub const ALL: [Audience; 3] = [Audience::Everyone, Audience::Members, Audience::Nobody];

    /// How it stands in forms and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Audience::Everyone => "everyone",
            Audience::Members => "members",
            Audience::Nobody => "nobody",
        }
    }

    /// Takes a [`Audience::name`].
    pub fn parse(raw: &str) -> Result<Self> {
        let known = Audience::ALL.into_iter().find(|one| one.name() == raw);
        known.ok_or_else(|| Error::invalid("audience", "Choose who sees it."))
    }
}

/// A page.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// How it looks.
    #[serde(default)]
    pub look: Look,
    /// What is on it, from top to bottom.
    pub sections: Vec<Section>,
    /// The highest number that a section ever had.
    #[serde(default)]
    pub last_id: u32,
}

/// A part of a page.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// Its number within the page; it keeps it when it is moved.
    pub id: u32,
    /// Who sees it.
    pub audience: Audience,
    /// What it holds.
    #[serde(flatten)]
    pub content: Content,
}

impl Page {
    /// Reads what was kept, also by an older version of this program.
    pub fn from_json(json: &str) -> Result<Self> {
        let mut kept: Value = serde_json::from_str(json).map_err(Error::internal)?;
        let version = kept.get("version").and_then(Value::as_u64).unwrap_or(1) as usize;
        if version > VERSION {
            return Err(Error::internal("a page that a newer version of Chitter has kept"));
        }
        UPGRADES[version.saturating_sub(1)..].iter().for_each(|upgrade| upgrade(&mut kept));
        serde_json::from_value(kept).map_err(Error::internal)
    }

    /// As it is kept.
    pub fn to_json(&self) -> Result<String> {
        let mut kept = serde_json::to_value(self).map_err(Error::internal)?;
        kept["version"] = VERSION.into();
        Ok(kept.to_string())
    }

    /// What somebody of this audience is shown.
    pub fn seen_by(&self, audience: Audience) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter(move |section| section.audience >= audience)
    }

    /// A number that no section of the page has had.
    fn new_id(&mut self) -> u32 {
        let highest = self.sections.iter().map(|section| section.id).max().unwrap_or(0);
        self.last_id = self.last_id.max(highest) + 1;
        self.last_id
    }

    /// Who sees each picture, once this is what others see.
    fn pictures(&self) -> BTreeMap<PictureId, Audience> {
        let mut seen = BTreeMap::new();
        for section in &self.sections {
            for picture in section.content.shown_pictures() {
                let widest = seen.entry(picture).or_insert(section.audience);
                *widest = section.audience.max(*widest);
            }
        }
        seen
    }

    /// Whether a link leads there, from what members see.
    pub fn leads_to(&self, url: &str) -> bool {
        self.seen_by(Audience::Members).any(|section| section.content.links().contains(&url))
    }

    /// Whether others would see the same.
    fn is_like(&self, other: &Page) -> bool {
        self.look == other.look && self.sections == other.sections
    }

    fn place(&self, id: u32) -> Result<usize> {
        self.sections.iter().position(|section| section.id == id).ok_or(Error::NotFound)
    }

    /// The name on it, if it says one.
    pub fn name(&self) -> Option<&str> {
        self.hero().map(|hero| hero.name.as_str()).filter(|name| !name.is_empty())
    }

    /// The first hero that everyone sees.
    pub fn hero(&self) -> Option<&Hero> {
        self.seen_by(Audience::Everyone).find_map(|section| match &section.content {
            Content::Hero(hero) => Some(hero),
            _ => None,
        })
    }
}

/// A page as others see it.
#[derive(Clone, Debug)]
pub struct Published {
    /// What is on it.
    pub page: Page,
    /// Since when.
    pub at: Time,
    /// The host name under which it is the front page.
    pub host: Option<String>,
}

/// What the member shows, if it shows something.
pub fn published(read: &Read<'_>, member: &Member) -> Result<Option<Published>> {
    let Some(kept) = store::pages::by_account(read, member.id())? else { return Ok(None) };
    let (Some(json), Some(at)) = (kept.published, kept.published_at) else { return Ok(None) };
    Ok(Some(Published { page: Page::from_json(&json)?, at, host: kept.host }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What version 1 kept. It is read for ever.
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
    fn what_the_first_version_kept_is_read() {
        let page = Page::from_json(FIRST).expect("it is read");
        let kinds: Vec<_> = page.sections.iter().map(|section| section.content.kind()).collect();
        assert_eq!(kinds, Content::kinds().each_ref().map(Content::kind));
        assert_eq!(page.name(), Some("Ifeoma Okafor"));
        assert_eq!(page.pictures(), BTreeMap::from([(PictureId(7), Audience::Everyone)]));
        assert!(page.leads_to("https://doris.press/oi") && !page.leads_to("https://evil.example/"));
        for section in &page.sections {
            let filled = section.content.filled(&section.content.fields()).expect("its own form is fine");
            assert_eq!(filled, section.content, "a form says what there is");
        }
        let again = Page::from_json(&page.to_json().expect("JSON")).expect("it is read");
        assert_eq!(again, page);
        assert!(
            Page::from_json(&FIRST.replace("\"version\":1", "\"version\":99")).is_err(),
            "from the future"
        );
    }

    #[test]
    fn each_sees_what_is_for_them() {
        let page = Page::from_json(FIRST).expect("it is read");
        let seen = |audience| page.seen_by(audience).map(|section| section.id).collect::<Vec<_>>();
        assert_eq!(seen(Audience::Everyone), [1, 2, 4, 5, 6, 7, 9]);
        assert_eq!(seen(Audience::Members), [1, 2, 3, 4, 5, 6, 7, 9]);
        assert_eq!(seen(Audience::Nobody).len(), 9);
    }
}

//! The draft of a page, which its owner edits until it is published.

use super::{
    Audience, Page, Section, contact::Contact, content::Content, form::Fields, hero::Hero, latest::Latest,
    look::Look, published,
};
use crate::{
    Error, Result,
    clock::Time,
    db::Read,
    domain::accounts::Member,
    events::{Emission, Event, Topic, Tx},
    store,
};

/// The maximum number of sections of a page: a larger site needs other software.
const MAX_SECTIONS: usize = 30;

/// A page as its owner sees it.
#[derive(Clone, Debug)]
pub struct OwnPage {
    pub draft: Page,
    /// The time of the last publication; `None` where nothing is published.
    pub published_at: Option<Time>,
    /// True if the draft is published and has not changed since.
    pub is_out: bool,
    /// The host name under which the page is the front page.
    pub host: Option<String>,
}

/// Returns the draft with which a member begins.
fn suggested(member: &Member) -> Page {
    let name = member.account.name.clone();
    let hero = Content::Hero(Hero { name, ..Hero::default() });
    let contents = [hero, Content::Latest(Latest::default()), Content::Contact(Contact::default())];
    let sections = contents.into_iter().zip(1..);
    let sections = sections.map(|(content, id)| Section { id, audience: Audience::Everyone, content });
    Page { look: Look::default(), sections: sections.collect(), last_id: 3 }
}

impl Member {
    /// Returns the member's own page, or the suggested draft where there is none.
    pub fn page(&self, read: &Read<'_>) -> Result<OwnPage> {
        let Some(row) = store::pages::by_account(read, self.id())? else {
            let draft = suggested(self);
            return Ok(OwnPage { draft, published_at: None, is_out: false, host: None });
        };
        let draft = Page::from_json(&row.draft)?;
        let published = row.published.as_deref().map(Page::from_json).transpose()?;
        Ok(OwnPage {
            is_out: published.is_some_and(|published| published.is_like(&draft)),
            draft,
            published_at: row.published_at,
            host: row.host,
        })
    }

    /// Changes the draft. Its row is locked until the commit.
    pub(super) fn change_page<T>(
        &self,
        tx: &mut Tx<'_>,
        change: impl FnOnce(&mut Tx<'_>, &mut Page) -> Result<T>,
    ) -> Result<T> {
        let suggested = suggested(self).to_json()?;
        let mut draft = Page::from_json(&store::pages::lock(tx, self.id(), &suggested)?)?;
        let result = change(tx, &mut draft)?;
        store::pages::set_draft(tx, self.id(), &draft.to_json()?)?;
        Ok(result)
    }

    /// Adds an empty section of this kind: a hero at the top, a contact at the end, anything else above the latest
    /// peeps.
    pub fn add_section(&self, tx: &mut Tx<'_>, kind: &str) -> Result<u32> {
        let content = Content::kinds().into_iter().find(|content| content.kind() == kind);
        let content = content.ok_or_else(|| Error::invalid("kind", "There is no such section."))?;
        self.change_page(tx, |_, page| {
            if page.sections.len() >= MAX_SECTIONS {
                return Err(Error::invalid("kind", "A page has 30 sections at the most. Take one out."));
            }
            let id = page.new_id();
            // The latest peeps and the contact stay at the end.
            let is_tail =
                |section: &&Section| matches!(section.content, Content::Latest(_) | Content::Contact(_));
            let tail = page.sections.iter().rev().take_while(is_tail).count();
            let index = match content {
                Content::Hero(_) => 0,
                Content::Contact(_) => page.sections.len(),
                _ => page.sections.len() - tail,
            };
            page.sections.insert(index, Section { id, audience: Audience::Everyone, content });
            Ok(id)
        })
    }

    /// Sets the audience and the content of a section. Refuses pictures of other members. Rooms of others are accepted,
    /// but never shown.
    pub fn set_section(&self, tx: &mut Tx<'_>, id: u32, audience: Audience, fields: &Fields) -> Result<()> {
        self.change_page(tx, |tx, page| {
            let index = page.index_of(id)?;
            let content = page.sections[index].content.filled(fields)?;
            for id in content.pictures() {
                let picture = store::pages::pictures::by_id(tx, id)?;
                if picture.is_none_or(|picture| picture.account != self.id()) {
                    return Err(Error::invalid("picture", "That picture is none of yours. Send it anew."));
                }
            }
            page.sections[index] = Section { id, audience, content };
            Ok(())
        })
    }

    /// Moves a section to an index, counted from 0. An index beyond the last one is the end.
    pub fn move_section(&self, tx: &mut Tx<'_>, id: u32, to: usize) -> Result<()> {
        self.change_page(tx, |_, page| {
            let index = page.index_of(id)?;
            let section = page.sections.remove(index);
            page.sections.insert(to.min(page.sections.len()), section);
            Ok(())
        })
    }

    /// Deletes a section.
    pub fn delete_section(&self, tx: &mut Tx<'_>, id: u32) -> Result<()> {
        self.change_page(tx, |_, page| {
            let index = page.index_of(id)?;
            page.sections.remove(index);
            Ok(())
        })
    }

    /// Sets the theme and the accent of the page.
    pub fn set_appearance(&self, tx: &mut Tx<'_>, look: &Look) -> Result<()> {
        self.change_page(tx, |_, page| {
            page.look = look.clone();
            Ok(())
        })
    }

    /// Publishes the draft.
    pub fn publish(&self, tx: &mut Tx<'_>) -> Result<()> {
        let draft = self.change_page(tx, |_, page| Ok(page.clone()))?;
        store::pages::publish(tx, self.id(), &draft.to_json()?)?;
        store::pages::pictures::hide_all(tx, self.id())?;
        for (picture, audience) in draft.pictures() {
            store::pages::pictures::show(tx, picture, self.id(), audience)?;
        }
        self.page_changed(tx);
        Ok(())
    }

    /// Withdraws the published page.
    pub fn unpublish(&self, tx: &mut Tx<'_>) -> Result<()> {
        store::pages::unpublish(tx, self.id())?;
        store::pages::pictures::hide_all(tx, self.id())?;
        self.page_changed(tx);
        Ok(())
    }

    /// Replaces the draft by the published page.
    pub fn discard_draft(&self, tx: &mut Tx<'_>) -> Result<()> {
        self.change_page(tx, |tx, page| {
            let published = published(tx, self)?;
            let published = published.ok_or(Error::Conflict("There is nothing published to go back to."))?;
            // Ids of sections are never used again, also those of discarded sections.
            let last_id = page.last_id.max(published.page.last_id);
            *page = Page { last_id, ..published.page };
            Ok(())
        })
    }

    /// Emits an event that invalidates the cached page of the member.
    pub(super) fn page_changed(&self, tx: &mut Tx<'_>) {
        tx.emit(Emission { topic: Topic::Account(self.id()), event: Event::PageChanged(self.id()) });
    }
}

//! Pictures on pages: kept in several widths, so that a phone is not sent what a large screen wants.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Audience;
use crate::{
    Error, Result,
    db::Read,
    domain::{accounts::Member, conversations::forget_files},
    events::Tx,
    ids::{AttachmentId, PictureId},
    store::{self, accounts::Account, pages::pictures::File},
};

/// Pictures of one member, those on the page and those that were.
const MOST: i64 = 200;

/// How old a picture that stands nowhere may become before the next one takes its place.
const UNUSED: Duration = Duration::from_secs(24 * 3600);

/// A picture as it stands in a section.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Picture {
    /// Which.
    pub id: PictureId,
    /// What is on it, for whoever does not see it; empty where it only decorates.
    pub alt: String,
}

/// A file of a picture, before it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// In pixels.
    pub width: i64,
    /// In pixels.
    pub height: i64,
    /// How large it is.
    pub bytes: i64,
}

impl Member {
    /// Notes a picture whose files are made. Gives its id, and those of the files, in the order of the sizes.
    pub fn add_picture(&self, tx: &mut Tx<'_>, sizes: &[Size]) -> Result<(PictureId, Vec<AttachmentId>)> {
        self.drop_unused_pictures(tx)?;
        if store::pages::pictures::count(tx, self.id())? >= MOST {
            return Err(Error::invalid(
                "picture",
                "You have sent 200 pictures. Those that stand nowhere go after a day.",
            ));
        }
        let largest = sizes.iter().max_by_key(|size| size.width);
        let largest = largest.ok_or_else(|| Error::internal("a picture without a file"))?;
        let id = store::pages::pictures::insert(tx, self.id(), (largest.width, largest.height))?;
        let mut files = Vec::new();
        for size in sizes {
            files.push(store::pages::pictures::insert_file(tx, id, (size.width, size.height), size.bytes)?);
        }
        Ok((id, files))
    }

    /// Forgets pictures of more than a day ago that stand neither on the draft nor on what others see.
    fn drop_unused_pictures(&self, tx: &mut Tx<'_>) -> Result<()> {
        // Held, so that no section takes one of them in the meantime.
        let draft = self.change_page(tx, |_, page| Ok(page.clone()))?;
        let published = super::published(tx, self)?;
        let pages = [Some(draft), published.map(|published| published.page)];
        let sections = pages.iter().flatten().flat_map(|page| &page.sections);
        let used: Vec<PictureId> = sections.flat_map(|section| section.content.pictures()).collect();
        let before = tx.now() - UNUSED;
        let mut files = Vec::new();
        for picture in store::pages::pictures::of(tx, self.id())? {
            if picture.created_at < before && !used.contains(&picture.id) {
                files.extend(store::pages::pictures::delete(tx, picture.id)?);
            }
        }
        forget_files(tx, files)
    }
}

/// Whether somebody may see a file of a picture: what is published for them, and what is their own. `None` where
/// not; else whether everyone may.
pub fn may_see(read: &Read<'_>, file: AttachmentId, viewer: Option<&Account>) -> Result<Option<bool>> {
    let Some(picture) = store::pages::pictures::by_file(read, file)? else { return Ok(None) };
    let is_own = viewer.is_some_and(|viewer| viewer.id == picture.account);
    let is_member = viewer.is_some_and(|viewer| Member::try_from(viewer.clone()).is_ok());
    let sees = match picture.audience {
        Audience::Everyone => true,
        Audience::Members => is_member || is_own,
        Audience::Nobody => is_own,
    };
    Ok(sees.then_some(picture.audience == Audience::Everyone))
}

/// The files of all pictures of a member, the smallest of each picture first.
pub fn files_of(read: &Read<'_>, owner: &Member) -> Result<Vec<File>> {
    store::pages::pictures::files_of(read, owner.id())
}

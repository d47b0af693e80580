//! Pictures on pages, in several widths, so that a phone does not receive the file for a large screen.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Audience;
use crate::{
    Error, Result,
    db::Read,
    domain::{accounts::Member, conversations::enqueue_file_deletion},
    events::Tx,
    ids::{AttachmentId, PictureId},
    store::{self, accounts::Account, pages::pictures::File},
};

/// The maximum number of pictures of one member, including those that are not on the page any more.
const MAX_PICTURES: i64 = 200;

/// The age from which an unused picture is deleted when the next one is added.
const UNUSED_RETENTION: Duration = Duration::from_secs(24 * 3600);

/// A picture in a section.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Picture {
    pub id: PictureId,
    /// The alternative text; empty for a picture that only decorates.
    pub alt: String,
}

/// The size of a file of a picture.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// The width in pixels.
    pub width: i64,
    /// The height in pixels.
    pub height: i64,
    pub bytes: i64,
}

impl Member {
    /// Inserts a picture whose files exist. Returns its id and those of its files, in the order of the sizes.
    pub fn add_picture(&self, tx: &mut Tx<'_>, sizes: &[Size]) -> Result<(PictureId, Vec<AttachmentId>)> {
        self.delete_unused_pictures(tx)?;
        if store::pages::pictures::count(tx, self.id())? >= MAX_PICTURES {
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

    /// Deletes pictures that are older than [`UNUSED_RETENTION`] and neither on the draft nor on the published page.
    fn delete_unused_pictures(&self, tx: &mut Tx<'_>) -> Result<()> {
        // The draft is locked, so that no section can start to use one of these pictures meanwhile.
        let draft = self.change_page(tx, |_, page| Ok(page.clone()))?;
        let published = super::published(tx, self)?;
        let pages = [Some(draft), published.map(|published| published.page)];
        let sections = pages.iter().flatten().flat_map(|page| &page.sections);
        let used: Vec<PictureId> = sections.flat_map(|section| section.content.pictures()).collect();
        let before = tx.now() - UNUSED_RETENTION;
        let mut files = Vec::new();
        for picture in store::pages::pictures::by_owner(tx, self.id())? {
            if picture.created_at < before && !used.contains(&picture.id) {
                files.extend(store::pages::pictures::delete(tx, picture.id)?);
            }
        }
        enqueue_file_deletion(tx, files)
    }
}

/// Returns whether everyone may see a file of a picture; `None` where the viewer may not. A viewer may see their own
/// pictures, and those that are published for them.
pub fn may_see(read: &Read<'_>, file: AttachmentId, viewer: Option<&Account>) -> Result<Option<bool>> {
    let Some(picture) = store::pages::pictures::by_file(read, file)? else { return Ok(None) };
    let is_own = viewer.is_some_and(|viewer| viewer.id == picture.account);
    let is_member = viewer.is_some_and(|viewer| Member::try_from(viewer.clone()).is_ok());
    let may_see = match picture.audience {
        Audience::Everyone => true,
        Audience::Members => is_member || is_own,
        Audience::Nobody => is_own,
    };
    Ok(may_see.then_some(picture.audience == Audience::Everyone))
}

/// Returns the files of all pictures of a member, the smallest of each picture first.
pub fn files_of(read: &Read<'_>, owner: &Member) -> Result<Vec<File>> {
    store::pages::pictures::files_of(read, owner.id())
}

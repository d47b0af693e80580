//! Pictures on pages, and their files.

use super::Audience;
use crate::{
    Result,
    clock::Time,
    db::{Read, Write, columns, from_row},
    ids::{AccountId, AttachmentId, PictureId},
    params, sql,
};

columns! {
    /// A picture.
    #[derive(Clone, Debug)]
    pub struct Picture as q {
        pub id: PictureId,
        /// The owner.
        pub account: AccountId = "q.account_id",
        /// Width and height of the largest file, in pixels.
        pub size: (i64, i64) = "q.width, q.height",
        /// The audience on the published page.
        pub audience: Audience,
        pub created_at: Time,
    }
}

columns! {
    /// A file of a picture.
    #[derive(Clone, Copy, Debug)]
    pub struct File as f {
        pub id: AttachmentId,
        pub picture: PictureId = "f.picture_id",
        /// Width and height, in pixels.
        pub size: (i64, i64) = "f.width, f.height",
    }
}

pub fn insert(tx: &mut Write<'_>, account: AccountId, size: (i64, i64)) -> Result<PictureId> {
    let (id, now) = (PictureId(tx.new_id()), tx.now());
    tx.execute(
        sql!("INSERT INTO pictures (id, account_id, width, height, created_at) VALUES ($1, $2, $3, $4, $5)"),
        params![id, account, size.0, size.1, now],
    )?;
    Ok(id)
}

pub fn insert_file(
    tx: &mut Write<'_>,
    picture: PictureId,
    size: (i64, i64),
    bytes: i64,
) -> Result<AttachmentId> {
    let id = AttachmentId(tx.new_id());
    tx.execute(
        sql!("INSERT INTO picture_files (id, picture_id, width, height, bytes) VALUES ($1, $2, $3, $4, $5)"),
        params![id, picture, size.0, size.1, bytes],
    )?;
    Ok(id)
}

pub fn by_id(read: &Read<'_>, id: PictureId) -> Result<Option<Picture>> {
    read.first(sql!("SELECT ", Picture::COLUMNS, " FROM pictures q WHERE q.id = $1"), params![id], from_row)
}

/// Returns the picture that a file belongs to.
pub fn by_file(read: &Read<'_>, file: AttachmentId) -> Result<Option<Picture>> {
    read.first(
        sql!(
            "SELECT ",
            Picture::COLUMNS,
            " FROM pictures q JOIN picture_files f ON f.picture_id = q.id WHERE f.id = $1"
        ),
        params![file],
        from_row,
    )
}

/// Returns an account's pictures, oldest first.
pub fn by_owner(read: &Read<'_>, account: AccountId) -> Result<Vec<Picture>> {
    read.all(
        sql!("SELECT ", Picture::COLUMNS, " FROM pictures q WHERE q.account_id = $1 ORDER BY q.id"),
        params![account],
        from_row,
    )
}

pub fn count(read: &Read<'_>, account: AccountId) -> Result<i64> {
    read.one(sql!("SELECT COUNT(*) FROM pictures WHERE account_id = $1"), params![account], from_row)
}

/// Returns the files of all pictures of an account; of each picture the narrowest first.
pub fn files_of(read: &Read<'_>, account: AccountId) -> Result<Vec<File>> {
    read.all(
        sql!(
            "SELECT ",
            File::COLUMNS,
            " FROM pictures q
             JOIN picture_files f ON f.picture_id = q.id WHERE q.account_id = $1 ORDER BY f.picture_id, f.width"
        ),
        params![account],
        from_row,
    )
}

/// Hides all pictures of an account.
pub fn hide_all(tx: &mut Write<'_>, account: AccountId) -> Result<()> {
    tx.execute(
        sql!("UPDATE pictures SET audience = 'nobody' WHERE account_id = $1 AND audience <> 'nobody'"),
        params![account],
    )
    .map(drop)
}

/// Sets the audience of one of the account's pictures.
pub fn show(tx: &mut Write<'_>, id: PictureId, account: AccountId, audience: Audience) -> Result<()> {
    tx.execute(
        sql!("UPDATE pictures SET audience = $1 WHERE id = $2 AND account_id = $3"),
        params![audience.name(), id, account],
    )
    .map(drop)
}

/// Deletes a picture and returns the ids of its files, so that the bytes can be deleted.
pub fn delete(tx: &mut Write<'_>, id: PictureId) -> Result<Vec<AttachmentId>> {
    let files =
        tx.all(sql!("DELETE FROM picture_files WHERE picture_id = $1 RETURNING id"), params![id], from_row)?;
    tx.execute(sql!("DELETE FROM pictures WHERE id = $1"), params![id])?;
    Ok(files)
}

//! The export of a page: files that can be opened from a folder.

use std::{
    io::{Cursor, Write},
    sync::Arc,
};

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::{
    style::css,
    view::{Home, PageData, Renderer},
};
use crate::{
    Error, Result,
    app::App,
    assets,
    config::Config,
    domain::{
        accounts::Member,
        pages::{self, Audience, Page},
    },
    events::Db,
    http::session::ClientAddr,
    ids::AttachmentId,
    services::files::Files,
};

/// A page as files: their paths within a folder, and their contents.
pub type Export = Vec<(String, Vec<u8>)>;

/// Exports the public part of the member’s page, or of the draft if none is published.
pub async fn export(config: &Config, db: &Db, files: &Files, member: &Member) -> Result<Export> {
    let reader = member.clone();
    let read = db.read(move |read| {
        let page = match pages::published(read, &reader)? {
            Some(published) => published.page,
            None => reader.page(read)?.draft,
        };
        Ok((PageData::of(read, &reader, &page)?, page))
    });
    let (data, page) = read.await?;
    let renderer = Renderer {
        owner: member,
        page: &page,
        audience: Audience::Everyone,
        host: None,
        home: Home::Folder,
        is_own: false,
    };
    let html = renderer.view(config, &data).render().map_err(Error::internal)?;
    let mark = assets::text("img/mark.svg").unwrap_or_default();
    let mut export = vec![
        ("index.html".to_owned(), html.into_bytes()),
        ("page.css".to_owned(), css(&page.look)?.into_bytes()),
        ("mark.svg".to_owned(), mark.into_bytes()),
    ];
    for id in public_files(&page, &data) {
        let bytes = tokio::fs::read(files.path(id)).await.map_err(Error::internal)?;
        export.push((format!("pictures/{id}.webp"), bytes));
    }
    Ok(export)
}

/// Returns the files of the public pictures.
fn public_files(page: &Page, data: &PageData) -> Vec<AttachmentId> {
    let pictures: Vec<_> =
        page.seen_by(Audience::Everyone).flat_map(|section| section.content.shown_pictures()).collect();
    data.files().filter(|file| pictures.contains(&file.picture)).map(|file| file.id).collect()
}

/// `GET /settings/page/export.zip`
pub async fn download(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    member: Member,
) -> Result<Response> {
    app.limits.post(origin, member.id())?; // the export reads every picture
    let _turn = app.limits.upload(&member.account)?;
    let files = export(&app.config, &app.db, &app.files, &member).await?;
    let folder = member.username.clone();
    let zipped =
        tokio::task::spawn_blocking(move || zip(&folder, &files)).await.map_err(Error::internal)??;
    let name = format!("attachment; filename=\"{}.zip\"", member.username);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/zip")),
        (header::CONTENT_DISPOSITION, HeaderValue::try_from(name).map_err(Error::internal)?),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    ];
    Ok((headers, zipped).into_response())
}

fn zip(folder: &str, files: &Export) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        zip.start_file(format!("{folder}/{path}"), SimpleFileOptions::default()).map_err(Error::internal)?;
        zip.write_all(bytes).map_err(Error::internal)?;
    }
    Ok(zip.finish().map_err(Error::internal)?.into_inner())
}

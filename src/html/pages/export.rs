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
    view::{Home, Material, Showing},
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

/// The public part of the member’s page, or else of its draft, as files.
pub async fn export(config: &Config, db: &Db, files: &Files, member: &Member) -> Result<Export> {
    let asked = member.clone();
    let read = db.read(move |read| {
        let page = match pages::published(read, &asked)? {
            Some(published) => published.page,
            None => asked.page(read)?.draft,
        };
        Ok((Material::of(read, &asked, &page)?, page))
    });
    let (material, page) = read.await?;
    let showing = Showing {
        owner: member,
        page: &page,
        audience: Audience::Everyone,
        host: None,
        home: Home::Folder,
        mine: false,
    };
    let html = showing.view(config, &material).render().map_err(Error::internal)?;
    let mark = assets::text("img/mark.svg").unwrap_or_default();
    let mut export = vec![
        ("index.html".to_owned(), html.into_bytes()),
        ("page.css".to_owned(), css(&page.look)?.into_bytes()),
        ("mark.svg".to_owned(), mark.into_bytes()),
    ];
    for id in shown(&page, &material) {
        let bytes = tokio::fs::read(files.path(id)).await.map_err(Error::internal)?;
        export.push((format!("pictures/{id}.webp"), bytes));
    }
    Ok(export)
}

/// The files of the public pictures.
fn shown(page: &Page, material: &Material) -> Vec<AttachmentId> {
    let pictures: Vec<_> =
        page.seen_by(Audience::Everyone).flat_map(|one| one.content.shown_pictures()).collect();
    material.files().filter(|file| pictures.contains(&file.picture)).map(|file| file.id).collect()
}

/// `GET /settings/page/export.zip`
pub async fn download(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    member: Member,
) -> Result<Response> {
    app.limits.post(from, member.id())?; // the export reads every picture
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

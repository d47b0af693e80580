//! The pictures of pages: received with a form, and served.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use tokio_util::io::ReaderStream;

use crate::{
    Error, Result,
    app::App,
    domain::{accounts::Member, pages::pictures as pages},
    http::{input::from_path, session::Caller},
    ids::{AttachmentId, PictureId},
    services::files::Incoming,
};

/// Encodes a picture in all widths, and stores the files.
pub async fn store(app: &App, member: &Member, incoming: Incoming) -> Result<PictureId> {
    let variants = app.pictures.sizes(incoming.path()).await?;
    let mut written = Vec::new();
    for variant in &variants {
        let mut file = app.files.receive().await?;
        file.write(&variant.bytes).await?;
        file.finish().await?;
        written.push(file);
    }
    let sizes: Vec<_> = variants
        .iter()
        .map(|variant| pages::Size {
            width: variant.size.0,
            height: variant.size.1,
            bytes: variant.bytes.len() as i64,
        })
        .collect();
    let owner = member.clone();
    // The rows are written before the files: a crash then leaves only rows of an unused picture, which the next upload
    // deletes.
    let (id, files) = app.db.write(move |tx| owner.add_picture(tx, &sizes)).await?;
    for (file, id) in written.into_iter().zip(files) {
        app.files.keep(file, id).await?;
    }
    Ok(id)
}

/// Serves `GET /pictures/{id}.webp`.
pub async fn get(State(app): State<Arc<App>>, Path(name): Path<String>, caller: Caller) -> Result<Response> {
    let id: AttachmentId = from_path(name.strip_suffix(".webp").ok_or(Error::NotFound)?)?;
    let account = caller.account;
    let visibility = app.db.read(move |read| pages::may_see(read, id, account.as_ref())).await?;
    let is_public = visibility.ok_or(Error::NotFound)?;
    let file = tokio::fs::File::open(app.files.path(id)).await.map_err(|_| Error::NotFound)?;
    let length = file.metadata().await.map_err(Error::internal)?.len();
    let cache_control = if is_public { "public, max-age=86400" } else { "private, no-cache" };
    let mut response = axum::body::Body::from_stream(ReaderStream::new(file)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/webp"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
    Ok(response)
}

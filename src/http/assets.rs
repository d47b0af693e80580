//! Serving of the stylesheets, scripts and images that are embedded in the binary.

use axum::{
    extract::Path,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::{
    Error,
    assets::{Assets, VERSION},
};

/// `GET /assets/{version}/{*path}`: every version is served, but only the current one may be cached.
pub async fn get(Path((version, path)): Path<(String, String)>) -> Result<Response, Error> {
    let file = Assets::get(&path).ok_or(Error::NotFound)?;
    let media_type = mime_guess::from_path(&path).first_or_octet_stream();
    let cache_control = if version == *VERSION { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = file.data.into_owned().into_response();
    let headers = response.headers_mut();
    if let Ok(media_type) = HeaderValue::from_str(media_type.as_ref()) {
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
    Ok(response)
}

/// `GET /favicon.ico`, for clients that request it without reading the page.
pub async fn favicon() -> Result<Response, Error> {
    get(Path((VERSION.clone(), "img/mark.svg".into()))).await
}

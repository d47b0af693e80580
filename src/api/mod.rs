//! The API for programs: a module per noun. A handler parses, calls one verb of the domain, and serializes.

pub mod accounts;
pub mod attachments;
pub mod hooks;
mod list;
pub mod matches;
pub mod messages;
pub mod pairings;
pub mod peeps;
pub mod rooms;
pub mod search;
pub mod sessions;
pub mod sync;
pub mod threads;

use std::sync::Arc;

use axum::{Json, extract::State, http::header, response::IntoResponse};

use crate::app::App;

/// `GET /openapi.json`: the description of the API.
pub async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], crate::openapi::json())
}

/// `GET /docs/chitter.postman_collection.json`: the API as a collection for Postman and newman.
pub async fn postman(State(app): State<Arc<App>>) -> impl IntoResponse {
    Json(crate::openapi::collection(app.config.base_url.as_str()))
}

/// `GET /asyncapi.json`: the description of the WebSocket's messages.
pub async fn live(State(app): State<Arc<App>>) -> impl IntoResponse {
    let base = &app.config.base_url;
    let host = base.as_str().split_once("://").map_or("", |(_, host)| host);
    Json(crate::openapi::asyncapi(host, base.is_https()))
}
